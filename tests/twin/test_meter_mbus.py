"""The M-Bus master against the twin meter's M-Bus module, over a pty and over RFC 2217."""
# ruff: noqa: DTZ001 - a meter's clock knows no zone

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymbusparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clock import Clock, WallClock, WarpClock
from bench.errors import BenchError
from bench.payload.mbus import wired_telegram
from bench.payload.readout import Quantity
from bench.timeline import Timeline
from bench.twin.meter.mbus_port import MBusPort
from bench.twin.meter.uh50 import UH50
from bench.twin.wires.pty import PtyWire
from bench.twin.wires.rfc2217 import Rfc2217Wire
from drivers.meter.mbus import MBusMaster, find_frame

REAL = Path(__file__).parents[1] / "data" / "mbus" / "uh50_lug0404_wired.decoded.json"


class Lab:
    """A meter, its M-Bus module and a master at it."""

    def __init__(self, clock: Clock, *, wire: Any = PtyWire, meter: Any = None, own_address: int = 0,
                 own_baudrate: int = 2400, **master: Any) -> None:
        self.clock = clock
        self.meter: UH50 = clock.call(lambda: meter or UH50(clock, seed=7))
        self.heard = bytearray()
        """What the master has put on the wire."""

        def tapped(clock: Clock, on_bytes: Callable[[bytes], None]) -> Any:
            def tap(data: bytes) -> None:
                self.heard += data
                on_bytes(data)

            return wire(clock, tap)

        self.port = clock.call(lambda: MBusPort(self.meter, clock, wire=tapped, address=own_address,
                                                baudrate=own_baudrate))
        self.timeline = Timeline(clock.time)
        self.master = MBusMaster(self.port.path, timeline=self.timeline, clock=clock, **master)

    def close(self) -> None:
        self.master.close()
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
@pytest.mark.parametrize("baudrate", [300, 2400])
def test_the_master_gives_the_registers_of_the_meter(lab: Callable[..., Lab], wire: Any, baudrate: int) -> None:
    station = lab(wire=wire, baudrate=baudrate, own_baudrate=baudrate)
    station.meter.property_number = "00073600"
    station.meter.tariffs = (Decimal("1.234"), Decimal("2.345"), None, None, None)
    station.meter.hold(
        energy=Decimal("326.062"), volume_m3=Decimal("1995.07"), power_kw=Decimal("0.5"), flow_m3_h=Decimal("0.808"),
        forward_c=Decimal("52.0"), return_c=Decimal("51.4"), missing_time_h=5, fabrication_number="66935074",
    )
    seen = station.master.read()
    assert seen.energy == Quantity(Decimal("326062"), "kWh")
    assert seen.volume == Quantity(Decimal("1995.07"), "m3")
    assert seen.power == Quantity(Decimal("0.5"), "kW")
    assert seen.flow == Quantity(Decimal("0.808"), "m3/h")
    assert seen.forward_temperature == Quantity(Decimal(52), "C")
    assert seen.return_temperature == Quantity(Decimal(51), "C")
    assert seen.missing_time == Quantity(Decimal(5), "h")
    assert seen.tariffs == (Quantity(Decimal(1234), "kWh"), Quantity(Decimal(2345), "kWh"), Quantity(Decimal(0), "kWh"))
    assert seen.time == datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
    assert seen.meter_id == "66935074"
    (frame,) = station.master.request()
    assert frame.header is not None
    assert (frame.header.identification, frame.header.manufacturer, frame.header.version, frame.header.medium) == (
        "00073600", "LUG", 4, 4)


def test_the_answer_has_the_records_of_a_real_uh50_in_their_order(lab: Callable[..., Lab], clock: Clock) -> None:
    station = lab(meter=UH50(clock, seed=1, energy_step="0.001 GJ"))
    (frame,) = station.master.request()
    real = [record["header_hex"].replace(" ", "") for record in json.loads(REAL.read_text())["records"]]
    assert [record.header for record in frame.records] == real
    assert len(real) == 40
    assert frame.findings == ()


