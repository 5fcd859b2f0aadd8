"""A meter simulator: the instrument that stands in for the heat meter, and shows the module what a test wants to see.

It speaks SCPI. No such instrument with a public command set is known, so the commands are the bench's own; a
laboratory that builds one gives it these.

Commands (``?`` reads each of them)::

    METer:CONNect ON|OFF                    the module interface: OFF is a meter taken out
    METer:ENERgy:STEP "0.001 MWh"           unit and last digit of the energy registers
    METer:HOLD ENERgy,71.873                show this value: in the energy unit, m3, kW, m3/h, degrees C or h
    METer:HOLD:ALL                          show what is shown now, whatever time does
    METer:RELease                           show what is measured again
    METer:TARiff2 12.345|OFF                register 6.8.2, in the energy unit
    METer:FLAGs #H0012                      error flags, bits 0 to 11 of manual Table 3
    METer:LOAD -1                           1 is normal, 0 is standstill, negative is reversed flow
    METer:NUMBer:FABRication "61234567"
    METer:NUMBer:PROPerty "00012345"
    METer:SOFTware "UC50 8.06"              model, and version of its software
    METer:CLOCk "2026-02-28T23:59:00"       local standard time
    METer:LOG? "2026-02-28T23:00","2026-02-28T23:59",0
                                            what it has told the module while its clock showed these minutes: the first
                                            500 answers, after those that are to be skipped; "" when there are none
    METer:LOG:OLDest?                       its clock at the oldest answer that it has kept (the last 10,000 are)
    METer:LOG:LOST? "2026-02-28T23:00","2026-02-28T23:59"
                                            how many of those that it has told while its clock showed these minutes it
                                            has not kept (the last 100,000 that it let go of are counted)

An answer in the log is a string of clock, fabrication number, property number, error flags, energy unit, energy,
volume, power, flow, forward and return temperature, tariffs 1 to 5 (empty: unused) and missing time.

A new energy step lets go of a held energy and empties the tariffs: they were counted in the old one. *RST brings back
the meter as it was switched on; only its clock goes on, and the log is kept.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import datetime
from decimal import Decimal

from bench.twin.meter.uh50 import ENERGY_UNITS, UH50, Registers
from bench.twin.scpi import Boolean, Number, Parameters, ScpiError, ScpiInstrument, command, read_choice

_REGISTERS = {
    "ENER": "energy", "VOL": "volume_m3", "POW": "power_kw", "FLOW": "flow_m3_h", "FORW": "forward_c",
    "RET": "return_c", "MISS": "missing_time_h",
}
_WORDS = ("ENERgy", "VOLume", "POWer", "FLOW", "FORWard", "RETurn", "MISSing")
_DECIMALS = {"volume_m3": 3, "power_kw": 3, "flow_m3_h": 3, "forward_c": 1, "return_c": 1, "missing_time_h": 0}
"""The most decimals that a register has; those of an energy follow from its step."""
_SIGNED = frozenset({"power_kw", "flow_m3_h", "forward_c", "return_c"})
_LARGEST = 2**31 - 1
_DECIMAL = re.compile(r"[+-]?\d{1,10}(?:\.\d{1,3})?", re.ASCII)
_STEPS = {step.upper(): step for step in ENERGY_UNITS}
TARIFFS = 5
_LOGGED, _COUNTED, _AT_ONCE = 10_000, 100_000, 500
_SOFTWARE = re.compile(r"(UH50|UC50) (\d{1,2}\.\d{2})", re.ASCII)
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


class MeterSimulator(ScpiInstrument, source="the bench's own: no public instrument of this kind is known"):
    """The instrument in front of ``meter``, whose state it sets."""

    instances = frozenset(range(1, TARIFFS + 1))
    boolean_words = ("OFF", "ON")
    number_format = "g"

    connected = Boolean("METer:CONNect[:STATe]", True, changed="_connect")
    flags = Number("METer:FLAGs", 0, low=0, high=0x0FFF, whole=True, changed="_raise")
    load = Number("METer:LOAD", 1.0, low=-10.0, high=10.0, changed="_draw")

    def __init__(self, meter: UH50) -> None:
        super().__init__()
        self.identity = "mcm-bench,Meter simulator,TWIN0001,1.0"
        self.meter = meter
        self._step = next(step for step, unit in ENERGY_UNITS.items() if unit == meter.energy_unit)
        self._numbers = (meter.fabrication_number, meter.property_number)
        self._software = (meter.model, meter.software)
        self._held: dict[str, Decimal | int] = {}
        self._log: deque[str] = deque(maxlen=_LOGGED)
        self._lost: deque[str] = deque(maxlen=_COUNTED)    # their minutes
        meter.on_answer = self._note

    def reset(self) -> None:
        self._held.clear()
        self.show()
        self.meter.energy_unit = ENERGY_UNITS[self._step]
        self.meter.tariffs = (None,) * TARIFFS
        self.meter.fabrication_number, self.meter.property_number = self._numbers
        self.meter.model, self.meter.software = self._software
        self._connect()
        self._raise()
        self._draw()

    # -- state

    def _note(self, registers: Registers) -> None:
        if len(self._log) == _LOGGED:
            self._lost.append(self._log[0][:16])
        self._log.append(_logged(registers))

    def _connect(self) -> None:
        self.meter.connected = self.connected

    def _raise(self) -> None:
        if self.meter.error_flags != self.flags:
            self.meter.set_error_flags(self.flags)

    def _draw(self) -> None:
        if self.meter.load != self.load:
            self.meter.set_load(self.load)

    @command("METer:NUMBer:FABRication")
    def _set_fabrication(self, parameters: Parameters) -> None:
        self.meter.fabrication_number = _eight_digits(parameters)

    @command("METer:NUMBer:FABRication?")
    def _fabrication(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f'"{self.meter.fabrication_number}"'

    @command("METer:NUMBer:PROPerty")
    def _set_property(self, parameters: Parameters) -> None:
        self.meter.property_number = _eight_digits(parameters)

    @command("METer:NUMBer:PROPerty?")
    def _property(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f'"{self.meter.property_number}"'

    @command("METer:SOFTware")
    def _set_software(self, parameters: Parameters) -> None:
        text = _text(parameters)
        found = _SOFTWARE.fullmatch(text)
        if found is None:
            raise ScpiError(-224, text[:20])
        self.meter.model, self.meter.software = found[1], found[2]

    @command("METer:SOFTware?")
    def _meter_software(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f'"{self.meter.model} {self.meter.software}"'

    @command("METer:CLOCk")
    def _set_clock(self, parameters: Parameters) -> None:
        text = _text(parameters)
        try:
            local = datetime.fromisoformat(text)
            self.meter.set_clock(local)
        except ValueError:
            raise ScpiError(-224, text[:20]) from None

    @command("METer:CLOCk?")
    def _clock(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f'"{self.meter.clock_now():%Y-%m-%dT%H:%M:%S}"'

    @command("METer:LOG?")
    def _logged_between(self, parameters: Parameters) -> str:
        parameters.expect(3)
        first, last = _minutes_of(parameters)
        skip = int(self.value("missing_time_h", parameters.values[2]))
        found = [row for row in self._log if first <= row[:16] <= last][skip:skip + _AT_ONCE]
        return ",".join(f'"{row}"' for row in found) or '""'

    @command("METer:LOG:OLDest?")
    def _oldest_logged(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f'"{self._log[0][:19] if self._log else ""}"'

    @command("METer:LOG:LOST?")
    def _lost_between(self, parameters: Parameters) -> str:
        parameters.expect(2)
        first, last = _minutes_of(parameters)
        return str(sum(first <= minute <= last for minute in self._lost))

    # -- registers

    @command("METer:ENERgy:STEP")
    def _set_step(self, parameters: Parameters) -> None:
        text = _text(parameters)
        step = _STEPS.get(text.upper())
        if step is None:
            raise ScpiError(-224, text[:20])
        self._held.pop("energy", None)
        self.meter.energy_unit = ENERGY_UNITS[step]
        self.meter.tariffs = (None,) * TARIFFS
        self.show()

    @command("METer:ENERgy:STEP?")
    def _energy_step(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return next(f'"{step}"' for step, unit in ENERGY_UNITS.items() if unit == self.meter.energy_unit)

    @command("METer:HOLD")
    def _hold(self, parameters: Parameters) -> None:
        parameters.expect(2)
        name = _REGISTERS[read_choice(parameters.values[0], _WORDS)]
        value = self.value(name, parameters.values[1])
        self._held[name] = int(value) if name == "missing_time_h" else value
        self.show()

    @command("METer:HOLD?")
    def _shown(self, parameters: Parameters) -> str:
        """The register as it is shown now, held or not."""
        parameters.expect(1)
        return str(getattr(self.meter.registers(), _REGISTERS[read_choice(parameters.values[0], _WORDS)]))

    @command("METer:HOLD:ALL")
    def _hold_all(self, parameters: Parameters) -> None:
        parameters.expect(0)
        now = self.meter.registers()
        self._held = {name: getattr(now, name) for name in _REGISTERS.values()}
        self.show()

    @command("METer:RELease")
    def _release(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._held.clear()
        self.show()

    @command("METer:TARiff<i>")
    def _set_tariff(self, parameters: Parameters) -> None:
        parameters.expect(1)
        text = parameters.values[0]
        value = None if text.upper() == "OFF" else self.value("energy", text)
        tariffs = list(self.meter.tariffs)
        tariffs[parameters.suffixes[0] - 1] = value
        self.meter.tariffs = tuple(tariffs)

    @command("METer:TARiff<i>?")
    def _tariff(self, parameters: Parameters) -> str:
        parameters.expect(0)
        value = self.meter.tariffs[parameters.suffixes[0] - 1]
        return "OFF" if value is None else str(value)

    def show(self) -> None:
        self.meter.release()
        if self._held:
            self.meter.hold(**self._held)

    def value(self, name: str, text: str) -> Decimal:
        """A register's value with the decimals it was given with; an energy with those of its step."""
        if not _DECIMAL.fullmatch(text):
            raise ScpiError(-104, text[:20])
        value = Decimal(text)
        if name == "energy":
            step = self.meter.energy_unit.step
            if value % step:
                raise ScpiError(-222, f"the step is {step}")
            value = value.quantize(step)
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        if name in _DECIMALS and -exponent > _DECIMALS[name]:
            raise ScpiError(-222, f"{_DECIMALS[name]} decimals at most")
        if (value < 0 and name not in _SIGNED) or abs(value.scaleb(-exponent)) > _LARGEST:
            raise ScpiError(-222)
        return value


