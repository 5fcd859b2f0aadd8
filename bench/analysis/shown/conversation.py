"""What unit and servers said to each other: who spoke after whom and how soon, in which order, with which words.

Names are normalised: no message ids, tokens or peers, and a registration is ``/rd/#`` whichever it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.analysis.shown.fact import Area, Seen
from bench.timeline import Observation

SERVERS = ("bootstrap", "dm", "dm-2", "mdm", "mdm-2", "files")

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"})

_RESOLUTION_S = 1e-3
"""The network's and the computer's part in a time between two messages."""

_LONGEST_S = 600.0
"""What comes later than this after the message before it does not answer it: a schedule moves it, or a test."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message, or what a hand did (``by`` "hand"): the word for it, and how the unit came to say it."""

    time: float
    by: str
    word: str
    server: str = ""
    data: Mapping[str, Any] | None = None
    again: bool = False
    asked: str = ""
    since: float = 0.0
    """Of an answer: the request, and when that came."""


def said(observations: Iterable[Observation]) -> list[Said]:
    """All that was said, and the hands on button, supply and settings, in order."""
    found: list[Said] = []
    asked: dict[tuple[str, str], tuple[str, float]] = {}
    seen: set[tuple[Any, ...]] = set()
    for one in observations:
        if one.kind == "message" and one.source in SERVERS:
            data = one.data
            unit_speaks = data["direction"] == "in"
            identity = (one.source, data["direction"], data["peer"], data["type"],
                        data.get("code"), data.get("message_id"), data.get("token"), data.get("topic_id"))
            again = data.get("message_id") is not None and identity in seen
            seen.add(identity)
            word, (request, since) = _word(one, asked)
            if word:
                found.append(Said(one.time, "unit" if unit_speaks else "server", word, one.source, data, again, request,
                                  since))
        elif one.source == "panel" and one.kind == "button":
            found.append(Said(one.time, "hand", "press" if one.data["pressed"] else "release"))
        elif (one.source, one.kind) in (("supply", "output"), ("nfc", "write")):
            found.append(Said(one.time, "hand", "supply" if one.source == "supply" else "settings"))
    return found


_NOTHING = ("", 0.0)


def _word(one: Observation, asked: dict[tuple[str, str], tuple[str, float]]) -> tuple[str, tuple[str, float]]:
    """The word for a message, and of an answer the request and when that came. None for an acknowledgement without an
    answer: whether the answer comes with it or later is a matter of when it is ready."""
    data, code = one.data, one.data.get("code")
    if code is None:
        return f"{one.source} {data['type']}", _NOTHING
    exchange = one.source, str(data.get("token", ""))
    if code in _METHODS:
        # How a file is called is the bench's choice.
        request = code if one.source == "files" else f"{code} {path_of(data)}"
        asked.setdefault(exchange, (request, one.time))
        if asked[exchange][0] != request:
            asked[exchange] = request, one.time
        return f"{one.source} {request}", _NOTHING
    if data["type"] in ("ACK", "RST") and not code.startswith(("2", "4", "5")):
        return "", _NOTHING
    return f"{one.source} answer", asked.get(exchange, _NOTHING)


def path_of(data: Mapping[str, Any]) -> str:
    """The path of a request, a registration as ``/rd/#``."""
    return re.sub(r"^(/rd/).+", r"\1#", str(data.get("uri_path") or "/"))


def timings(talk: Sequence[Said]) -> Iterator[Seen]:
    """How soon the unit spoke after what was said or done before it, by what that was. Each time is that of one step,
    so that a delay shows in one place only."""
    for before, now in pairwise(talk):
        passed = now.time - before.time
        if now.by == "unit" and now.asked and not now.again:
            method = now.asked.split(" ")[0]
            yield Seen(Area.TIMING, f"{now.server} {method} to {now.server} answer", now.time - now.since, "s",
                       _RESOLUTION_S)
        elif now.by == "unit" and not now.again and not before.again and passed <= _LONGEST_S:
            yield Seen(Area.TIMING, f"{_short(before)} to {_short(now)}", passed, "s", _RESOLUTION_S)
        elif now.by == "unit" and now.again:
            yield Seen(Area.TIMING, f"{_short(now)} again after", _since_first(talk, now), "s", _RESOLUTION_S)


