"""The station: the instruments of a station file, opened, and their safe state."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from bench.clock import Clock
from bench.errors import BenchError
from bench.keys import SERVERS, Keys
from bench.station_file import StationFile
from bench.timeline import Timeline
from drivers.meter.mbus import MBusMaster
from drivers.meter.optical import OpticalReader
from drivers.meter.simulator import MeterSimulator
from drivers.nfc.otc import Otc, load_codec
from drivers.nfc.pn532_reader import Pn532Reader
from drivers.panel.edge_box import EdgeBox
from drivers.radio import Cell
from drivers.radio.amarisoft import AmarisoftCell
from drivers.radio.attenuator import AttenuatorCell
from drivers.radio.cmw500 import Cmw500Cell
from drivers.supply import Ammeter, MeasuringSupply
from drivers.supply.in_series import InSeries, NoAmmeter
from drivers.supply.joulescope_js220 import JoulescopeJs220
from drivers.supply.keithley_dmm6500 import KeithleyDmm6500
from drivers.supply.keysight_n6700 import KeysightN6700
from drivers.supply.nordic_ppk2 import NordicPpk2
from drivers.supply.rohde_schwarz_ngu import RohdeSchwarzNgu
from drivers.supply.scpi_supply import ScpiSupply

_SUPPLIES: dict[str, Callable[..., Any]] = {
    "keysight-n6700": KeysightN6700, "rohde-schwarz-ngu": RohdeSchwarzNgu, "scpi-supply": ScpiSupply,
    "nordic-ppk2": NordicPpk2}
_MEASURING = {"keysight-n6700", "rohde-schwarz-ngu", "nordic-ppk2"}
_AMMETERS: dict[str, Callable[..., Ammeter]] = {
    "keithley-dmm6500": KeithleyDmm6500, "joulescope-js220": JoulescopeJs220}
_SEAMLESS = {"joulescope-js220"}
"""Ammeters that follow a unit from sleep to transmission without a gap, as all measuring supplies do."""


def _problem(name: str, error: Exception) -> str:
    return str(error) if isinstance(error, BenchError) else f"{name}: {error}"


CELL_ABILITIES = {"cmw500": Cmw500Cell.abilities, "amarisoft": AmarisoftCell.abilities,
                  "attenuator": AttenuatorCell.abilities}
"""By the driver's name in the station file."""