def _logged(registers: Registers) -> str:
    tariffs = ("" if tariff is None else str(tariff) for tariff in registers.tariffs)
    return ",".join((registers.clock.isoformat(timespec="seconds"), registers.fabrication_number,
                     registers.property_number, str(registers.error_flags), registers.energy_unit.symbol,
                     *map(str, (registers.energy, registers.volume_m3, registers.power_kw, registers.flow_m3_h,
                                registers.forward_c, registers.return_c)), *tariffs, str(registers.missing_time_h)))


def _text(parameters: Parameters) -> str:
    """The one parameter, a string, without its quotes."""
    parameters.expect(1)
    return _text_of(parameters.values[0])


def _minutes_of(parameters: Parameters) -> tuple[str, str]:
    """The first two parameters: moments to the minute."""
    first, last = (_text_of(value) for value in parameters.values[:2])
    if not _MINUTE.fullmatch(first) or not _MINUTE.fullmatch(last):
        raise ScpiError(-224, first[:20])
    return first, last


def _text_of(text: str) -> str:
    """A string without its quotes."""
    if len(text) < 2 or text[0] not in "\"'" or text[-1] != text[0]:
        raise ScpiError(-104, text[:20])
    return text[1:-1]


def _eight_digits(parameters: Parameters) -> str:
    text = _text(parameters)
    if not re.fullmatch(r"\d{8}", text, re.ASCII):
        raise ScpiError(-224, text[:20])
    return text