def _since_first(talk: Sequence[Said], now: Said) -> float:
    earlier = [one.time for one in talk if one.word == now.word and one.by == "unit" and one.time < now.time]
    return now.time - max(earlier, default=now.time)


def _short(one: Said) -> str:
    """The word without the path of what servers ask for: reading is reading."""
    if one.by == "server" and one.server != "mdm" and " /" in one.word:
        return one.word.split(" /")[0]
    return f"{one.word} to {one.asked.split(' ')[0]}" if one.asked else one.word


_BEGINNINGS = ("bootstrap POST /bs", "dm POST /rd", "mdm CONNECT")


def order(talk: Sequence[Said]) -> Iterator[Seen]:
    """In which order the unit spoke up by itself, in each joining that came to a telegram: from bootstrap, registration
    or CONNECT to the first PUBLISH. For files it is sent."""
    joining: list[str] = []
    for one in talk:
        if one.by == "hand" and one.word in ("supply", "release"):
            joining = []
        if one.by != "unit" or one.server == "files" or one.asked or one.again:
            continue
        if one.word.endswith((" ACK", " RST", " answer")):
            continue
        if joining and one.word == joining[0]:
            joining = []
        if not joining and one.word not in _BEGINNINGS:
            continue
        joining.append(one.word)
        if one.word == "mdm PUBLISH":
            kind = ("joining with a bootstrap" if "bootstrap POST /bs" in joining else
                    "joining" if "dm POST /rd" in joining else "connecting for a telegram")
            yield Seen(Area.ORDER, kind, ", ".join(_without_repetition(joining)))
            joining = []


def _without_repetition(words: Sequence[str]) -> list[str]:
    return [word for place, word in enumerate(words) if place == 0 or words[place - 1] != word]


_SAID_ONCE = {"POST /rd": ("content_format",), "POST /rd/#": ("content_format",), "POST /bs": ("content_format",)}
_FIELDS = {"CONNECT": ("clean_session", "duration", "protocol_id", "will"), "REGISTER": ("topic_name",),
           "PUBLISH": ("qos", "retain", "topic_id_type"), "DISCONNECT": ("duration",)}


def messages(talk: Sequence[Said], unit: str) -> Iterator[Seen]:
    """With which words the unit registers, connects and publishes: all fields that are not by chance."""
    for one in talk:
        if one.by != "unit" or one.data is None or one.asked or one.again:
            continue
        name = one.word.removeprefix(one.server + " ")
        for field in _FIELDS.get(name, _SAID_ONCE.get(name, ())):
            yield Seen(Area.MESSAGE, f"{one.word}, {field}", _without(unit, one.data.get(field)))
        for pair in one.data.get("uri_query") or ():
            key, _, value = str(pair).partition("=")
            yield Seen(Area.MESSAGE, f"{one.word}, {key}", _without(unit, value))
        if name == "CONNECT" and "client_id" in one.data:
            yield Seen(Area.MESSAGE, f"{one.word}, client_id", _without(unit, one.data["client_id"]))


def _without(unit: str, value: object) -> str:
    """The value as text, with the unit's name called so, for two units differ in it; and a topic with format and
    encoding called so, which a test changes while the unit sends."""
    text = re.sub(re.escape(unit), "(unit)", str(value), flags=re.IGNORECASE) if unit else str(value)
    return re.sub(r"/(standard|extended)/(senml|json|mbus)$", "/(format)/(encoding)", text)


def answers(talk: Sequence[Said]) -> Iterator[Seen]:
    """With which code and in which format the unit answered what it was asked."""
    for one in talk:
        if one.by == "unit" and one.asked and one.data is not None and not one.again:
            shape = one.data.get("content_format")
            value = str(one.data["code"]) + (f", format {shape}" if shape is not None else "")
            yield Seen(Area.ANSWER, f"{one.server} {one.asked}", value)


def security(observations: Iterable[Observation]) -> Iterator[Seen]:
    """How DTLS sessions came to be."""
    for one in observations:
        if one.kind == "dtls" and one.data["event"] == "established":
            for field in ("suite", "version", "form", "connection_id"):
                yield Seen(Area.MESSAGE, f"{one.source} DTLS, {field}", str(one.data.get(field)))
        elif one.kind == "dtls" and one.data["event"] == "alert received":
            yield Seen(Area.MESSAGE, f"{one.source} DTLS, alert", str(one.data.get("text")))
