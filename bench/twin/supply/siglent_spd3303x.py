"""A Siglent SPD3303X. Sources: pymeasure 0.16.0 siglent_spdbase, labgrid 26.0.1 power/siglent, the SPD1000X guide p. 38
and that of the OEM twin PSD7303 p. 39, as read for reference. It has no over-voltage protection, and answers an unknown
query with silence."""

from __future__ import annotations

from bench.twin.scpi import MEMORY, Parameters, ScpiError, ScpiInstrument, command
from bench.twin.scpi.syntax import read_boolean
from bench.twin.supply.lab_supply import LabSupply

_PYMEASURE = "pymeasure 0.16.0 siglent_spdbase"


class SiglentSpd3303x(LabSupply, ScpiInstrument):
    """Two channels that can be set; the third has a switch only."""

    identity = "Siglent Technologies,SPD3303X,SPD3XHBQ000001,1.01.01.02.05,V3.0"
    channels = 3
    highest_v = 32.0
    highest_a = 3.2
    instances = frozenset({1, 2})
    protection_from_start = False
    error_format = "{code} {text}"
    number_format = ".3f"
    without = frozenset({"*RST", "*CLS", "*ESR?", "*ESE", "*ESE?", "*SRE", "*SRE?", "*STB?", "*OPC", "*OPC?", "*WAI",
                         "*TST?", "SYSTem:ERRor:COUNt?", "STATus:OPERation:CONDition?",
                         "STATus:QUEStionable:CONDition?"})

    @command("INSTrument", source=_PYMEASURE, takes="CH1 or CH2")
    def _select(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.selected = _channel(parameters.values[0], 2)

    @command("INSTrument?", source=_PYMEASURE, answer="CH1 or CH2")
    def _selected(self, parameters: Parameters) -> str:
        return f"CH{self.selected}"

    @command("CH<n>:VOLTage", source=_PYMEASURE, takes="V")
    def _set_voltage(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(parameters.suffixes[0]).voltage_v = self.volts(parameters)
        self.drive()

    @command("CH<n>:VOLTage?", source=_PYMEASURE, answer="V")
    def _voltage(self, parameters: Parameters) -> str:
        return self.number(self.at(parameters.suffixes[0]).voltage_v)

    @command("CH<n>:CURRent", source=_PYMEASURE, takes="A")
    def _set_current(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(parameters.suffixes[0]).limit_a = self.amperes(parameters)

    @command("CH<n>:CURRent?", source=_PYMEASURE, answer="A")
    def _limit(self, parameters: Parameters) -> str:
        return self.number(self.at(parameters.suffixes[0]).limit_a)

    @command("OUTPut", source=_PYMEASURE, takes="CHn, ON or OFF")
    def _switch(self, parameters: Parameters) -> None:
        parameters.expect(2)
        self.at(_channel(parameters.values[0], 3)).on = read_boolean(parameters.values[1])
        self.drive()

    @command("SYSTem:STATus?", source="SPD1000X guide p. 38; labgrid 26.0.1 power/siglent",
             answer="0x, bit 4 CH1, 5 CH2")
    def _status(self, parameters: Parameters) -> str:
        return f"0x{sum(self.at(channel).on << channel + 3 for channel in (1, 2)):x}"

    @command("MEASure:VOLTage?", source=_PYMEASURE, takes="[CHn]", answer="V")
    def _measure_voltage(self, parameters: Parameters) -> str:
        return self.number(self.measured_v(self._named(parameters)))

    @command("MEASure:CURRent?", source=_PYMEASURE, takes="[CHn]", answer="A")
    def _measure_current(self, parameters: Parameters) -> str:
        return self.number(self.measured_a(self._named(parameters)))

    @command("*SAV", source=f"{MEMORY}; the quick start names it", takes="1 to 5")
    def _save(self, parameters: Parameters) -> None:
        parameters.expect(1)

    def _named(self, parameters: Parameters) -> int:
        parameters.expect(0, 1)
        return _channel(parameters.values[0], 2) if parameters.values else self.selected


def _channel(name: str, last: int) -> int:
    if name.upper() not in {f"CH{number}" for number in range(1, last + 1)}:
        raise ScpiError(-224, name[:20])
    return int(name[2:])
