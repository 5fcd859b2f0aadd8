"""The optical reader against the twin meter, over a pty and over RFC 2217, with every fault of the wire."""
# ruff: noqa: DTZ001 - a meter's clock knows no zone

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.clock import Clock, WallClock, WarpClock
from bench.errors import BenchError
from bench.payload.readout import Quantity
from bench.timeline import Timeline
from bench.twin.meter.optical_port import OpticalPort, telegram
from bench.twin.meter.uh50 import UH50
from bench.twin.wires.pty import PtyWire
from bench.twin.wires.rfc2217 import Rfc2217Wire
from drivers.meter.optical import OpticalReader

CAPTURES = Path(__file__).parents[1] / "data" / "optical"


class Lab:
    """A meter, its optical port and a reader at it."""

    def __init__(self, clock: Clock, *, wire: Any = PtyWire, paced: bool | None = None, meter: Any = None,
                 **reader: Any) -> None:
        self.clock = clock
        self.meter: UH50 = clock.call(lambda: meter or UH50(clock, seed=7))
        self.port = clock.call(lambda: OpticalPort(self.meter, clock, wire=wire, paced=paced))
        self.timeline = Timeline(clock.time)
        options = {"mains_powered": True, **reader}
        self.reader = OpticalReader(self.port.path, timeline=self.timeline, clock=clock, **options)

    def close(self) -> None:
        self.reader.close()
        self.clock.call(self.port.close)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with WarpClock() as clock:
        yield clock


@pytest.fixture
def lab(clock: Clock) -> Iterator[Callable[..., Lab]]:
    labs: list[Lab] = []

    def build(**options: Any) -> Lab:
        labs.append(Lab(clock, **options))
        return labs[-1]

    yield build
    for each in labs:
        each.close()


@pytest.mark.parametrize("wire", [PtyWire, Rfc2217Wire])
def test_the_reader_gives_the_registers_of_the_meter(lab: Callable[..., Lab], wire: Any) -> None:
    station = lab(wire=wire)
    station.meter.hold(
        energy=Decimal("0326.062"), volume_m3=Decimal("3329.67"), power_kw=Decimal("5.6"), flow_m3_h=Decimal("0.808"),
        forward_c=Decimal("52.0"), return_c=Decimal("45.9"), missing_time_h=5, clock=datetime(2026, 3, 2, 10, 30, 17),
        fabrication_number="66935074", property_number="00073600",
    )
    seen = station.reader.read()
    assert seen.ident == "LUGCUH50"
    assert seen.energy == Quantity(Decimal("326.062"), "MWh")
    assert seen.volume == Quantity(Decimal("3329.67"), "m3")
    assert seen.power == Quantity(Decimal("5.6"), "kW")
    assert seen.flow == Quantity(Decimal("0.808"), "m3/h")
    assert seen.forward_temperature == Quantity(Decimal("52.0"), "C")
    assert seen.return_temperature == Quantity(Decimal("45.9"), "C")
    assert seen.missing_time == Quantity(Decimal(5), "h")
    assert seen.meter_time == datetime(2026, 3, 2, 10, 30, 17)
    assert (seen.fabrication_number, seen.property_number) == ("66935074", "00073600")
    assert seen.error_display == "0"
    assert seen.tariff(1) is None
    assert seen.findings == ()


@pytest.mark.parametrize("wire", [PtyWire, Rfc2217Wire])
def test_reads_follow_one_another(lab: Callable[..., Lab], wire: Any) -> None:
    station = lab(wire=wire)
    first = station.reader.read()
    station.clock.sleep(3600)
    second = station.reader.read()
    assert second.energy.value > first.energy.value  # type: ignore[union-attr]
    assert second.meter_time.hour == 11  # type: ignore[union-attr]


