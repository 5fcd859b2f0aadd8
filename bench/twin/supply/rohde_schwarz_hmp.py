"""Rohde & Schwarz HMP4040 and its small relative NGE103B. Sources: pymeasure 0.16.0 hmp, libsigrok
src/hardware/scpi-pps/profiles.c (rs_hmp4040_cmd, rs_nge100b_cmd)."""

from __future__ import annotations

from bench.twin.scpi import MEMORY, Parameters, ScpiInstrument, command
from bench.twin.scpi.syntax import read_boolean
from bench.twin.supply.lab_supply import LabSupply

_BOTH = "libsigrok scpi-pps/profiles.c, rs_hmp4040_cmd; pymeasure 0.16.0 hmp"
_SIGROK = "libsigrok scpi-pps/profiles.c, rs_hmp4040_cmd"
_NGE = "libsigrok scpi-pps/profiles.c, rs_nge100b_cmd"


class RohdeSchwarzHmp(LabSupply, ScpiInstrument):
    """INST:NSEL is a cursor that all sessions share. An output is on when its channel and the whole are."""

    identity = "ROHDE&SCHWARZ,HMP4040,000001,HW50020001/SW2.51"
    model = "HMP4040"
    channels = 4
    highest_v = 32.05
    highest_a = 10.01
    error_format = '{code},"{text}"'
    number_format = ".3f"

    @command("INSTrument:NSELect", source=_BOTH, takes="a channel")
    def _select(self, parameters: Parameters) -> None:
        self.choose(parameters)

    @command("INSTrument:NSELect?", source=_BOTH, answer="a channel")
    def _selected(self, parameters: Parameters) -> str:
        return str(self.selected)

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", source=_BOTH, takes="V")
    def _set_voltage(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(self.selected).voltage_v = self.volts(parameters)
        self.drive()

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]?", source=_BOTH, answer="V")
    def _voltage(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.number(self.at(self.selected).voltage_v)

    @command("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", source=_BOTH, takes="A")
    def _set_current(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(self.selected).limit_a = self.amperes(parameters)

    @command("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]?", source=_BOTH, answer="A")
    def _limit(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.number(self.at(self.selected).limit_a)

    @command("[SOURce:]VOLTage:PROTection[:LEVel]", source=_SIGROK, takes="V")
    def _set_protection(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(self.selected).protection_v = self.volts(parameters)
        self.drive()

    @command("[SOURce:]VOLTage:PROTection[:LEVel]?", source=_SIGROK, answer="V")
    def _protection(self, parameters: Parameters) -> str:
        return self.number(self.at(self.selected).protection_v)

    @command("[SOURce:]VOLTage:PROTection:STATe", source=_NGE, models=("NGE103B",), takes="ON or OFF")
    def _switch_protection(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(self.selected).protection_on = read_boolean(parameters.values[0])
        self.drive()

    @command("[SOURce:]VOLTage:PROTection:STATe?", source=_NGE, models=("NGE103B",), answer="0 or 1")
    def _protection_is_on(self, parameters: Parameters) -> str:
        return self.boolean(self.at(self.selected).protection_on)

    @command("[SOURce:]VOLTage:PROTection:TRIPped?", source=_SIGROK, answer="0 or 1")
    def _has_tripped(self, parameters: Parameters) -> str:
        return self.boolean(self.at(self.selected).tripped)

    @command("[SOURce:]VOLTage:PROTection:CLEar", source=f"{_SIGROK}, in its note on what it does not use")
    def _clear(self, parameters: Parameters) -> None:
        self.at(self.selected).tripped = False
        self.drive()

    @command("OUTPut[:STATe]", source=_SIGROK, takes="ON or OFF")
    def _switch(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.at(self.selected).on = read_boolean(parameters.values[0])
        self.drive()

    @command("OUTPut[:STATe]?", source=_SIGROK, answer="0 or 1")
    def _is_on(self, parameters: Parameters) -> str:
        output = self.at(self.selected)
        return self.boolean(output.on and not output.tripped)

    @command("MEASure[:SCALar]:VOLTage[:DC]?", source=_BOTH, answer="V")
    def _measure_voltage(self, parameters: Parameters) -> str:
        return self.number(self.measured_v(self.selected))

    @command("MEASure[:SCALar]:CURRent[:DC]?", source=_BOTH, answer="A")
    def _measure_current(self, parameters: Parameters) -> str:
        return self.number(self.measured_a(self.selected))

    @command("SYSTem:REMote", source=_BOTH)
    def _remote(self, parameters: Parameters) -> None:
        parameters.expect(0)

    @command("SYSTem:BEEPer[:IMMediate]", source=f"{MEMORY}; pymeasure sends SYST:BEEP")
    def _beep(self, parameters: Parameters) -> None:
        parameters.expect(0)


class RohdeSchwarzNge(RohdeSchwarzHmp):
    """Its protection is off until VOLT:PROT:STAT ON."""

    identity = "Rohde&Schwarz,NGE103B,5601.3800k03/000001,1.54"
    model = "NGE103B"
    channels = 3
    highest_a = 3.0
    protection_from_start = False

    @command("[SOURce:]VOLTage:PROTection:CLEar", source=f"{MEMORY}; as its relative HMP has it")
    def _clear(self, parameters: Parameters) -> None:
        super()._clear(parameters)