def test_a_third_party_finds_the_values_in_the_answer(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.meter.hold(energy=Decimal("326.062"), volume_m3=Decimal("1995.07"), power_kw=Decimal("-0.2"),
                       difference_k=Decimal("6.1"), operating_h=16772, missing_time_h=5)
    (frame,) = station.master.request()
    theirs = {record["header_hex"]: (record["value"]["value"], record["unit"])
              for record in pymbusparser.parse_records(frame.raw[19:-2].hex()) if "unit" in record}
    assert theirs["0C 06"] == ("326062000", "W.h")
    assert theirs["0C 14"] == ("1995.07", "m3")
    assert theirs["0B 2D"] == ("-200", "W")
    assert theirs["0A 62"] == ("6.1", "K")
    assert theirs["0C 22"] == ("16772", "h")
    assert theirs["3C 22"] == ("5", "h")


def test_negative_power_and_flow_keep_their_sign(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.meter.hold(power_kw=Decimal("-0.2"), flow_m3_h=Decimal("-0.012"))
    (frame,) = station.master.request()
    assert bytes.fromhex("0B 2D 02 00 F0") in frame.raw      # as a real meter sends -200 W
    assert wired_telegram([frame]).newest.power == Quantity(Decimal("-0.2"), "kW")
    assert wired_telegram([frame]).newest.flow == Quantity(Decimal("-0.012"), "m3/h")


@pytest.mark.parametrize(("energy_step", "shown"), [
    ("kWh", "71873 kWh"), ("0.01 MWh", "71.87 MWh"), ("0.1 MWh", "71.8 MWh"), ("MWh", "71 MWh"),
    ("MJ", "258742 MJ"), ("0.01 GJ", "258.74 GJ"), ("0.1 GJ", "258.7 GJ"), ("GJ", "258 GJ"),
])
def test_every_energy_unit_has_its_vif(lab: Callable[..., Lab], clock: Clock, energy_step: Any, shown: str) -> None:
    station = lab(meter=UH50(clock, energy_step=energy_step, energy_kwh=71_873.0))
    assert str(station.master.read().energy) == shown


@pytest.mark.parametrize(("flags", "status"), [(0, 0x00), (0x010, 0x04), (0x200, 0x08), (0x002, 0x10)])
def test_error_flags_show_in_the_status_byte(lab: Callable[..., Lab], flags: int, status: int) -> None:
    station = lab()
    station.meter.set_error_flags(flags)
    (frame,) = station.master.request()
    assert frame.header is not None
    assert frame.header.status == status


# -- addresses ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("address", [5, 254, "70444600", "7044FFFF", "70444600A7320404", "70444600FFFF04FF"])
def test_the_meter_answers_to_its_addresses(lab: Callable[..., Lab], address: Any) -> None:
    station = lab(own_address=5, address=address)
    station.meter.property_number = "70444600"
    assert station.master.read().energy is not None


@pytest.mark.parametrize("address", [6, "70444601", "70444600A7320304", "70444600A8320404"])
def test_the_meter_does_not_answer_to_others(lab: Callable[..., Lab], address: Any) -> None:
    station = lab(own_address=5, address=address, tries=1)
    station.meter.property_number = "70444600"
    with pytest.raises(BenchError, match=f"from address {address} at 2400 Bd, saw silence"):
        station.master.read()


@pytest.mark.parametrize("address", [251, 255, -1, "7044460", "70444600A732", "7044G600", ""])
def test_an_impossible_address_is_refused_before_the_port_is_opened(clock: Clock, address: Any) -> None:
    with pytest.raises(BenchError, match="address"):
        MBusMaster("/dev/ttyNONE", timeline=Timeline(clock.time), address=address)


def test_a_wrong_speed_is_silence_and_a_strange_one_is_refused(lab: Callable[..., Lab]) -> None:
    with pytest.raises(BenchError, match="at 300 Bd, saw silence"):
        lab(baudrate=300, own_baudrate=2400, tries=1).master.read()
    with pytest.raises(BenchError, match="one of the speeds"):
        lab(baudrate=115200)


# -- the link layer -----------------------------------------------------------------------------------------------

def test_the_frames_are_those_of_the_standard(lab: Callable[..., Lab]) -> None:
    station = lab(address=0)
    station.master.read()
    station.master.read()
    station.master.reset_application()
    station.master.set_clock(datetime(2019, 11, 28, 20, 39))
    assert station.heard == bytes.fromhex(
        "10 40 00 40 16"
        "10 7B 00 7B 16"
        "10 5B 00 5B 16"
        "68 03 03 68 73 00 50 C3 16"
        "68 09 09 68 53 00 51 04 6D 27 14 7C 2B F7 16"
    )


def test_a_secondary_address_is_selected_and_asked_at_fd(lab: Callable[..., Lab]) -> None:
    station = lab(address="70444600A7320404")
    station.meter.property_number = "70444600"
    station.master.read()
    station.master.read()
    assert station.heard == bytes.fromhex(
        "68 0B 0B 68 53 FD 52 00 46 44 70 A7 32 04 04 7D 16"
        "10 7B FD 78 16"
        "10 5B FD 58 16"
    )


def test_a_spoilt_answer_is_asked_for_again_with_the_same_fcb_and_is_the_same_telegram(
        lab: Callable[..., Lab]) -> None:
    station = lab(address=0)
    (first,) = station.master.request()
    station.port.bad_checksum = 1
    (second,) = station.master.request()
    (third,) = station.master.request()
    assert station.heard == bytes.fromhex("1040004016 107B007B16 105B005B16 105B005B16 107B007B16")
    numbers = [frame.header.access_number for frame in (first, second, third) if frame.header is not None]
    assert numbers == [1, 2, 3]     # had the meter made a new telegram for the repetition, these were 1, 3, 4


@pytest.mark.parametrize(("fault", "seen"), [
    ("silent", "silence"), ("bad_checksum", "a broken answer .checksum"), ("wrong_address", "an answer from address 4"),
])
def test_a_fault_is_cured_by_repetition_and_if_it_lasts_it_is_the_benchs(lab: Callable[..., Lab], fault: str,
                                                                         seen: str) -> None:
    station = lab(own_address=5, address=5)
    setattr(station.port, fault, 2)
    assert station.master.read().energy is not None
    setattr(station.port, fault, 3)
    with pytest.raises(BenchError, match=f"saw {seen}") as error:
        station.master.read()
    assert f"M-Bus master at {station.port.path}" in str(error.value)
    assert station.master.read().energy is not None


# -- buses as they are: what public reports of libmbus say ------------------------------------------------------------

WIRES = pytest.mark.parametrize("wire", [PtyWire, Rfc2217Wire])


@WIRES
@pytest.mark.parametrize("address", [5, "70444600"])
def test_an_echo_is_not_an_answer(lab: Callable[..., Lab], wire: Any, address: Any) -> None:
    station = lab(own_address=5, address=address, wire=wire)
    station.meter.property_number = "70444600"
    station.port.echo = True
    assert station.master.read().energy is not None
    station.master.set_clock(datetime(2031, 12, 31, 23, 58))
    assert station.meter.clock_now() == datetime(2031, 12, 31, 23, 58)
    assert station.heard.count(0x16) >= 3
    assert len(station.master.request()) == 1


def test_a_bus_that_only_echoes_is_told_from_one_that_is_silent(lab: Callable[..., Lab]) -> None:
    station = lab(own_address=5, address=6)
    station.port.echo = True
    with pytest.raises(BenchError, match="saw silence after its own echo"):
        station.master.read()


@WIRES
@pytest.mark.parametrize("noise", ["00", "FF" * 20, "55AA00FE", "68", "68 11 22 68", "10 40 40 40", "68 68 10 10 00"])
def test_noise_of_a_bus_that_wakes_up_is_skipped(lab: Callable[..., Lab], wire: Any, noise: str) -> None:
    station = lab(wire=wire)
    station.port.noise = bytes.fromhex(noise)
    station.port.echo = True
    assert station.master.read().energy is not None
    assert station.heard == bytes.fromhex("1040FE3E16 107BFE7916")     # at the first try


def test_noise_without_end_is_a_bench_error_that_counts_it(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.port.noise = bytes(5000)
    with pytest.raises(BenchError, match=r"saw silence after \d+ bytes of noise"):
        station.master.read()


@WIRES
@pytest.mark.parametrize("each", [1, 7, 39])
def test_an_answer_in_several_telegrams_is_one_readout(lab: Callable[..., Lab], wire: Any, each: int) -> None:
    station = lab(wire=wire)
    whole = station.master.read()
    station.port.records_per_telegram = each
    if each == 1:       # 40 telegrams
        with pytest.raises(BenchError, match="at most 16 telegrams"):
            station.master.read()
        return
    parts = station.master.read()
    again = station.master.read()        # begins with the first telegram
    for readout in (parts, again):
        assert (readout.energy, readout.volume, readout.flow, readout.missing_time, readout.time) == (
            whole.energy, whole.volume, whole.flow, whole.missing_time, whole.time)
        assert len([record for record in readout.records if record.dif != b"\x1f"]) == 40


def test_a_meter_that_is_too_busy_is_asked_again_after_a_pause(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.port.application_errors = [8, 8]
    assert station.master.read().energy is not None
    assert station.heard == bytes.fromhex("1040FE3E16 107BFE7916 105BFE5916 107BFE7916")   # with the FCB toggled
    station.port.application_errors = [8, 8, 8]
    with pytest.raises(BenchError, match="saw the meter's application error 8: application too busy"):
        station.master.read()
    assert station.master.read().energy is not None


@pytest.mark.parametrize(("code", "text"), [
    (9, "9: too many readouts"), (0, "0: unspecified"), (0x7F, "127: reserved")])
def test_another_application_error_is_named_at_once(lab: Callable[..., Lab], code: int, text: str) -> None:
    station = lab()
    station.port.application_errors = [code]
    with pytest.raises(BenchError, match=f"saw the meter's application error {text}"):
        station.master.read()
    assert station.heard.count(b"\x10\x7b") == 1
    assert station.master.read().energy is not None


@given(noise=st.binary(max_size=30), kind=st.sampled_from(["E5", "1008050D16", "68030368080170791600"[:18]]))
def test_a_frame_is_found_behind_noise_that_is_no_start_of_one(noise: bytes, kind: str) -> None:
    frame = bytes.fromhex(kind)
    noise = bytes(byte for byte in noise if byte not in (0xE5, 0x10, 0x68))
    assert find_frame(noise + frame) == (len(noise), len(frame))


@given(st.binary(max_size=300))
def test_any_bytes_are_noise_and_perhaps_the_start_of_a_frame(heard: bytes) -> None:
    skipped, length = find_frame(heard)
    assert 0 <= skipped <= len(heard)
    assert 0 <= length <= 261
    assert (length == 0) == (skipped == len(heard))


def test_application_reset_reaches_the_meter(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.master.reset_application()
    assert station.port.application_resets == 1


def test_the_clock_is_set_to_the_minute(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.master.set_clock(datetime(2031, 12, 31, 23, 58))
    assert station.meter.clock_now() == datetime(2031, 12, 31, 23, 58)
    station.clock.sleep(180)
    assert station.master.read().time == datetime(2032, 1, 1, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("time", [datetime(2026, 1, 1, tzinfo=UTC), datetime(1999, 1, 1)])
def test_a_clock_with_a_zone_or_of_another_century_is_refused(lab: Callable[..., Lab], time: datetime) -> None:
    with pytest.raises(ValueError, match="naive, between 2000 and 2099"):
        lab().master.set_clock(time)


@pytest.mark.parametrize("answer", [
    "", "00", "E5", "68", "68 05 06 68", "68 05 05 68 08 00", "68 03 03 68 08 00 72 7A 16", "10 08 00 08 16",
    "FF" * 300,
])
def test_any_answer_but_the_right_one_is_a_bench_error(clock: Clock, answer: str) -> None:
    wires: list[PtyWire] = []

    def reply(request: bytes) -> None:
        wires[0].write(b"\xe5" if request[1] == 0x40 else bytes.fromhex(answer))

    clock.call(lambda: wires.append(PtyWire(clock, reply)))
    master = MBusMaster(wires[0].path, timeline=Timeline(clock.time), tries=1)
    with pytest.raises(BenchError, match="RSP_UD"):
        master.read()
    master.close()
    clock.call(wires[0].close)


@pytest.mark.parametrize("wire", [PtyWire, Rfc2217Wire])
def test_a_cable_pulled_out_is_a_bench_error(lab: Callable[..., Lab], wire: Any) -> None:
    station = lab(wire=wire)
    station.master.read()
    station.clock.call(station.port.close)
    with pytest.raises(BenchError, match="M-Bus master at"):
        station.master.read()


def test_a_port_server_that_is_not_there_is_named(clock: Clock) -> None:
    gone = clock.call(lambda: Rfc2217Wire(clock, lambda _: None))
    clock.call(gone.close)
    with pytest.raises(BenchError, match=f"M-Bus master at {gone.path}: expected a serial port"):
        MBusMaster(gone.path, timeline=Timeline(clock.time))


def test_a_read_is_on_the_timeline_with_its_registers_as_text(lab: Callable[..., Lab]) -> None:
    station = lab()
    station.meter.hold(energy=Decimal("71.873"), year_energy=Decimal("69.507"), power_kw=Decimal("-0.2"))
    station.master.read()
    (seen,) = station.timeline.select("meter", "mbus")
    assert seen.data["registers"]["energy"] == "71873 kWh"
    assert seen.data["registers"]["energy, storage 1"] == "69507 kWh"
    assert seen.data["registers"]["power"] == "-0.2 kW"
    assert seen.data["registers"]["time"] == "2026-03-02 10:30:00"
    assert len(seen.data["registers"]) == 40


def test_a_meter_that_takes_its_real_time_is_read() -> None:
    with WallClock() as clock:
        station = Lab(clock)
        assert station.port.paced
        assert station.master.read().energy is not None
        station.close()