def test_negative_values_and_tariffs_and_flags_are_in_the_telegram(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.meter.tariffs = (Decimal("1.234"), None, None, Decimal("5.000"), None)
    station.meter.hold(power_kw=Decimal("-0.2"), flow_m3_h=Decimal("-0.012"))
    station.meter.set_error_flags(0b10010)
    seen = station.reader.read()
    assert seen.power == Quantity(Decimal("-0.2"), "kW")
    assert seen.flow == Quantity(Decimal("-0.012"), "m3/h")
    assert [seen.tariff(n) for n in range(1, 6)] == [
        Quantity(Decimal("1.234"), "MWh"), None, None, Quantity(Decimal("5.000"), "MWh"), None]
    assert seen.registers["F"] == (("F1", None), ("F41", None))


@pytest.mark.parametrize("energy_step", ["kWh", "0.001 MWh", "0.01 MWh", "MWh", "MJ", "0.001 GJ", "0.1 GJ"])
def test_every_energy_unit_is_read_with_its_resolution(lab: Callable[..., Lab], clock: Clock,
                                                       energy_step: Any) -> None:
    meter = UH50(clock, energy_step=energy_step, energy_kwh=71_873.0)
    expected = {"kWh": "71873 kWh", "0.001 MWh": "71.873 MWh", "0.01 MWh": "71.87 MWh", "MWh": "71 MWh",
                "MJ": "258742 MJ", "0.001 GJ": "258.742 GJ", "0.1 GJ": "258.7 GJ"}
    assert str(lab(meter=meter).reader.read().energy) == expected[energy_step]


# -- the layout, against captures of real meters ------------------------------------------------------------------

def _groups(line: str) -> list[tuple[str, str]]:
    return re.findall(r"([^()]+)\(([^()]*)\)", line)


@pytest.mark.parametrize(("capture", "energy_step"), [
    ("uh50_fw5.16_gj_2022-05-19.txt", "0.001 GJ"),
    ("uh50_fw5.22_mwh_2021-01-20_t550.txt", "0.001 MWh"),
    ("uh50_masked_gj_2022-06-30.txt", "0.001 GJ"),
])
def test_the_plain_telegram_has_the_lines_codes_and_digits_of_a_real_one(clock: Clock, capture: str,
                                                                        energy_step: Any) -> None:
    real = (CAPTURES / capture).read_text().split("\n")
    assert real[0] == "/LUGCUH50"
    real_lines = real[1:real.index("!")]
    twin_lines = telegram(UH50(clock, seed=1, energy_step=energy_step).registers(), extended=False)

    def shape(line: str) -> list[tuple[str, str]]:
        return [(code, "settings" if code == "9.1" else re.sub("[0-9]", "0", value)) for code, value in _groups(line)]

    assert [shape(line) for line in twin_lines] == [shape(line) for line in real_lines]
    assert (len(twin_lines), sum(len(_groups(line)) for line in twin_lines)) == (23, 66)


def test_the_extended_telegram_has_the_present_values_after_line_1(clock: Clock) -> None:
    now = UH50(clock, seed=1).registers()
    plain, extended = telegram(now, extended=False), telegram(now, extended=True)
    assert extended[:1] + extended[2:] == plain
    assert [code for code, _ in _groups(extended[1])] == ["6.4", "6.27", "6.29", "6.28", "6.30"]


# -- the wire and its faults --------------------------------------------------------------------------------------

def test_an_echoing_head_is_read(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.port.echo = True
    assert station.reader.read().ident == "LUGCUH50"
    assert station.port.wake_ups == 1


@pytest.mark.parametrize("fault", ["bad_bcc", "truncated", "garbage", "silent"])
def test_one_damaged_answer_is_cured_by_a_new_wake_up(lab: Callable[..., Lab], fault: str) -> None:
    station = lab(answer_timeout_s=1.0, gap_timeout_s=1.0)
    setattr(station.port, fault, 1)
    seen = station.reader.read()
    assert seen.findings == ()
    assert (station.port.wake_ups, station.reader.wake_ups) == (2, 2)


@pytest.mark.parametrize(("fault", "expected", "seen"), [
    ("bad_bcc", r"the block check character [0-9A-F]{2}", r"saw [0-9A-F]{2} \(2 wake-ups\)"),
    ("truncated", "STX ... ETX BCC", r"without end, \d+ characters"),
    ("garbage", "/LUGCUH50", r"characters that are none"),
    ("silent", "/LUGCUH50", r"silence for 0.2 s \(4 wake-ups\)"),
])
def test_a_lasting_fault_is_the_benchs_and_says_what_was_seen(lab: Callable[..., Lab], fault: str, expected: str,
                                                              seen: str) -> None:
    station = lab(answer_timeout_s=0.2, gap_timeout_s=0.2)
    setattr(station.port, fault, 10)
    with pytest.raises(BenchError) as error:
        station.reader.read()
    assert re.search(expected, str(error.value))
    assert re.search(seen, str(error.value))
    assert f"optical head at {station.port.path}" in str(error.value)


@pytest.mark.parametrize("ident", ["LUGCT230", "LUGCT330"])
def test_a_meter_that_speaks_mbus_here_is_refused_by_name_at_once(lab: Callable[..., Lab], ident: str) -> None:
    station = lab()
    station.port.wrong_ident = ident
    with pytest.raises(BenchError, match=ident[4:]):
        station.reader.read()
    assert station.port.wake_ups == 1


@pytest.mark.parametrize("ident", ["LUGC2WR5", "KAMCUH50", "LUGXUH50"])
def test_another_meter_is_refused_with_what_it_said(lab: Callable[..., Lab], ident: str) -> None:
    station = lab(answer_timeout_s=0.5)
    station.port.wrong_ident = ident
    with pytest.raises(BenchError, match=f"expected the identification /LUGCUH50, saw /{ident}"):
        station.reader.read()


def test_a_meter_without_the_extended_readout_is_asked_for_the_plain_one(lab: Callable[..., Lab]) -> None:
    station = lab(answer_timeout_s=0.5)
    station.port.knows_extended = False
    seen = station.reader.read()
    assert seen.energy is not None and seen.power is None
    assert [finding.code for finding in seen.findings] == ["no-extended-readout"]


def test_a_sleeping_meter_does_not_hear_a_request_without_wake_up(clock: Clock) -> None:
    meter = UH50(clock)
    port = clock.call(lambda: OpticalPort(meter, clock))
    reader = OpticalReader(port.path, timeline=Timeline(clock.time), clock=clock)
    reader._port.write(b"/?!\r\n")
    assert reader._port.read(1, 0.2) == b""
    assert port.wake_ups == 0
    reader.close()
    clock.call(port.close)


@pytest.mark.parametrize("wire", [PtyWire, Rfc2217Wire])
def test_a_cable_pulled_out_is_a_bench_error(lab: Callable[..., Lab], wire: Any) -> None:
    station = lab(wire=wire)
    station.reader.read()
    station.clock.call(station.port.close)
    with pytest.raises(BenchError, match="optical head at"):
        station.reader.read()


def test_a_port_that_does_not_exist_is_named(clock: Clock) -> None:
    with pytest.raises(BenchError, match="optical head at /dev/ttyNONE: expected a serial port"):
        OpticalReader("/dev/ttyNONE", timeline=Timeline(clock.time), clock=clock)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ident=st.sampled_from([b"", b"/LUGCUH50\r\n", b"/"]), noise=st.binary(max_size=80))
def test_any_answer_gives_a_readout_or_a_bench_error(clock: Clock, ident: bytes, noise: bytes) -> None:
    wires: list[PtyWire] = []
    clock.call(lambda: wires.append(PtyWire(clock, lambda _: wires[0].write(ident + b"\x02" + noise))))
    reader = OpticalReader(wires[0].path, timeline=Timeline(clock.time), clock=clock, answer_timeout_s=0.05,
                           gap_timeout_s=0.05)
    with pytest.raises(BenchError):     # none of these is a whole block with the right block check character
        reader.read()
    reader.close()
    clock.call(wires[0].close)


@pytest.mark.parametrize("length", [1, 399, 1000, 9000])
def test_noise_before_the_block_is_no_part_of_it(lab: Callable[..., Lab], length: int) -> None:
    # esphome-uh50reader, issue 11: garbage of the head between the identification and STX
    station = lab()
    noise = random.Random(length).choices([byte for byte in range(1, 127) if byte not in b"\x03\r\n/"], k=length)
    station.port.noise_before_block = bytes(noise)      # with STX in it
    assert station.reader.read().energy is not None
    assert station.port.wake_ups == 1


def test_noise_that_never_becomes_a_block_is_called_that(clock: Clock) -> None:
    wires: list[PtyWire] = []
    clock.call(lambda: wires.append(PtyWire(clock, lambda _: wires[0].write(b"/LUGCUH50\r\n" + b"~" * 5000))))
    reader = OpticalReader(wires[0].path, timeline=Timeline(clock.time), clock=clock)
    with pytest.raises(BenchError, match="saw 5000 characters of noise before STX"):
        reader.read()
    reader.close()
    clock.call(wires[0].close)


def test_an_extended_readout_without_identification_is_read(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.port.identifies = False
    seen = station.reader.read()
    assert (seen.ident, seen.findings) == (None, ())
    assert seen.power is not None


# -- sparing the battery ------------------------------------------------------------------------------------------

def test_a_battery_meter_is_not_woken_again_within_the_interval(lab: Callable[..., Lab]) -> None:
    station = lab(mains_powered=False, minimum_interval_s=900)
    first = station.reader.read()
    station.clock.sleep(899)
    second = station.reader.read()
    assert second.energy == first.energy
    assert [finding.code for finding in second.findings] == ["stored-readout"]
    assert "899 s ago" in second.findings[0].text
    assert station.port.wake_ups == 1
    station.clock.sleep(1)
    third = station.reader.read()
    assert third.findings == () and third.energy != first.energy
    assert station.port.wake_ups == 2


def test_a_read_is_on_the_timeline_with_its_registers_as_text(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.meter.hold(energy=Decimal("71.873"), max_forward_c=Decimal("149.4"), max_return_c=Decimal("71.6"))
    station.reader.read()
    (seen,) = station.timeline.select("meter", "optical")
    assert seen.data["registers"]["6.8"] == "0071.873*MWh"
    assert seen.data["registers"]["9.4"] == "149.4*C&071.6*C"
    assert station.port.path not in seen.to_json()


def test_the_reader_does_not_pretend_to_set_the_clock(lab: Callable[..., Lab]) -> None:
    with pytest.raises(BenchError, match="by M-Bus"):
        lab().reader.set_clock()


# -- in real time -------------------------------------------------------------------------------------------------

def test_a_meter_that_takes_its_real_time_is_read() -> None:
    with WallClock() as clock:
        station = Lab(clock)
        assert station.port.paced
        seen = station.reader.read()
        assert seen.findings == () and seen.power is not None
        station.close()


@pytest.mark.parametrize(("identifies", "baud", "wake_ups"), [
    (True, 2400, 1), (True, 300, 3), (False, 300, 1), (False, 2400, 3)])
def test_an_extended_readout_is_read_at_300_and_at_2400_bd_with_and_without_identification(
        identifies: bool, baud: int, wake_ups: int) -> None:
    with WallClock() as clock:
        station = Lab(clock, answer_timeout_s=3.0)
        station.port.waits_for_speed_s = 1.5
        station.port.identifies, station.port.extended_baud = identifies, baud
        seen = station.reader.read()
        assert seen.findings == () and seen.power is not None
        assert station.port.wake_ups == wake_ups
        assert station.reader.read().power is not None
        assert station.port.wake_ups == wake_ups + 1     # the speeds that were right are kept
        station.close()


@pytest.mark.parametrize("identifies", [True, False])
def test_an_extended_readout_at_a_speed_that_nobody_knows_falls_back_to_the_plain_one(identifies: bool) -> None:
    with WallClock() as clock:
        station = Lab(clock, answer_timeout_s=3.0)
        station.port.waits_for_speed_s = 1.5
        station.port.identifies, station.port.extended_baud = identifies, 9600
        seen = station.reader.read()
        assert seen.energy is not None and seen.power is None
        assert [finding.code for finding in seen.findings] == ["no-extended-readout"]
        assert "no block of data" in seen.findings[0].text
        station.close()


def test_a_reader_that_does_not_change_its_speed_sees_noise() -> None:
    with WallClock() as clock:
        station = Lab(clock, gap_timeout_s=1.0)
        station.port.wrong_ident = "LUGBUH50"       # announces 1200 Bd
        station.reader._port.set_baudrate(300)
        station.reader._port.write(bytes(40) + b"/?!\r\n")
        assert station.reader._port.read_until(b"\n", 40, 5.0) == b"/LUGBUH50\r\n"
        noise = station.reader._port.read(8, 5.0)
        assert not noise.startswith(b"\x026.8(")
        station.close()
