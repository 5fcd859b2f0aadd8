"""An Aim-TTi MX180TP: lines of its own, no SCPI. Sources: MX180TP manual p. 33, 35 and QL II manual p. 39 as read for
reference, pymeasure 0.16.0 aimttiPL."""

from __future__ import annotations

from bench.twin.scpi import Parameters, ScpiError, ScpiInstrument, command
from bench.twin.scpi.syntax import read_boolean
from bench.twin.supply.lab_supply import LabSupply

_MANUAL = "MX180TP manual p. 33"
_BOTH = "MX180TP manual p. 33; pymeasure 0.16.0 aimttiPL"
_STATUS = "MX180TP manual p. 35"
_RANGE_ERROR = 100
"""By a public driver of the CPX400: "Range error. Input value invalid"."""
_TRIP_BIT = 2


class TtiMx180(LabSupply, ScpiInstrument):
    """Answers end with CR LF. ``locked_by_other``: somebody else has the supply (IFLOCK)."""

    identity = "THURLBY THANDAR, MX180TP, 000001, 1.04-1.00-1.05"
    channels = 3
    highest_v = 60.0
    highest_a = 10.0
    instances = frozenset({1, 2, 3})
    without = frozenset({"SYSTem:ERRor[:NEXT]?", "SYSTem:ERRor:COUNt?", "SYSTem:VERSion?",
                         "STATus:OPERation:CONDition?", "STATus:QUEStionable:CONDition?"})

    locked_by_other = False
    _execution_error = 0
    _limit_events = 0

    def execute(self, message: str) -> bytes | None:
        reply = super().execute(message)
        return None if reply is None else reply + b"\r"

    def report(self, error: ScpiError) -> None:
        """An unknown command sets a bit of *ESR only; a value out of range is told by EER?."""
        super().report(error)
        if error.code <= -200:
            self._execution_error = _RANGE_ERROR

    def drive(self) -> None:
        before = {channel: output.tripped for channel, output in self.outputs.items()}
        super().drive()
        if any(output.tripped and not before[channel] for channel, output in self.outputs.items()):
            self._limit_events |= 1 << _TRIP_BIT

    @command("V<n>", source=_BOTH, takes="V")
    def _set_voltage(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(parameters.suffixes[0]).voltage_v = self.volts(parameters)
        self.drive()

    @command("V<n>?", source=_MANUAL, answer="V1 3.600")
    def _voltage(self, parameters: Parameters) -> str:
        channel = parameters.suffixes[0]
        return f"V{channel} {self.at(channel).voltage_v:.3f}"

    @command("V<n>O?", source=_BOTH, answer="3.600V")
    def _measure_voltage(self, parameters: Parameters) -> str:
        return f"{self.measured_v(parameters.suffixes[0]):.3f}V"

    @command("I<n>", source=_BOTH, takes="A")
    def _set_current(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(parameters.suffixes[0]).limit_a = self.amperes(parameters)

    @command("I<n>?", source=_MANUAL, answer="I1 1.000")
    def _limit(self, parameters: Parameters) -> str:
        channel = parameters.suffixes[0]
        return f"I{channel} {self.at(channel).limit_a:.3f}"

    @command("I<n>O?", source=_BOTH, answer="0.012A")
    def _measure_current(self, parameters: Parameters) -> str:
        return f"{self.measured_a(parameters.suffixes[0]):.3f}A"

    @command("OP<n>", source=_BOTH, takes="0 or 1")
    def _switch(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(parameters.suffixes[0]).on = read_boolean(parameters.values[0])
        self.drive()

    @command("OP<n>?", source=_BOTH, answer="0 or 1")
    def _is_on(self, parameters: Parameters) -> str:
        output = self.at(parameters.suffixes[0])
        return self.boolean(output.on and not output.tripped)

    @command("OPALL", source=_BOTH, takes="0 or 1")
    def _switch_all(self, parameters: Parameters) -> None:
        parameters.expect(1)
        for output in self.outputs.values():
            output.on = read_boolean(parameters.values[0])
        self.drive()

    @command("OVP<n>", source=_MANUAL, takes="V")
    def _set_protection(self, parameters: Parameters) -> None:
        parameters.expect(1)
        output = self.at(parameters.suffixes[0])
        output.protection_v, output.protection_on = self.volts(parameters), True
        self.drive()

    @command("OVP<n>?", source=_MANUAL, answer="VP1 4.50 or VP1 OFF")
    def _protection(self, parameters: Parameters) -> str:
        channel = parameters.suffixes[0]
        output = self.at(channel)
        return f"VP{channel} " + (f"{output.protection_v:.2f}" if output.protection_on else "OFF")

    @command("LSR<n>?", source="QL II manual p. 39; bit 2: two public drivers of the CPX400",
             answer="a number, cleared by reading")
    def _limit_status(self, parameters: Parameters) -> str:
        events, self._limit_events = self._limit_events, 0
        return str(events)

    @command("TRIPRST", source=_MANUAL)
    def _clear(self, parameters: Parameters) -> None:
        for output in self.outputs.values():
            output.on = output.on and not output.tripped
            output.tripped = False
        self.drive()

    @command("EER?", source=_STATUS, answer="a number, cleared by reading")
    def _execution_errors(self, parameters: Parameters) -> str:
        error, self._execution_error = self._execution_error, 0
        return str(error)

    @command("QER?", source=_STATUS, answer="a number, cleared by reading")
    def _query_errors(self, parameters: Parameters) -> str:
        return "0"          # its replies are never interrupted

    @command("IFLOCK", source=_STATUS, answer="1 or -1")
    def _lock(self, parameters: Parameters) -> str:
        return "-1" if self.locked_by_other else "1"
