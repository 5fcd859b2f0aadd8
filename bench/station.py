"""The station: the instruments of a station file, opened, and their safe state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeGuard

from bench.clock import Clock
from bench.errors import BenchError
from bench.interruption import uninterrupted
from bench.keys import SERVERS, Keys
from bench.station_file import CellTable, StationFile
from bench.timeline import Timeline
from drivers.meter.mbus import MBusMaster
from drivers.meter.optical import OpticalReader
from drivers.meter.simulator import MeterSimulator
from drivers.nfc.otc import Otc, load_codec
from drivers.panel import Panel, ReferenceLoads, SupplyRelay
from drivers.radio import Cell
from drivers.serial_port import check_port
from drivers.supply import MEASURES_CHARGE, MeasuringSupply, OutputWatchdog
from drivers.supply.in_series import InSeries, NoAmmeter
from drivers.unit.serial_log import SerialLog
from drivers.unit.unit_process import UnitProcess

WATCHDOG_S = 30
"""Real seconds of silence after which a station's watchdogs switch the unit off."""


def _watches(source: object) -> TypeGuard[OutputWatchdog]:
    return isinstance(source, OutputWatchdog) and source.supports_watchdog


def _problem(name: str, error: Exception) -> str:
    return str(error) if isinstance(error, BenchError) else f"{name}: {error}"