class Station:
    """The instruments of a station file, each opened when it is first used.

    ``make_safe`` may be called at any time, more than once: the supply goes off and the button is let go. ``keys``
    takes the place of the key file.
    """

    def __init__(self, file: StationFile, clock: Clock, timeline: Timeline, keys: Keys | None = None) -> None:
        self.file = file
        if keys is not None:
            self.keys = keys
        self._clock = clock
        self._timeline = timeline

    @cached_property
    def supply(self) -> MeasuringSupply:
        """The supply, with its own ammeter or the one in series with it."""
        table, ammeter = self.file.supply, self.file.ammeter
        options = table.model_dump(exclude={"driver", "address"})
        supply = _SUPPLIES[table.driver](table.address, clock=self._clock, timeline=self._timeline, **options)
        if ammeter is None:
            return supply if table.driver in _MEASURING else InSeries(supply, NoAmmeter())
        try:
            return InSeries(supply, _AMMETERS[ammeter.driver](ammeter.address, clock=self._clock,
                                                              timeline=self._timeline))
        except BaseException:
            supply.close()
            raise

    @cached_property
    def panel(self) -> EdgeBox:
        return EdgeBox(self.file.panel.port, self._clock, self._timeline)

    @cached_property
    def otc(self) -> Otc:
        table = self.file.nfc
        return Otc(Pn532Reader(table.port, self._clock, self._timeline), load_codec(table.codec), self._clock,
                   self._timeline, reference_tag=table.reference_tag)

    @cached_property
    def optical(self) -> OpticalReader:
        if self.file.meter.optical is None:
            raise BenchError(f"station {self.file.name}", expected="meter.optical", seen="nothing",
                             do="add the port of the optical head to the station file")
        return OpticalReader(self.file.meter.optical, timeline=self._timeline, clock=self._clock,
                             mains_powered=self.file.meter.mains_powered)

    @cached_property
    def mbus(self) -> MBusMaster:
        if self.file.meter.mbus is None:
            raise BenchError(f"station {self.file.name}", expected="meter.mbus", seen="nothing",
                             do="add the port of the M-Bus level converter to the station file")
        return MBusMaster(self.file.meter.mbus, timeline=self._timeline)

    @cached_property
    def meter_simulator(self) -> MeterSimulator:
        if self.file.meter.simulator is None:
            raise BenchError(f"station {self.file.name}", expected="meter.simulator", seen="nothing",
                             do="add the address of the meter simulator to the station file")
        return MeterSimulator(self.file.meter.simulator, timeline=self._timeline)

    @cached_property
    def cell(self) -> Cell:
        table = self.file.cell
        if table.driver == "attenuator":
            return AttenuatorCell(table.address, clock=self._clock, timeline=self._timeline, level_dbm=table.level_dbm)
        if table.driver == "cmw500":
            return Cmw500Cell(table.address, clock=self._clock, timeline=self._timeline, band=table.band,
                              level_dbm=table.level_dbm)
        if table.core_address is None:
            raise BenchError(f"station {self.file.name}", expected="cell.core_address", seen="nothing",
                             do="add the address of the box's MME to the station file")
        return AmarisoftCell(table.address, table.core_address, clock=self._clock, timeline=self._timeline,
                             band=table.band, level_dbm=table.level_dbm)

    @cached_property
    def keys(self) -> Keys:
        unit = self.file.unit
        return Keys.load(unit.keys, unit.deveui) if unit.keys is not None else Keys(None)

    @property
    def has_psks(self) -> bool:
        """Whether the unit can speak DTLS with the bench's servers: its key file has all keys."""
        try:
            return set(self.keys.psks) == set(SERVERS)
        except BenchError:    # who needs a key is told
            return False

    @property
    def abilities(self) -> frozenset[str]:
        """What tests may ask for with ``needs``."""
        found = {"supply.voltage", "panel.leds", "panel.button", "nfc"}
        if self.file.ammeter is not None or self.file.supply.driver in _MEASURING:
            found.add("supply.current")
            if self.file.ammeter is None or self.file.ammeter.driver in _SEAMLESS:
                found.add("supply.charge")
        found |= CELL_ABILITIES[self.file.cell.driver]
        if self.file.meter.optical and self.file.meter.mains_powered:
            found.add("meter.optical")    # the reader of a battery meter may answer with an older readout
        if self.file.meter.mbus:
            found.add("meter.mbus")
        if self.file.meter.simulator:
            found |= MeterSimulator.abilities
        if self.has_psks:
            found.add("dtls")
        if self.file.simulated or self.file.backend.advertise is None:
            found.add("second.servers")    # a network that translates ports knows those of the first ones only
        if self.file.battery is not None:
            found |= {"battery", "supply.battery"} if self.file.battery.supply_in_its_place else {"battery"}
        if self.file.cell.second_apn and self.file.cell.dead_end_apn:
            found.add("cell.apns")
        if self.file.cell.nat_apn:
            found.add("cell.nat")
        if self.file.simulated:
            found |= {"firmware", "firmware.modem", "firmware.unfit"}    # the twin's own packages
        elif self.file.firmware is not None:
            found |= {"firmware"} if len(self.file.firmware.packages) > 1 else set()
            found |= {"firmware.modem"} if len(self.file.firmware.modem_packages) > 1 else set()
        return frozenset(found)

    def raise_if_gone(self) -> None:
        """Raise ``BenchError`` when an instrument that speaks by itself has gone: nothing more will come from it. Asks
        no instrument, so it may be called in the loop's thread.
        """
        panel = self.__dict__.get("panel")
        if panel is not None:
            panel.raise_if_gone()

    def make_safe(self) -> list[str]:
        """Supply off, button released, the meter simulator lets go. Tries everything; returns what did not work, as
        sentences.
        """
        problems = []
        for name in ("panel", "supply", "meter_simulator"):
            instrument = self.__dict__.get(name)
            if instrument is not None:
                try:
                    instrument.make_safe()
                except Exception as error:    # whatever it is, the next instrument must be made safe too
                    problems.append(_problem(name, error))
        return problems

    def close(self) -> list[str]:
        """Make safe and let go of all ports. Returns what did not work.

        What the switching off leads to at that instant, such as the end of an LED's light, is still seen.
        """
        problems = self.make_safe()
        try:
            self._clock.settle()
        except Exception as error:
            problems.append(_problem("clock", error))
        for name in ("panel", "supply", "otc", "optical", "mbus", "meter_simulator", "cell"):
            instrument = self.__dict__.pop(name, None)
            if instrument is not None:
                try:
                    instrument.close()
                except Exception as error:
                    problems.append(_problem(name, error))
        return problems
