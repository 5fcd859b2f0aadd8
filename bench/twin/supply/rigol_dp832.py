"""A Rigol DP832. Sources: libsigrok src/hardware/scpi-pps/profiles.c (rigol_dp800_cmd, rigol_dp832_ch) and the DP800
programming guide p. 1-10, 2-35, 2-56, as read for reference."""

from __future__ import annotations

from bench.twin.scpi import Parameters, ScpiError, ScpiInstrument, command
from bench.twin.scpi.syntax import read_boolean
from bench.twin.supply.lab_supply import LabSupply

_SIGROK = "libsigrok scpi-pps/profiles.c, rigol_dp800_cmd"
_GUIDE = "DP800 programming guide p. 2-35"


class RigolDp832(LabSupply, ScpiInstrument):
    """Three channels. ``CHn`` may name the one that a command is for; else it is the one that INST:NSEL chose."""

    identity = "RIGOL TECHNOLOGIES,DP832,DP8C000000001,00.01.16"
    channels = 3
    highest_v = 32.0
    highest_a = 3.2
    protection_from_start = False
    error_format = '{code},"{text}"'
    number_format = ".3f"

    @command("INSTrument:NSELect", source=_SIGROK, takes="1 to 3")
    def _select(self, parameters: Parameters) -> None:
        self.choose(parameters)

    @command("INSTrument:NSELect?", source=_SIGROK, answer="1 to 3")
    def _selected(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.selected)

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", source=_SIGROK, takes="V")
    def _set_voltage(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(self.selected).voltage_v = self.volts(parameters)
        self.drive()

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]?", source=_SIGROK, answer="V")
    def _voltage(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.number(self.at(self.selected).voltage_v)

    @command("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", source=_SIGROK, takes="A")
    def _set_current(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(self.selected).limit_a = self.amperes(parameters)

    @command("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]?", source=_SIGROK, answer="A")
    def _limit(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.number(self.at(self.selected).limit_a)

    @command("OUTPut[:STATe]", source=_GUIDE, takes="[CHn,] ON or OFF")
    def _switch(self, parameters: Parameters) -> None:
        channel, (word,) = self._named(parameters, 1)
        self.at(channel).on = read_boolean(word)
        self.drive()

    @command("OUTPut[:STATe]?", source=_GUIDE, takes="[CHn]", answer="ON or OFF")
    def _is_on(self, parameters: Parameters) -> str:
        output = self.at(self._named(parameters, 0)[0])
        return "ON" if output.on and not output.tripped else "OFF"

    @command("OUTPut:OVP:VALue", source=_GUIDE, takes="[CHn,] V")
    def _set_protection(self, parameters: Parameters) -> None:
        channel, _ = self._named(parameters, 1)
        self.at(channel).protection_v = self.volts(parameters, len(parameters.values) - 1)
        self.drive()

    @command("OUTPut:OVP:VALue?", source=_GUIDE, takes="[CHn]", answer="V")
    def _protection(self, parameters: Parameters) -> str:
        return self.number(self.at(self._named(parameters, 0)[0]).protection_v)

    @command("OUTPut:OVP[:STATe]", source=_GUIDE, takes="[CHn,] ON or OFF")
    def _switch_protection(self, parameters: Parameters) -> None:
        channel, (word,) = self._named(parameters, 1)
        self.at(channel).protection_on = read_boolean(word)
        self.drive()

    @command("OUTPut:OVP[:STATe]?", source=_GUIDE, takes="[CHn]", answer="ON or OFF")
    def _protection_is_on(self, parameters: Parameters) -> str:
        return "ON" if self.at(self._named(parameters, 0)[0]).protection_on else "OFF"

    @command("OUTPut:OVP:QUES?", source="two public drivers of the DP800, one of them gotmc/ivi", takes="[CHn]",
             answer="YES or NO")
    def _has_tripped(self, parameters: Parameters) -> str:
        return "YES" if self.at(self._named(parameters, 0)[0]).tripped else "NO"

    @command("OUTPut:OVP:CLEar", source=_GUIDE, takes="[CHn]")
    def _clear(self, parameters: Parameters) -> None:
        self.at(self._named(parameters, 0)[0]).tripped = False
        self.drive()

    @command("MEASure[:SCALar]:VOLTage[:DC]?", source=_SIGROK, takes="[CHn]", answer="V")
    def _measure_voltage(self, parameters: Parameters) -> str:
        return self.number(self.measured_v(self._named(parameters, 0)[0]))

    @command("MEASure[:SCALar]:CURRent[:DC]?", source=_SIGROK, takes="[CHn]", answer="A")
    def _measure_current(self, parameters: Parameters) -> str:
        return self.number(self.measured_a(self._named(parameters, 0)[0]))

    def _named(self, parameters: Parameters, more: int) -> tuple[int, tuple[str, ...]]:
        """The channel that is named, or selected, and the ``more`` parameters that follow."""
        parameters.expect(more, more + 1)
        if len(parameters.values) == more:
            return self.selected, parameters.values
        name, *rest = parameters.values
        if name.upper() not in ("CH1", "CH2", "CH3"):
            raise ScpiError(-224, name[:20])
        return int(name[2:]), tuple(rest)
