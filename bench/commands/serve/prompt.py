"""The servers at a terminal, or at the end of a pipe: a command a line."""

from __future__ import annotations

import json
import shlex
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from bench.clock import Clock
from bench.commands.serve.servers import COMMANDS, Event, Servers
from bench.commands.serve.values import TYPES, Row
from bench.commands.terminal import plain
from bench.errors import BenchError, UnitError
from bench.payload import table
from bench.payload.decode import decode

HELP = f"""\
clients                            who is registered
read [CLIENT] PATH                 a resource, an instance or an object
write [CLIENT] PATH [TYPE] VALUE   TYPE, where the manual has none: {', '.join(TYPES)}
execute [CLIENT] PATH [ARGUMENTS]
discover, observe, cancel [CLIENT] PATH
firmware [CLIENT] FILE             offer a package and write its URI to 5/0/1
telegrams, telegram NUMBER         what came by MQTT-SN or Send, decoded
bootstrap [CLIENT]                 what the bootstrap server writes
quit                               as the end of the input does
A path begins with a slash; CLIENT may be left out while there is one only."""


class Prompt:
    """Answers and events go to ``out``, a line each: events begin with "*", errors with "!". ``as_json``: in JSON."""

    def __init__(self, servers: Servers, clock: Clock, out: TextIO, *, as_json: bool) -> None:
        self._servers = servers
        self._clock = clock
        self._out = out
        self._as_json = as_json
        self._at_terminal = sys.stdin is not None and sys.stdin.isatty() and out.isatty()
        self._lock = threading.Lock()

    def run(self, uris: Mapping[str, str]) -> None:
        """Say the URIs, and answer the lines of the standard input until it ends."""
        self._clock.call(lambda: self._servers.listeners.append(lambda event: self._say("* ", event)))
        listening = [{"text": f"{name} {uri}"} for name, uri in uris.items()]
        for told in [{"event": "listening", "uris": uris}] if self._as_json else listening:
            self._say("", told)
        for line in self._lines():
            try:
                words = shlex.split(line, comments=True)
                if words in (["quit"], ["exit"]):
                    return
                if words:
                    self._tell(words[0], self._answer(words))
            except (BenchError, UnitError, ValueError) as error:    # Lwm2mError is one, and an open quote
                self._say("! ", {"event": "error", "text": str(error)} if self._as_json else {"text": str(error)})

    def _lines(self) -> Iterator[str]:
        if not self._at_terminal:
            if sys.stdin is not None:
                sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
                yield from sys.stdin
            return
        import readline  # noqa: F401 - gives input() a history
        with suppress(EOFError):
            while True:
                yield input("> ")

    def _say(self, mark: str, told: Event) -> None:
        told = self._servers.masked(told)
        text = json.dumps(told) if self._as_json else mark + in_words(told)
        with self._lock:
            self._out.write(f"\r\033[K{text}\n> " if self._at_terminal and mark == "* " else f"{text}\n")
            self._out.flush()

    def _tell(self, command: str, answer: Sequence[Row]) -> None:
        if self._as_json:
            self._say("", {"event": "answer", "command": command, "values": answer})
            return
        for one in answer or [{"text": "done" if command in COMMANDS else "none"}]:
            self._say("", one)

    def _answer(self, words: Sequence[str]) -> Sequence[Row]:
        servers, call, run = self._servers, self._clock.call, self._clock.run
        match words:
            case ["clients"]:
                return call(servers.clients)
            case ["telegrams"]:
                shown = ("number", "time", "client", "topic", "text")
                return [{name: one[name] for name in shown} for one in call(servers.telegrams)]
            case ["telegram", number] if number.isascii() and number.isdigit():
                telegram = call(lambda: servers.telegram(int(number)))
                return [telegram] if self._as_json or "problem" in telegram else _drawn(telegram)
            case ["bootstrap", *client] if len(client) < 2:
                return call(lambda: servers.bootstrap(*client))
            case ["firmware", *client, file] if len(client) < 2:
                return [{"text": run(servers.firmware(Path(file).name, _content(file), *client))}]
            case [command, *rest] if command in COMMANDS:
                named = rest.pop(0) if rest and not rest[0].startswith("/") else None
                if not rest or not rest[0].startswith("/") or (command == "write" and len(rest) < 2):
                    raise BenchError(command, expected="a path such as /3/0/6" + ", and a value" * (command == "write"),
                                     seen=" ".join(words[1:])[:80] or "nothing", do="see help")
                kind = rest.pop(1) if command == "write" and len(rest) > 2 and rest[1] in TYPES else ""
                return run(servers.ask(command, rest[0], named, " ".join(rest[1:]), kind))
            case ["help"]:
                return [{"text": line} for line in HELP.splitlines()]
        raise BenchError("command", expected="one that help has, with what belongs to it",
                         seen=" ".join(words)[:80], do="see help")


def _drawn(telegram: Row) -> Sequence[Row]:
    page = StringIO()
    plain(file=page, width=110, color_system=None).print(table.render(decode(bytes.fromhex(telegram["hex"]))))
    return [{"text": line} for line in page.getvalue().splitlines()]


def in_words(told: Event) -> str:
    """A line for a person; whatever a device has put into it is printable."""
    if "path" in told and "value" in told:
        text = f"{told['path']} = {told['value']} {told.get('unit', '')}".rstrip()
        text += f"   ({told['name']})" if told["name"] else ""
    else:
        text = "  ".join(_word(name, value) for name, value in told.items()
                         if value not in ("", None, []) and value is not False)
    return "".join(letter if letter.isprintable() else "." for letter in text)


def _word(name: str, value: Any) -> str:
    if value is True:
        return name
    if isinstance(value, list):
        value = ", ".join(f"{one['path']} = {one['value']}" if name == "values" else one["path"] if name == "objects"
                          else str(one) for one in value)
    return str(value) if name in ("time", "event", "what", "text", "endpoint", "client", "path") else f"{name} {value}"


def _content(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise BenchError(f"firmware package {file}", expected="to read it", seen=(error.strerror or str(error)).lower(),
                         do="check the path") from error
