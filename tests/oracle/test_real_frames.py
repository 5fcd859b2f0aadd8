"""Frames of real meters and units give what others read in them.

The data is in tests/data. Frames that may not be given on are looked for in ../shared beside the project, and their
tests are skipped when it is absent.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymbusparser
import pytest

from bench.payload.decode import decode
from bench.payload.mbus import decode_long_frame, decode_mbus, decode_records, wired_telegram
from bench.payload.optical import parse_optical
from bench.payload.readout import Quantity, Record

DATA = Path(__file__).parents[1] / "data"
SHARED = Path(__file__).parents[3] / "shared" / "data"

UNITS = {
    "Wh": (1, "W.h"), "kWh": (1000, "W.h"), "MWh": (10**6, "W.h"), "MJ": (10**6, "J"), "GJ": (10**9, "J"),
    "m3": (1, "m3"), "W": (1, "W"), "kW": (1000, "W"), "m3/h": (1, "m3.h-1"), "C": (1, "Cel"), "K": (1, "K"),
    "s": (1, "s"), "min": (1, "min"), "h": (1, "h"), "days": (1, "d"), "": (1, None),
}  # fmt: skip

# Records of the decoded files that we read differently on purpose.
# 94 10 DA 6F: VIFE 6F makes the value a date ("date of end"); the others give it as 41065374.6 degrees. We keep it raw.
KEPT_RAW = {"9410AD6F", "9410BB6F", "9410DA6F", "9410DE6F"}
# A recurring date (every year): no datetime; we say so.
RECURRING = {"848F0F6D"}


def read_hex(name: str) -> bytes:
    path = DATA / name if (DATA / name).exists() else SHARED / name
    if not path.exists():
        pytest.skip(f"NOT CHECKED: {name} may not be shipped and is not in ../shared/data")
    return bytes.fromhex(path.read_text())


def assert_record(ours: Record, theirs: dict[str, Any]) -> None:
    assert ours.header == theirs["header_hex"].replace(" ", "")
    assert ours.data == bytes.fromhex(theirs["data_hex"])
    if ours.quantity == "manufacturer":
        assert theirs["function"] == "Manufacturer specific"
        return
    assert (ours.storage, ours.tariff, ours.subunit) == (theirs["storage_number"], theirs["tariff"], theirs["subunit"])
    if ours.header in KEPT_RAW:
        assert ours.value is None
        assert [f.code for f in ours.findings] == ["unknown-vif"]
    elif ours.header in RECURRING:
        assert theirs["value"]["value"]["year"] == "every"
        assert ours.value is None
    elif isinstance(ours.value, Decimal):
        factor, unit = UNITS[ours.unit]
        assert ours.value * factor == Decimal(theirs["value"]["value"])
        assert unit == theirs.get("unit")
    else:
        assert ours.value is not None
        assert str(ours.value.isoformat()) == theirs["value"]["value"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "count"), [("landisgyr_t230_wired", 35), ("uh50_lug0404_wired", 40)], ids=["T230", "UH50"]
)
def test_wired_frame_of_a_real_meter_agrees_with_the_decoded_file(name: str, count: int) -> None:
    frame = decode_long_frame(read_hex(f"mbus/{name}.hex"))
    decoded = json.loads((DATA / f"mbus/{name}.decoded.json").read_text())
    assert len(frame.records) == len(decoded["records"]) == count
    for ours, theirs in zip(frame.records, decoded["records"], strict=True):
        assert_record(ours, theirs)
    identity = decoded["meter"]["identity"]
    assert frame.header is not None
    assert frame.header.identification == identity["id"]
    assert frame.header.manufacturer == identity["manufacturer_code"] == "LUG"
    assert frame.header.version == identity["version"]
    assert frame.header.medium == identity["device_type_code"]


def test_readout_of_the_wired_uh50_maps_tariffs_2_3_4_and_missing_time() -> None:
    readout = wired_telegram([decode_long_frame(read_hex("mbus/uh50_lug0404_wired.hex"))]).newest
    assert readout.energy == Quantity(Decimal(32308), "MJ")
    assert readout.volume == Quantity(Decimal("1995.07"), "m3")
    assert readout.power == Quantity(Decimal("0.5"), "kW")
    assert readout.return_temperature == Quantity(Decimal(51), "C")
    assert readout.missing_time == Quantity(Decimal(0), "h")
    assert [t and t.unit for t in readout.tariffs] == ["kWh", "kWh", "kWh"]


def test_records_of_a_radio_uh50_are_what_pymbusparser_reads() -> None:
    block = read_hex("mbus/uh50_lug0404_oms_radio_1.hex")[15:]
    ours = [r for r in decode_records(block) if r.quantity != "filler"]
    theirs = pymbusparser.parse_records(block)
    assert len(ours) == len(theirs) == 8
    for one, other in zip(ours, theirs, strict=True):
        assert_record(one, other)


# Uplinks of the sister module CMi4110 on UH50 meters (BCD, without its leading message type byte); reference
# module-and-nfc A5. Published as facts; values are the published ones.
CMI4110 = {
    "0C07785533000C14302895070B2D9213000B3B4039000A5A70090A5E60060C786867836902FD170000": (
        "3355.78 MWh", "79528.30 m3", "139.2 kW", "3.940 m3/h", "97.0 C", "66.0 C", "69836768", 0,
    ),
    "0C06934607000C14823130000B2D0000000B3B0100F00A5A86040A5E08040C786481307102FD170000": (
        "74693 kWh", "3031.82 m3", "0.0 kW", "-0.001 m3/h", "48.6 C", "40.8 C", "71308164", 0,
    ),
    "0C06159518000C14005136000B2D7501000B3B4703000A5A02090A5E64040C787077907002FD170630": (
        "189515 kWh", "3651.00 m3", "17.5 kW", "0.347 m3/h", "90.2 C", "46.4 C", "70907770", 0x3006,
    ),
}  # fmt: skip


@pytest.mark.parametrize("uplink", CMI4110)
def test_bcd_uplink_of_the_sister_module_decodes_to_the_published_values(uplink: str) -> None:
    telegram = decode_mbus(bytes.fromhex(uplink))
    r = telegram.newest
    quantities = [str(q) for q in (r.energy, r.volume, r.power, r.flow, r.forward_temperature, r.return_temperature)]
    assert (*quantities, r.meter_id, r.error_flags) == CMI4110[uplink]
    assert {f.code for f in telegram.errors} == {"missing-field"}  # no date and time in this message


def test_json_of_a_real_module_decodes_with_its_own_units() -> None:
    frames = json.loads((DATA / "elvaco/mqttsn_cmi6110_frames.json").read_text())["frames"]
    publish = next(bytes.fromhex(f["hex"]) for f in frames if f["name"] == "PUBLISH")
    telegram = decode(publish[7:])
    readout = telegram.newest
    assert telegram.encoding == "json"
    assert telegram.errors == ()
    assert readout.time == datetime(2021, 7, 5, 18, 0, tzinfo=UTC)
    assert readout.meter_id == "00224396"
    assert readout.energy == Quantity(Decimal(184), "kWh")
    assert readout.volume == Quantity(Decimal(6580), "l")
    assert readout.flow == Quantity(Decimal(0), "l/h")
    assert readout.error_flags == 0x0421


OPTICAL = {
    "uh50_fw5.16_gj_2022-05-19.txt": ("328.871 GJ", "3329.67 m3", "5 h", "66153690", "2022-05-19 19:41:17"),
    "uh50_fw5.22_mwh_2021-01-20_t550.txt": ("71.873 MWh", "1804.89 m3", "0 h", "68000000", "2021-01-20 20:16:59"),
    "uh50_masked_gj_2022-06-30.txt": ("203.951 GJ", "2062.98 m3", "339 h", "00000000", "2022-06-30 13:40:07"),
    "2wr5_fw2.14_mwh_2017-01-18.txt": ("29.055 MWh", "1589.28 m3", "194 h", "64030874", "2017-01-18 01:36:47"),
}


@pytest.mark.parametrize("name", OPTICAL)
def test_optical_readout_of_a_real_meter(name: str) -> None:
    optical = parse_optical((DATA / "optical" / name).read_bytes())
    readout = optical.to_readout()
    assert optical.findings == ()
    shown = (
        str(readout.energy),
        str(readout.volume),
        str(readout.missing_time),
        readout.meter_id,
        str(optical.meter_time),
    )
    assert shown == OPTICAL[name]
    assert readout.tariffs == (None, None, None)
    assert readout.power is readout.flow is readout.forward_temperature is None
    assert readout.error_flags == 0
    assert readout.time is None
