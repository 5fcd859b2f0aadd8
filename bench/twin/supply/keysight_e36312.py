"""A Keysight E36312A. Sources: pymeasure 0.16.0 keysightE36312A, libsigrok src/hardware/scpi-pps/profiles.c
(keysight_e36300a_cmd, "tested on an E36312A connected via LAN")."""

from __future__ import annotations

from bench.twin.scpi import Parameters, ScpiError, ScpiInstrument, command
from bench.twin.scpi.syntax import read_boolean
from bench.twin.supply.lab_supply import LabSupply, Output

_PYMEASURE = "pymeasure 0.16.0 keysightE36312A"
_SIGROK = "libsigrok scpi-pps/profiles.c, keysight_e36300a_cmd"
_PUBLIC = "a public PyVISA driver of the E36300"
_LOWEST_PROTECTION_V = 0.5


class KeysightE36312(LabSupply, ScpiInstrument):
    """Three channels; a command is for those of its channel list, or for the selected one."""

    identity = "Keysight Technologies,E36312A,MY00000001,1.0.4-1.0.3-1.00"
    installed_channels = frozenset({1, 2, 3})
    channel_list_optional = True
    channels = 3
    highest_v = 6.18
    highest_a = 5.15
    protection_from_start = False    # how it is delivered nobody says: a driver is to switch it on

    @command("INSTrument:NSELect", source=_SIGROK, takes="1 to 3")
    def _select(self, parameters: Parameters) -> None:
        self.choose(parameters)

    @command("INSTrument:NSELect?", source=_SIGROK, answer="1 to 3")
    def _selected(self, parameters: Parameters) -> str:
        return str(self.selected)

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", source=_PYMEASURE, takes="V", channels=True)
    def _set_voltage(self, parameters: Parameters) -> None:
        parameters.expect(1)
        for output in self._outputs(parameters):
            output.voltage_v = self.volts(parameters)
        self.drive()

    @command("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]?", source=_PYMEASURE, answer="V", channels=True)
    def _voltage(self, parameters: Parameters) -> str:
        return ",".join(self.number(output.voltage_v) for output in self._outputs(parameters))

    @command("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", source=_PYMEASURE, takes="A", channels=True)
    def _set_current(self, parameters: Parameters) -> None:
        parameters.expect(1)
        for output in self._outputs(parameters):
            output.limit_a = self.amperes(parameters)

    @command("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]?", source=_PYMEASURE, answer="A", channels=True)
    def _limit(self, parameters: Parameters) -> str:
        return ",".join(self.number(output.limit_a) for output in self._outputs(parameters))

    @command("[SOURce:]VOLTage:PROTection[:LEVel]", source=_SIGROK, takes="0.5 to 6.6 V", channels=True)
    def _set_protection(self, parameters: Parameters) -> None:
        parameters.expect(1)
        level_v = self.volts(parameters)
        if level_v < _LOWEST_PROTECTION_V:
            raise ScpiError(-222)
        for output in self._outputs(parameters):
            output.protection_v = level_v
        self.drive()

    @command("[SOURce:]VOLTage:PROTection[:LEVel]?", source=_SIGROK, answer="V", channels=True)
    def _protection(self, parameters: Parameters) -> str:
        return ",".join(self.number(output.protection_v) for output in self._outputs(parameters))

    @command("[SOURce:]VOLTage:PROTection:STATe", source=_PUBLIC, takes="ON or OFF", channels=True)
    def _switch_protection(self, parameters: Parameters) -> None:
        parameters.expect(1)
        for output in self._outputs(parameters):
            output.protection_on = read_boolean(parameters.values[0])
        self.drive()

    @command("[SOURce:]VOLTage:PROTection:STATe?", source=_PUBLIC, answer="0 or 1", channels=True)
    def _protection_is_on(self, parameters: Parameters) -> str:
        return ",".join(self.boolean(output.protection_on) for output in self._outputs(parameters))

    @command("[SOURce:]VOLTage:PROTection:TRIPped?", source=_SIGROK, answer="0 or 1", channels=True)
    def _has_tripped(self, parameters: Parameters) -> str:
        return ",".join(self.boolean(output.tripped) for output in self._outputs(parameters))

    @command("OUTPut:PROTection:CLEar", source=_PUBLIC, channels=True)
    def _clear(self, parameters: Parameters) -> None:
        for output in self._outputs(parameters):
            output.tripped = False
        self.drive()

    @command("OUTPut[:STATe]", source=_PYMEASURE, takes="ON or OFF", channels=True)
    def _switch(self, parameters: Parameters) -> None:
        parameters.expect(1)
        for output in self._outputs(parameters):
            output.on = read_boolean(parameters.values[0])
        self.drive()

    @command("OUTPut[:STATe]?", source=_PYMEASURE, answer="0 or 1", channels=True)
    def _is_on(self, parameters: Parameters) -> str:
        return ",".join(self.boolean(output.on) for output in self._outputs(parameters))

    @command("MEASure[:SCALar]:VOLTage[:DC]?", source=_PYMEASURE, answer="V", channels=True)
    def _measure_voltage(self, parameters: Parameters) -> str:
        return ",".join(self.number(self.measured_v(channel)) for channel in self._channels(parameters))

    @command("MEASure[:SCALar]:CURRent[:DC]?", source=_PYMEASURE, answer="A", channels=True)
    def _measure_current(self, parameters: Parameters) -> str:
        return ",".join(self.number(self.measured_a(channel)) for channel in self._channels(parameters))

    def _channels(self, parameters: Parameters) -> tuple[int, ...]:
        return parameters.channels or (self.selected,)

    def _outputs(self, parameters: Parameters) -> list[Output]:
        return [self.at(channel) for channel in self._channels(parameters)]