class Station:
    """The instruments of a station file, each opened when it is first used.

    ``make_safe`` may be called at any time, more than once: the supply goes off and the button is let go. ``keys``
    takes the place of the key file. Raises ``BenchError`` for a serial port that is none.
    """

    def __init__(self, file: StationFile, clock: Clock, timeline: Timeline, keys: Keys | None = None) -> None:
        self.file = file
        self._check_ports()
        if keys is not None:
            self.keys = keys
        self._clock = clock
        self._timeline = timeline
        self._feeder: asyncio.Task[None] | None = None
        self._dark: BenchError | None = None    # why the supply's watchdog is not fed any more

    @cached_property
    def source(self) -> Any:
        """The supply alone: it can be switched off when an ammeter in series with it is broken."""
        return self.file.table("supply").open(self._clock, self._timeline)

    def _check_ports(self) -> None:
        """Serial ports are known to be such before the first instrument is opened: with a wrong one nothing is sent."""
        file = self.file
        heads = {"meter.optical": file.meter.optical, "meter.mbus": file.meter.mbus, "unit.log": file.unit.log}
        ports = {key: (port, True) for key, port in heads.items() if port is not None}
        for table in file.instruments:
            ports |= {f"{table.kind}.{key}": port for key, port in table.ports.items()}
        for key, (port, remote) in ports.items():
            check_port(f"station {file.name}, key {key}", port, remote=remote)

    @cached_property
    def supply(self) -> MeasuringSupply:
        """The supply, with its own ammeter or the one in series with it, under the station's watchdogs."""
        self._watch_over()
        ammeter = self.file.ammeter
        if ammeter is None:
            measures = "supply.current" in self.file.table("supply").abilities
            return self.source if measures else InSeries(self.source, NoAmmeter())
        return InSeries(self.source, ammeter.open(self._clock, self._timeline))

    @cached_property
    def box(self) -> Panel:
        """The panel's instrument, its relay as it was found."""
        box: Panel = self.file.table("panel").open(self._clock, self._timeline)
        return box

    @cached_property
    def panel(self) -> Panel:
        """The panel, the unit connected to its supply: a watchdog of a run before may have opened the relay."""
        box = self.box
        self._connect_unit(box)
        return box

    def _connect_unit(self, box: Panel) -> None:
        if isinstance(box, SupplyRelay):
            if box.has_relay and not self._clock.is_virtual:
                box.arm_watchdog(WATCHDOG_S)    # its driver feeds it
            else:
                box.connect_supply()

    @contextmanager
    def reference_load(self, number: int) -> Iterator[None]:
        """The panel's reference resistor ``number`` (1 or 2) in the place of the unit. The output is off at the
        beginning and at the end. Raises ``BenchError`` where the panel's instrument has none."""
        panel = self.panel
        if not (isinstance(panel, ReferenceLoads) and panel.has_loads):
            raise BenchError(f"station {self.file.name}", expected="a panel with reference resistors",
                             seen=panel.identity, do="wire them and load the box's firmware (docs/edge-box.md), or "
                             "take switched_ohm out of the station file")
        self.supply.output_off()
        panel.connect_load(number)
        try:
            yield
        finally:
            try:
                self.supply.output_off()
            finally:
                panel.connect_load(0)
                self._connect_unit(panel)

    # -- going dark when this process is killed (docs/kill-9.md); a twin in virtual time dies with it

    @property
    def watchdogs(self) -> tuple[str, ...]:
        """What of the open instruments switches the unit off, in ``WATCHDOG_S``, when this process is silent."""
        box = self.__dict__.get("box")
        found = ["the supply's output watchdog"] if _watches(self.__dict__.get("source")) else []
        return (*found, "the edge box's relay") if isinstance(box, SupplyRelay) and box.has_relay else tuple(found)

    def _watch_over(self) -> None:
        if self._clock.is_virtual:
            return
        if _watches(self.source):
            self.source.arm_watchdog(WATCHDOG_S)
            self._feeder = self._clock.call(lambda: self._clock.spawn(self._feed()))
        else:
            with contextlib.suppress(BenchError):    # who needs the panel is told what is wrong with it
                _ = self.panel                       # its relay is armed before the output goes on

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(WATCHDOG_S / 4)
            try:
                await asyncio.to_thread(self.source.feed_watchdog)    # it may block, and the loop must not
            except BenchError as error:
                self._dark = error
                return
            except Exception as error:    # of a driver from outside: without a word the unit would just go dark
                self._dark = BenchError("watchdog of the supply", expected="to be fed",
                                        seen=f"{type(error).__name__}: {error}", do="tell who made the driver")
                return

    def _end_watch(self) -> None:
        if self._feeder is not None:
            feeder, self._feeder = self._feeder, None
            self._clock.call(feeder.cancel)       # first: if the other fails, the watchdog makes the unit dark
            self.source.disarm_watchdog()

    @cached_property
    def process(self) -> UnitProcess:
        """The unit, where it is a process of this machine."""
        unit = self.file.unit
        if unit.driver != "process":
            raise BenchError(f"station {self.file.name}", expected='unit.driver = "process"', seen=unit.driver,
                             do="see docs/foreign-units.md")
        return UnitProcess(unit.command, self._clock, self._timeline, virtual_time=unit.virtual_time)

    @cached_property
    def unit_log(self) -> SerialLog:
        """The port at which the unit tells what it does."""
        unit = self.file.unit
        if unit.log is None:
            raise BenchError(f"station {self.file.name}", expected="unit.log", seen="nothing",
                             do="add the port of the unit's log to the station file")
        return SerialLog(unit.log, unit.log_baudrate, self._timeline)

    @cached_property
    def otc(self) -> Otc:
        reader, table = self.file.table("nfc"), self.file.nfc
        assert table is not None
        return Otc(reader.open(self._clock, self._timeline), load_codec(table.codec), self._clock, self._timeline,
                   reference_tag=table.reference_tag)

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
        return MBusMaster(self.file.meter.mbus, timeline=self._timeline, clock=self._clock)

    @cached_property
    def meter_simulator(self) -> MeterSimulator:
        if self.file.meter.simulator is None:
            raise BenchError(f"station {self.file.name}", expected="meter.simulator", seen="nothing",
                             do="add the address of the meter simulator to the station file")
        return MeterSimulator(self.file.meter.simulator, timeline=self._timeline)

    @cached_property
    def cell(self) -> Cell:
        cell: Cell = self.file.table("cell").open(self._clock, self._timeline)
        return cell

    def replace_cell(self, table: CellTable) -> None:
        """Let go of the cell's instrument and go on with another one."""
        cell = self.__dict__.pop("cell", None)
        if cell is not None:
            cell.close()
        self.file = self.file.model_copy(update={"cell": table})

    @cached_property
    def keys(self) -> Keys:
        unit = self.file.unit
        return Keys.load(unit.keys, unit.name) if unit.keys is not None else Keys(None)

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
        file = self.file
        found = {ability for table in (file.supply, file.panel, file.cell) if table for ability in table.abilities}
        if file.unit.is_cmi6110:
            found.add("settings.dm")
        if file.commissioning.over == "nfc" and file.nfc is not None:
            found |= {"settings.nfc.read", "settings.nfc.write"}
        if file.ammeter is not None:
            found = (found - MEASURES_CHARGE) | file.ammeter.abilities
        if self.file.meter.optical and self.file.meter.mains_powered:
            found.add("meter.optical")    # the reader of a battery meter may answer with an older readout
        if self.file.meter.mbus:
            found.add("meter.mbus")
        if self.file.meter.simulator:
            found |= MeterSimulator.abilities
        if self.has_psks:
            found.add("dtls")
            if file.unit.is_cmi6110 or file.unit.speaks == "dtls":
                found.add("dtls.handshakes")
        if self.file.simulated or self.file.backend.advertise is None:
            found.add("second.servers")    # a network that translates ports knows those of the first ones only
        if self.file.battery is not None:
            found |= {"battery", "supply.battery"} if self.file.battery.supply_in_its_place else {"battery"}
        if file.cell is not None and file.cell.second_apn and file.cell.dead_end_apn:
            found.add("cell.apns")
        if file.cell is not None and file.cell.nat_apn:
            found.add("cell.nat")
        if file.unit.is_hosted:
            # A process draws no current and sends nothing through the air; its sockets know no release assistance.
            found -= {*MEASURES_CHARGE, "battery", "supply.battery", "cell.measures", "cell.assistance"}
        elif self.file.simulated and file.unit.is_cmi6110:
            found |= {"firmware", "firmware.modem", "firmware.unfit"}    # the twin's own packages
        elif self.file.firmware is not None:
            found |= {"firmware"} if len(self.file.firmware.packages) > 1 else set()
            found |= {"firmware.modem"} if len(self.file.firmware.modem_packages) > 1 else set()
        return frozenset(found)

    def raise_if_gone(self) -> None:
        """Raise ``BenchError`` when an instrument that speaks by itself has gone: nothing more will come from it. Asks
        no instrument, so it may be called in the loop's thread.
        """
        for instrument in (self.__dict__.get("box"), self.__dict__.get("unit_log")):
            if instrument is not None:
                instrument.raise_if_gone()
        if self._dark is not None:
            raise self._dark

    @uninterrupted()
    def make_safe(self) -> list[str]:
        """Supply off, button released, the meter simulator lets go. Tries everything; returns what did not work, as
        sentences.
        """
        problems = []
        for name in ("box", "source", "meter_simulator", "process"):
            instrument = self.__dict__.get(name)
            if instrument is not None:
                try:
                    instrument.make_safe()
                except Exception as error:    # whatever it is, the next instrument must be made safe too
                    problems.append(_problem(name, error))
        return problems

    @uninterrupted()
    def close(self) -> list[str]:
        """Make safe and let go of all ports. Returns what did not work.

        What the switching off leads to at that instant, such as the end of an LED's light, is still seen.
        """
        problems = self.make_safe()
        for name, act in (("clock", self._clock.settle), ("watchdog", self._end_watch)):
            try:
                act()
            except Exception as error:
                problems.append(_problem(name, error))
        self.__dict__.pop("panel", None)
        for name in ("box", "supply", "source", "otc", "optical", "mbus", "meter_simulator", "cell", "process",
                     "unit_log"):
            instrument = self.__dict__.pop(name, None)
            if instrument is not None:
                try:
                    instrument.close()
                except Exception as error:
                    problems.append(_problem(name, error))
        return problems
