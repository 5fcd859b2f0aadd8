"""What there is to observe: each kind of observation of each source, and the data that it has, as a table.

A new observation gets its line here; ``tests/unit/test_kinds.py`` runs suites and holds to it whatever they observe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args

from bench.timeline import Observation

Field = type | UnionType | tuple[str, ...]
"""The type of a datum, as it is after JSON, or the words it may be. One that may be None may also be missing."""

NUMBER = int | float


@dataclass(frozen=True, slots=True)
class Kind:
    """``fields`` by name; ``others`` is the type of all further ones, None where there are none."""

    text: str
    fields: Mapping[str, Field]
    others: Field | None = None

    def objections(self, data: Mapping[str, Any]) -> list[str]:
        """What is not as it should be; empty when all is."""
        wrong = [f"{name} is missing" for name, field in self.fields.items()
                 if name not in data and not _fits(None, field)]
        for name, value in data.items():
            field = self.fields.get(name, self.others)
            if field is None:
                wrong.append(f"{name} is not known")
            elif not _fits(value, field):
                wrong.append(f"{name} is {value!r}, not {_words(field)}")
        return wrong


def objections(seen: Observation) -> list[str]:
    """What there is to say against an observation; empty when it is as the table has it."""
    kind = KINDS.get((seen.source, seen.kind))
    return ["is not in the table"] if kind is None else kind.objections(seen.data)


def _fits(value: object, field: Field) -> bool:
    if isinstance(field, tuple):
        return value in field
    if isinstance(value, bool):
        return bool in (get_args(field) or (field,))    # for Python it would be an int
    return isinstance(value, field)


def _words(field: Field) -> str:
    return " or ".join(field) if isinstance(field, tuple) else getattr(field, "__name__", str(field))


def _table() -> dict[tuple[str, str], Kind]:
    kinds: dict[tuple[str, str], Kind] = {}

    def add(sources: str, kind: str, text: str, others: Field | None = None, /, **fields: Field) -> None:
        for source in sources.split():
            kinds[source, kind] = Kind(text, fields, others)

    verdict = ("pass", "fail", "error", "skipped")
    add("test", "start", "a test begins", test=str)
    add("test", "end", "a test is over, put-back included", test=str)
    add("test", "step", "a step of the test begins", text=str)
    add("test", "note", "what a test found out", text=str)
    add("test", "reading", "how the unit was seen to read an open place of the manual", place=str, reading=str)
    add("test", "shown", "what the unit showed of what is declared of it", name=str,
        value=bool | int | str | list)
    add("test", "measurement", "a value against its limits", name=str, value=NUMBER | None, unit=str,
        low=NUMBER | None, high=NUMBER | None, verdict=verdict)
    add("test", "arrivals", "what arrived when, and what should have: minutes of the meter's time",
        midnight=str, begin=NUMBER, end=NUMBER, order=str, age_limit=NUMBER, telegrams=list, windows=list,
        outages=list, transmissions=list, never_sent=list, faults=list)

    add("unit", "log", "a line of the log of a unit that is a process", text=str)
    add("unit", "ended", "a unit's process ended by itself: its exit code, or minus a signal", code=int | None)
    add("panel", "led", "a LED goes on or off", channel=("green", "red"), on=bool)
    add("panel", "button", "the contact as sensed, not as commanded", pressed=bool)
    add("supply", "output", "the output is switched or set", on=bool, voltage_v=NUMBER)
    add("supply", "current", "a log of the current", mean_a=NUMBER | None, min_a=NUMBER | None, max_a=NUMBER | None,
        duration_s=NUMBER, samples=int)
    add("meter", "optical", "registers read at the optical port, as text, or for how long an earlier answer is used",
        registers=dict | None, stored_for_s=NUMBER | None)
    add("meter", "mbus", "registers read over M-Bus, as text", registers=dict)
    add("meter", "simulator", "a command to the meter simulator", command=str)
    add("nfc", "read", "settings read, by name; secrets excepted", str | NUMBER | None)
    add("nfc", "write", "settings written, by name; secrets excepted", str | NUMBER | None, status=str)
    add("nfc", "replay", "a recorded write was sent again")
    add("nfc", "mute", "the tag does not answer as it should", expected=str, seen=str)
    add("cell", "state", "the unit as the network sees it",
        state=("off", "on", "attached", "connected", "idle", "psm"))
    add("cell", "attenuation", "the attenuator is set", attenuation_db=NUMBER)
    add("cell", "event", "a message between unit and network", event=str, t3324_s=int | None, t3412_s=int | None,
        edrx=int | None, cause=int | None, release_assistance=int | None, destination=str | None)

    servers, coap, mqttsn = "bootstrap dm dm-2 mdm mdm-2 files", "bootstrap dm dm-2 files", "mdm mdm-2"
    direction = ("in", "out")    # in: from the unit
    add(servers, "datagram", "as it was on the wire; octets of keys are zeros, and masked says so; text: what can be "
        "seen of one in DTLS", direction=direction, peer=int, hex=str, masked=bool | None, secure=bool | None,
        text=str | None)
    add(servers, "malformed", "why a datagram is none of its protocol", direction=direction, peer=int, text=str,
        secure=bool | None, masked=bool | None)
    add(servers, "flood", "datagrams are dropped from now on, or how many were", peer=int | None, text=str)
    add(servers, "refused", "why a request of a unit was refused", peer=int, text=str)
    add(servers, "dtls", "an event of a DTLS session", peer=int,
        event=("established", "moved", "closed", "alert sent", "alert received", "dropped"), identity=str | None,
        form=str | None, suite=str | None, version=str | None, connection_id=bool | None, text=str | None)
    add(coap, "message", "CoAP: a line for a person, and the fields", direction=direction, peer=int, text=str,
        secure=bool | None, masked=bool | None, type=str, code=str, message_id=int, token=str, payload_length=int,
        options=list, uri_path=str | None, uri_query=list | None, location_path=str | None,
        content_format=int | None, accept=int | None, observe=int | None, size1=int | None, size2=int | None,
        block1=dict | None, block2=dict | None, etag=list | None)
    add(mqttsn, "message", "MQTT-SN: a line for a person, and the fields of its type; what the specification forbids",
        str | NUMBER | bool | dict | list | None, direction=direction, peer=int, text=str, secure=bool | None,
        type=str, deviations=list | None)
    add(mqttsn, "fault", "which message went wrong on purpose, and how", text=str)
    add("bootstrap", "bootstrap", "a bootstrap goes on", endpoint=str, outcome=str)
    add("bootstrap", "step", "a request of it, and the code of the answer", endpoint=str, request=str,
        code=str | None)
    add("dm dm-2", "registration", "a registration changes", endpoint=str, event=str, location=str)
    add("dm dm-2", "deviation", "what the specification forbids, and the server lets pass", peer=int, text=str)
    add("dm dm-2", "send", "what the unit reported by itself", endpoint=str, text=str)
    return kinds


KINDS = _table()
"""By source and kind."""
