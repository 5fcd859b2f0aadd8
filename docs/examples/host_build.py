"""A stand-in for a host build of the firmware (docs/host-build.md): the twin's own unit, alone in a process, behind the
wires that a host build has.

    mcm-bench run regression --host-build "python docs/examples/host_build.py --board {board} --meter {meter}
        --tick {tick} --bootstrap {bootstrap} --endpoint {endpoint} --keys {keys}"

What a firmware does is the unit of ``bench.twin.cmi6110``; here is what a port of a firmware to this machine has to
bring: a clock, a modem, a meter, LEDs and a button.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from aiocoap import Message
from tick_loop import TickLoop

from bench.clock import Clock, WallClock
from bench.twin.cmi6110.identity import Identity
from bench.twin.cmi6110.lwm2m_client import Site
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.objects import build_objects
from bench.twin.cmi6110.readouts import RETRY_S, Readouts
from bench.twin.cmi6110.unit import CMi6110
from bench.twin.defects import DEFECTS
from bench.twin.meter.uh50 import ENERGY_UNITS, UH50, Registers
from bench.twin.parts import Parts
from bench.twin.radio.cell import Cell
from bench.twin.radio.nas import PowerSaving

ANSWER_S = 2.0
"""The meter's."""
BETWEEN_LINES = re.compile(r"^(\x03.)?\x06*", re.DOTALL)
"""What has no ending of its own and stands before the next line: the end of a telegram, acknowledgements."""
METER_INFORMATION = "33908"
FLAGS = ("F0", "F1", "F2", "F3", "F41", "F5", "F6", "F7", "F8", "F9", "F0V", "F7V2")


class TickClock(Clock):
    """The bench's time, as it is told at the tick socket."""

    is_virtual = True

    def __init__(self, tick: str) -> None:
        self._ticks = TickLoop(tick)
        first = b""
        while b"\n" not in first:
            first += self._ticks.ticks.socket.recv(4096)
        line, _, self._ticks.ticks.received = first.partition(b"\n")
        super().__init__(datetime.fromisoformat(line.decode().removeprefix("epoch ").strip()))

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        return self._ticks

    def time(self) -> float:
        return self._ticks.time()

    def _begin(self, wait: object) -> None:
        raise NotImplementedError    # a unit waits in its loop only


class Lines(asyncio.Protocol):
    """A TCP wire of the bench; the bench's end of it is this process's end."""

    def __init__(self, ending: bytes) -> None:
        self.hear: Callable[[str], None] = lambda line: None
        self._ending = ending
        self._heard = b""

    @classmethod
    async def to(cls, address: str, ending: bytes = b"\n") -> Lines:
        host, _, port = address.rpartition(":")
        _, lines = await asyncio.get_running_loop().create_connection(lambda: cls(ending), host, int(port))
        return lines

    def say(self, line: str) -> None:
        self.wire.write(line.encode("ascii") + self._ending)

    def connection_made(self, transport: Any) -> None:
        self.wire = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._heard = (self._heard + data).split(self._ending)
        for line in lines:
            self.hear(line.decode("ascii"))

    def connection_lost(self, error: Exception | None) -> None:
        os._exit(0)


