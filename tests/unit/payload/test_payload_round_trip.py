"""Values written by a small encoder of this file come back exactly, whatever type, VIF and encoding carry them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import cbor2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.payload.decode import decode
from bench.payload.readout import Quantity, Readout

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Field -> (VIF, exponent, unit) as Table 6 prints them.
VIFS = {
    "energy": [
        ("06", 0, "kWh"), ("07", -2, "MWh"), ("FB00", -1, "MWh"), ("FB01", 0, "MWh"),
        ("0E", 0, "MJ"), ("0F", -2, "GJ"), ("FB08", -1, "GJ"), ("FB09", 0, "GJ"),
    ],
    "volume": [("13", -3, "m3"), ("14", -2, "m3"), ("15", -1, "m3"), ("16", 0, "m3")],
    "power": [("2B", 0, "W"), ("2C", -2, "kW"), ("2D", -1, "kW"), ("2E", 0, "kW")],
    "flow": [("3B", -3, "m3/h"), ("3C", -2, "m3/h"), ("3D", -1, "m3/h"), ("3E", 0, "m3/h")],
    "forward_temperature": [("5A", -1, "C"), ("5B", 0, "C")],
    "return_temperature": [("5E", -1, "C"), ("5F", 0, "C")],
}  # fmt: skip
QUANTITIES = tuple(VIFS)
BINARY = {2: "02", 4: "04", 8: "07"}
BCD = {2: "0A", 3: "0B", 4: "0C", 6: "0E"}


def number(count: int, size: int, bcd: bool) -> str:
    """DIF and data, as hex in two parts, of a whole number."""
    if not bcd:
        return count.to_bytes(size, "little", signed=True).hex()
    digits = f"{abs(count):0{2 * size}d}"
    if count < 0:
        digits = "F" + digits[1:]
    return bytes.fromhex(digits)[::-1].hex()


@st.composite
def dibs(draw: st.DrawFn, field: str) -> tuple[str, Quantity]:
    vif, exponent, unit = draw(st.sampled_from(VIFS[field]))
    bcd = draw(st.booleans())
    size = draw(st.sampled_from(sorted(BCD if bcd else BINARY)))
    high = 10 ** (2 * size) - 1 if bcd else 2 ** (8 * size - 1) - 1
    low = -(10 ** (2 * size - 1) - 1) if bcd else -high - 1
    count = draw(st.integers(low, high))
    block = (BCD if bcd else BINARY)[size] + vif + number(count, size, bcd)
    return block, Quantity(Decimal(count).scaleb(exponent), unit)


@unhurried
@given(st.tuples(*(dibs(field) for field in QUANTITIES)), st.integers(0, 0xFFFF), st.integers(0, 99_999_999))
def test_m_bus_telegram(values: tuple[tuple[str, Quantity], ...], flags: int, meter_id: int) -> None:
    block = "046D27147C2B" + "0C78" + number(meter_id, 4, True)
    block += "".join(hexed for hexed, _ in values) + "02FD17" + flags.to_bytes(2, "little").hex()
    telegram = decode(bytes.fromhex(block))
    readout = telegram.newest
    assert telegram.errors == ()
    assert [getattr(readout, field) for field in QUANTITIES] == [quantity for _, quantity in values]
    assert (readout.error_flags, readout.meter_id) == (flags, f"{meter_id:08d}")


@unhurried
@given(
    st.lists(dibs("energy"), min_size=1, max_size=30),
    st.integers(946684800, 4102444799),
    st.integers(300, 86400),
    st.booleans(),
)
def test_senml_pack(energies: list[tuple[str, Quantity]], base: int, spacing: int, newest_first: bool) -> None:
    step = -spacing if newest_first else spacing
    pack: list[dict[int, object]] = [{-2: "00073600", -3: base, 8: bytes.fromhex(energies[0][0])}, {0: "V", 2: 0}]
    pack += [{6: n * step, 8: bytes.fromhex(block)} for n, (block, _) in enumerate(energies) if n]
    telegram = decode(cbor2.dumps(pack))
    assert telegram.encoding == "senml-cbor"
    assert [r.energy for r in telegram.readouts] == [quantity for _, quantity in energies]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert [r.time for r in telegram.readouts] == [
        epoch + timedelta(seconds=base + n * step) for n in range(len(energies))
    ]
    assert {r.meter_id for r in telegram.readouts} == {"00073600"}
    assert telegram.newest is telegram.readouts[0 if newest_first else -1]


@unhurried
@given(
    st.decimals(-99_999_999, 99_999_999, places=3),
    st.decimals(0, 99_999_999, places=2),
    st.integers(-32768, 32767),
    st.integers(0, 0xFFFF),
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 - hypothesis wants naive bounds
)
def test_json_telegram(energy: Decimal, volume: Decimal, power: int, flags: int, time: datetime) -> None:
    fields = {"ID": 73600, "P": power, "PU": "W", "F": 0, "FU": "l/h", "FT": 0, "TU": "C", "RT": 0, "RU": "C"}
    fields |= {"U": "MWh", "VU": "m3", "EF": f"0x{flags:04X}", "TS": f"{time:%Y-%m-%dT%H:%MZ}"}
    text = json.dumps(fields)[:-1] + f', "E": {energy:f}, "V": {volume:f}}}'
    telegram = decode(text.encode())
    assert telegram.errors == ()
    assert telegram.newest == Readout(
        time=time.replace(second=0, microsecond=0, tzinfo=UTC),
        time_valid=True,
        meter_id="00073600",
        energy=Quantity(energy, "MWh"),
        volume=Quantity(volume, "m3"),
        power=Quantity(Decimal(power), "W"),
        flow=Quantity(Decimal(0), "l/h"),
        forward_temperature=Quantity(Decimal(0), "C"),
        return_temperature=Quantity(Decimal(0), "C"),
        error_flags=flags,
    )
