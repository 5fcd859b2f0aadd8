"""A Korad KA3005P on a serial port: no line ends, answers of fixed length. Sources: sigrok wiki "Korad KAxxxxP series",
libsigrok src/hardware/korad-kaxxxxp, as read for reference."""

from __future__ import annotations

import random
import re

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.signal import Signal
from bench.twin.supply.lab_supply import LabSupply
from bench.twin.wires.pty import PtyWire

SOURCES = {
    "*IDN?": "sigrok wiki: KORADKA3005PV2.0, no line end",
    "VSET1:": "sigrok wiki; two digits, a point, two digits", "VSET1?": "sigrok wiki: five characters",
    "ISET1:": "sigrok wiki", "ISET1?": "sigrok wiki: five characters, some units send a sixth",
    "VOUT1?": "sigrok wiki: five characters", "IOUT1?": "sigrok wiki: five characters",
    "OUT": "sigrok wiki: OUT0, OUT1", "OVP": "sigrok wiki: OVP0, OVP1, on or off only",
    "OCP": "sigrok wiki: OCP0, OCP1, on or off only",
    "STATUS?": "sigrok wiki: one octet; bit 0 CV, 5 OCP, 6 output, 7 OVP",
}
"""Where each command is known from."""

_COMMAND = re.compile(r"(VSET1:|ISET1:)(\d{1,2}\.\d{1,3})|(OUT|OVP|OCP)([01])|(\*IDN\?|[VI]SET1\?|[VI]OUT1\?|STATUS\?)")
_LONGEST = 12
"""Characters of the longest command."""


class KoradKa3005p(LabSupply):
    """The instrument takes a pause for the end of a command. Pauses don't show in virtual time: here its form ends it.
    Faults: ``dead``, ``identity``, ``sixth`` (ISET1? and VSET1? bring an octet more)."""

    identity = "KORADKA3005PV2.0"
    highest_v = 31.0
    highest_a = 5.1
    protection_from_start = False

    def __init__(self, clock: Clock, terminals: Signal[float], current: CurrentTrace, rng: random.Random) -> None:
        super().__init__(clock, terminals, current, rng)
        self.dead = False
        self.sixth = b""
        self._overcurrent = False
        self._overvoltage = False
        self._heard = ""
        self.wire = PtyWire(clock, self._on_bytes)

    @property
    def address(self) -> str:
        return self.wire.path

    async def start(self) -> None:
        """The port is there from the beginning."""

    async def stop(self) -> None:
        self.wire.close()

    def _on_bytes(self, data: bytes) -> None:
        heard = self._heard + data.decode("latin-1")
        end = 0
        for match in _COMMAND.finditer(heard):
            end = match.end()
            if not self.dead:
                self.wire.write(self._answer(match))
        self._heard = heard[end:][-_LONGEST:]

    def _answer(self, match: re.Match[str]) -> bytes:
        setting, value, switch, state, question = match.groups()
        output = self.outputs[1]
        if setting == "VSET1:":
            output.voltage_v = min(float(value), self.highest_v)
        elif setting == "ISET1:":
            output.limit_a = min(float(value), self.highest_a)
        elif switch == "OUT":
            output.on = state == "1"
        elif switch == "OVP":
            self._overvoltage = state == "1"    # which voltage it guards, nobody says
        elif switch == "OCP":
            self._overcurrent = state == "1"
        self.drive()
        return self._reply(question) if question else b""

    def _reply(self, question: str) -> bytes:
        output = self.outputs[1]
        if question == "*IDN?":
            return self.identity.encode()
        if question == "STATUS?":
            return bytes([1 | self._overcurrent << 5 | output.on << 6 | self._overvoltage << 7])
        amount = {"VSET1?": output.voltage_v, "ISET1?": output.limit_a, "VOUT1?": self.measured_v(1),
                  "IOUT1?": self.measured_a(1)}[question]
        text = f"{amount:05.2f}" if question[0] == "V" else f"{amount:05.3f}"
        return text.encode() + (self.sixth if "SET" in question else b"")