class WiredModem(Modem):
    """Attaches by lines of the board; datagrams go through sockets of this machine, which the lab slows down itself."""

    board: Lines

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._answer: asyncio.Future[list[str]] | None = None

    async def attach(self, apn: str | None, search_s: float) -> bool:
        self.refused = False
        self._enter("searching")
        started = self.clock.time()
        self.say_asks()
        self.board.say(" ".join(["bands", *map(str, sorted(self.bands))]))
        self.board.say(f"attach {search_s:g}" + (f" {apn}" if apn else ""))
        self._answer = self.clock.loop.create_future()
        word, *rest = await self._answer
        if word != "attached":
            self.refused = word == "refused"
            self._enter("off")
            return False
        self.apn, self.granted = rest[0], PowerSaving()
        self.attached, self.attached_at = True, self.clock.time()
        self.registrations += 1
        self.last_registration_s = self.attached_at - started
        self._enter("connected")
        return True

    def hear(self, words: list[str]) -> None:
        if words == ["lost"]:
            self.lost_network()
        elif words[0] == "signal":
            band, rsrp_dbm, snr_db = int(words[1]), *map(float, words[2:])
            self.cell.carriers = {band: rsrp_dbm}
            self.cell.noise_dbm = rsrp_dbm - snr_db
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(words)

    def _left(self) -> None:
        if self.state != "off":
            self.board.say("detach")
        super()._left()

    def say_asks(self) -> None:
        asked = self.asks()
        elements = {"t3324": asked.t3324_s, "t3412": asked.t3412_s, "edrx": asked.edrx}
        self.board.say(" ".join(["asks", *(f"{name}={value}" for name, value in elements.items()
                                           if value is not None)]))

    def renegotiate(self) -> None:
        if self.attached:
            self.say_asks()

    def touch(self) -> None:
        self._enter("connected")

    def uplink_delay(self, size: int, release_assistance: int = 0) -> float:
        return 0.0

    def downlink_delay(self, size: int) -> float | None:
        return 0.0 if self.attached else None


class WiredMeter(UH50):
    """What was last read of the meter, and its clock as this process keeps it in between."""

    wire: Lines

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.connected = False
        self._telegram: list[str] = []
        self._read = super().registers()
        self._answer: asyncio.Future[None] | None = None
        self._in_turn = asyncio.Lock()

    def registers(self) -> Registers:
        return self._read

    def set_clock(self, local: datetime) -> None:
        super().set_clock(local)
        if hasattr(self, "wire"):
            self.wire.say(f"9.36({local:%Y-%m-%d&%H:%M:%S.%f})")

    async def read(self) -> None:
        """Ask the meter; ``connected`` says whether it answered."""
        async with self._in_turn:
            self._answer = self._clock.loop.create_future()
            self.wire.say("/#!")
            try:
                await asyncio.wait_for(self._answer, ANSWER_S)
            except TimeoutError:
                self.connected = False
                return
            self.connected = True
            self._take("".join(self._telegram))

    def hear(self, line: str) -> None:
        line = BETWEEN_LINES.sub("", line)
        if line.startswith("9.36("):
            super().set_clock(datetime.fromisoformat(line[5:-1].replace("&", " ")))
        elif line.startswith("\x02"):
            self._telegram = [line]
        elif line == "!":
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(None)
        else:
            self._telegram.append(line)

    def _take(self, text: str) -> None:
        found: dict[str, str] = dict(re.findall(r"([0-9F][0-9.*]*)\(([^)]*)\)", text))

        def number(code: str) -> Decimal:
            return Decimal(found[code].partition("*")[0])

        def tariff(code: str) -> Decimal | None:
            return number(code) if found[code] else None

        clock = datetime.fromisoformat(found["9.36"].replace("&", " "))
        if not 0 <= (self.clock_now() - clock).total_seconds() < 1:    # the telegram has whole seconds
            self._clock_set_at, self._clock_set_to = self._clock.time(), clock
        self.property_number, self.fabrication_number = found["9.21"], found["9.20"]
        self._error_flags = sum(1 << FLAGS.index(name) for name in found["F"].split("&") if name != "0")
        self._read = replace(
            self._read, clock=clock, property_number=found["9.21"], fabrication_number=found["9.20"],
            error_flags=self._error_flags,
            energy_unit=next(one for one in ENERGY_UNITS.values() if one.symbol == found["6.8"].partition("*")[2]),
            energy=number("6.8"), volume_m3=number("6.26"), power_kw=number("6.4"), flow_m3_h=number("6.27"),
            forward_c=number("6.29"), return_c=number("6.28"), missing_time_h=int(number("6.32")),
            tariffs=(tariff("6.8.1"), tariff("6.8.2"), tariff("6.8.3"), tariff("6.8.4"), tariff("6.8.5")))


class WiredReadouts(Readouts):
    """Asks the meter over its wire first."""

    async def read(self, *, extra: bool) -> None:
        assert isinstance(self.meter, WiredMeter)
        for attempt in range(1 + self.retries()):
            if attempt:
                await asyncio.sleep(RETRY_S)
            await self.meter.read()
            if self.read_once(extra=extra or attempt > 0) is not None:
                return


class WiredSite(Site):
    """What a server asks about the meter is asked of the meter."""

    meter: ClassVar[WiredMeter]

    async def render(self, request: Message) -> Message:
        if not request.opt.uri_path or request.opt.uri_path[0] == METER_INFORMATION:
            await self.meter.read()
        return await super().render(request)


class Build:
    """The unit at its wires."""

    def __init__(self, clock: Clock, arguments: argparse.Namespace) -> None:
        self._clock = clock
        self._cell, self._meter = Cell(clock), WiredMeter(clock)
        WiredSite.meter = self._meter
        seed = int(arguments.endpoint, 16)
        random.seed(seed)
        faults = [part for defect in DEFECTS.find(arguments.defect) for part in defect.parts]
        self._unit = CMi6110(Parts([WiredModem, WiredReadouts, WiredSite, *faults]), clock, random.Random(seed),
                             random.Random(seed), self._cell, self._meter, Identity(arguments.endpoint), bytes(16))
        keys = tomllib.loads(Path(arguments.keys).read_text("ascii"))[arguments.endpoint]
        servers, settings = self._unit.servers, self._unit.settings
        servers.bootstrap_key, servers.dm_key, servers.mdm_key = (
            bytes.fromhex(keys[name]) for name in ("bootstrap_psk", "dm_psk", "mdm_psk"))
        self._unit.tree.update(build_objects(self._unit))
        uri = urlsplit(arguments.bootstrap)    # where the network has the server with the default address
        assert uri.hostname is not None
        assert uri.port is not None
        self._cell.routes[settings.text("bootstrap_ip"), settings.number("bootstrap_port")] = uri.hostname, uri.port

    async def connect(self, board: str, meter: str) -> None:
        wire = self._meter.wire = await Lines.to(meter, b"\r\n")
        wire.hear = self._meter.hear
        modem, front = self._unit.modem, self._unit.front
        assert isinstance(modem, WiredModem)
        lines = modem.board = await Lines.to(board)
        lines.hear = self._hear
        front.green.follow(lambda on: lines.say(f"green {int(on)}"))
        front.red.follow(lambda on: lines.say(f"red {int(on)}"))

    def _hear(self, line: str) -> None:
        modem = self._unit.modem
        assert isinstance(modem, WiredModem)
        match line.split():
            case ["supply", millivolts]:
                if self._unit.supply.value == 0:
                    self._clock.spawn(self._meter.read())    # what time it is
                self._unit.supply.set(int(millivolts) / 1000)
            case ["button", pressed]:
                self._unit.front.button.set(pressed == "1")
            case ["time", moment]:
                told = datetime.fromisoformat(moment)
                offset = told.utcoffset()
                assert offset is not None
                self._cell.utc_offset_minutes = round(offset.total_seconds() / 60)
                self._cell.clock_error_s = (told - self._clock.utc()).total_seconds()
            case words:
                modem.hear(words)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--board", "--meter", "--bootstrap", "--endpoint", "--keys"):
        parser.add_argument(name, required=True)
    parser.add_argument("--tick", help="without it the unit lives in real time")
    parser.add_argument("--defect", action="append", default=[], help="one of the twin's")
    arguments = parser.parse_args()
    clock = TickClock(arguments.tick) if arguments.tick else WallClock()
    asyncio.set_event_loop(clock.loop)
    clock.loop.create_task(Build(clock, arguments).connect(arguments.board, arguments.meter))
    clock.loop.run_forever()


if __name__ == "__main__":
    main()
