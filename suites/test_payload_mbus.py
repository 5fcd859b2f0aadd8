"""M-Bus telegrams, DIB by DIB of Table 6, held against the meter; manual 7.4.2.1."""

from decimal import Decimal

import pytest

from bench.manual.paths import McmConfig, MeterInfo
from bench.payload.mbus import field_of
from bench.payload.readout import Quantity, canonical
from fixtures.meter_states import STEPS, MeterState, some_states
from fixtures.words import device_time, in_regression, minutes, needs, req

ENERGY_HEADERS = ["0406", "0407", "04FB00", "04FB01", "040E", "040F", "04FB08", "04FB09"]
HEADERS = {
    "time": ["046D"],
    "meter_id": ["0C78"],
    "energy": ENERGY_HEADERS,
    "volume": ["0413", "0414", "0415", "0416"],
    "power": ["022B", "022C", "022D", "022E"],
    "flow": ["023B", "023C", "023D", "023E"],
    "forward_temperature": ["025A", "025B"],
    "return_temperature": ["025E", "025F"],
    "error_flags": ["02FD17"],
    "tariff 1": [f"8410{header[2:]}" for header in ENERGY_HEADERS],
    "tariff 2": [f"8420{header[2:]}" for header in ENERGY_HEADERS],
    "tariff 3": [f"8430{header[2:]}" for header in ENERGY_HEADERS],
    "missing_time": ["3C22", "3C23"],
}
"""DIB 1 to 13: the DIF and VIF that are allowed; for the tariffs those of the energy (notes C05)."""
STANDARD = list(HEADERS)[:9]
DATA_BYTES = {"power": 2, "flow": 2, "forward_temperature": 2, "return_temperature": 2, "error_flags": 2}
"""The other DIBs have four (notes C34)."""

EACH_DIB = [pytest.param(field, id=field.replace("_", "-").replace(" ", "-"), marks=req(f"PAY-MBUS-{number:02d}"))
            for number, field in enumerate(HEADERS, 1)]
HEADER_OF_STEP = {
    "kWh": "0406", "0.001 MWh": "0406", "0.01 MWh": "0407", "0.1 MWh": "04FB00", "MWh": "04FB01",
    "MJ": "040E", "0.001 GJ": "040E", "0.01 GJ": "040F", "0.1 GJ": "04FB08", "GJ": "04FB09",
}


def dib(readout, field):
    """The one record of ``field``, as Table 6 has it."""
    records = [record for record in readout.records if record.header in HEADERS[field]]
    assert len(records) == 1, (f"{field}: expected one DIB with header {' or '.join(HEADERS[field])}, the telegram has "
                               f"{' '.join(record.header for record in readout.records)}")
    expected = DATA_BYTES.get(field, 4)
    assert len(records[0].data) == expected, f"{field}: {len(records[0].data)} data bytes, expected {expected}"
    assert not records[0].findings, "; ".join(finding.text for finding in records[0].findings)
    return records[0]


@device_time("2 min")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize("field", EACH_DIB[:9])
def test_a_dib_of_a_standard_telegram_says_what_the_meter_says(uploads, field):
    uploads.set(encoding="M-Bus", message_format="standard")
    upload = uploads.ask()
    dib(upload.readout, field)
    upload.check(field)


@device_time("15 min")
@needs("meter.optical", "meter.simulator")
@in_regression
@pytest.mark.parametrize("field", EACH_DIB)
def test_a_dib_is_right_in_every_state_of_the_meter(uploads, meter, meter_simulator, subtests, field):
    still, shown = None, None
    for number, (state, offset) in enumerate(some_states()):
        if state.step != shown or field != "time":
            state.show(meter_simulator)
            still, shown = (None if field == "time" else meter.read()), state.step
        message_format = "extended" if field not in STANDARD or number % 2 else "standard"
        uploads.set(encoding="M-Bus", message_format=message_format, utc_offset=offset)
        with subtests.test(field, step=state.step, utc_offset=offset, message_format=message_format,
                           error_flags=hex(state.error_flags), reversed=state.reversed_flow, tariffs=state.tariffs):
            upload = uploads.ask(still=still)
            record = dib(upload.readout, field)
            if field.startswith("tariff"):
                upload.check_tariff(int(field[-1]), still)
            else:
                upload.check(field, error_flags=state.error_flags)
            if field == "energy":
                due = HEADER_OF_STEP[state.step]
                assert record.header == due, f"a meter in {state.step} has the energy under {due}, not {record.header}"


@req("PAY-MBUS-14")
@device_time("3 min")
@in_regression
@pytest.mark.parametrize("message_format", ["standard", "extended"])
def test_the_dibs_come_in_the_order_of_table_6(uploads, message_format):
    uploads.set(encoding="M-Bus", message_format=message_format)
    fields = [field_of(record) for record in uploads.arrival().telegram.newest.records]
    due = STANDARD if message_format == "standard" else list(HEADERS)
    assert fields == due, f"by Table 6 the order is {due}, and sent is {fields}"


@device_time("3 min")
@needs("meter.simulator")
@in_regression
@pytest.mark.parametrize(("message_format", "length", "energies"), [
    pytest.param("standard", 45, 1, id="standard", marks=req("PAY-MBUS-15")),
    pytest.param("extended", 72, 4, id="extended", marks=req("PAY-MBUS-16")),
])
def test_a_telegram_has_the_length_of_its_format(uploads, meter_simulator, message_format, length, energies):
    uploads.set(encoding="M-Bus", message_format=message_format)
    for step, longer in (("0.001 MWh", 0), ("0.1 MWh", energies), ("GJ", energies)):
        MeterState(step).show(meter_simulator)
        payload = uploads.arrival().payload
        assert len(payload) == length + longer, f"{message_format} in {step}: {payload.hex(' ')}"


@req("PAY-MBUS-17")
@device_time("2 min")
@needs("meter.simulator")
@in_regression
def test_data_bytes_are_sent_least_significant_first(uploads, meter_simulator):
    uploads.set(encoding="M-Bus", message_format="standard")
    meter_simulator.set_energy_step("kWh")
    meter_simulator.hold(energy=12345678)
    energy = [record.data for record in uploads.arrival().telegram.newest.records if record.quantity == "energy"]
    assert energy == [bytes.fromhex("4E61BC00")], f"12345678 is 4e61bc00, sent is {[one.hex() for one in energy]}"


@req("PAY-MBUS-18")
@device_time("50 min")
@in_regression
def test_each_m_bus_telegram_carries_one_readout(unit, gateway, bench):
    unit.make_joined({"message_encoding": "M-Bus", "readout_interval": 5, "report_interval": 5,
                      "transmit_interval": 15, "transmit_offset": 1, "transmit_delay": 1})
    arrived = gateway.count
    bench.clock.sleep(47 * minutes)
    arrivals = gateway.arrivals(since=arrived)
    assert len(arrivals) >= 6, "two transmissions with three readouts each were due, and one of what came before"
    for arrival in arrivals:
        times = [record for record in arrival.telegram.newest.records if record.header == "046D"]
        readouts = len(arrival.telegram.readouts)
        assert readouts == len(times) == 1, \
            f"one readout a telegram is due: {len(times)} times, {readouts} readouts came"


@req("PAY-MBUS-20")
@device_time("20 min")
@needs("meter.simulator")
@in_regression
def test_vif_and_value_follow_the_energy_unit_of_the_meter(uploads, meter, meter_simulator, subtests):
    uploads.set(encoding="M-Bus", message_format="extended")
    for step in STEPS:
        with subtests.test(step=step):
            MeterState(step).show(meter_simulator)
            upload = uploads.ask(still=meter.read())
            headers = [record.header for record in upload.readout.records if record.quantity == "energy"]
            expected = HEADER_OF_STEP[step]
            due = [expected, *(f"84{number}0{expected[2:]}" for number in (1, 2, 3))]
            assert headers == due, f"a meter in {step} has energy and tariffs under {due}, not {headers}"


EXTREMES = [
    # register, value, how its DIB ends on the wire; with the VIF where the value must take a coarser one
    ("forward_temperature", "-10.0", "9CFF"),
    ("return_temperature", "-10.0", "9CFF"),
    ("return_temperature", "100.3", "EB03"),
    ("forward_temperature", "150.9", "E505"),
    ("flow", "0.000", "0000"),
    ("power", "0.0", "0000"),
    ("flow", "-1.234", "2EFB"),
    ("flow", "-32.768", "0080"),
    ("flow", "32.767", "FF7F"),
    ("flow", "41.23", "023C 1B10"),
    ("flow", "400.00", "023D A00F"),
    ("power", "-12.3", "85FF"),
    ("power", "4000.0", "022E A00F"),
    ("power", "70.0", "022D BC02"),
    ("power", "-1.234", "022B 2EFB"),
    ("power", "-12.34", "022C 2EFB"),
    ("power", "-12", "022E F4FF"),
    ("power", "0", "022E 0000"),
    ("flow", "-1.23", "023C 85FF"),
    ("flow", "-12.3", "023D 85FF"),
    ("flow", "-12", "023E F4FF"),
    ("flow", "0.000", "023B 0000"),
    ("forward_temperature", "-10", "025B F6FF"),
    ("return_temperature", "-10", "025F F6FF"),
    ("energy", "0.000", "00000000"),
    ("volume", "0.00", "00000000"),
    ("missing_time", "12336", "36230100"),
    ("energy", "2147483.647", "FFFFFF7F"),
    ("volume", "9999999.99", "FFC99A3B"),
]


TOGETHER = {"forward_temperature": ["return_temperature"], "return_temperature": ["forward_temperature"]}
"""So that only sign and size are looked at, not which is which."""


UNITS = {"forward_temperature": "C", "return_temperature": "C", "flow": "m3/h", "power": "kW", "energy": "MWh",
         "volume": "m3", "missing_time": "h"}


@req("PAY-MBUS-21", "PAY-SENML-37")
@device_time("15 min")
@needs("meter.simulator")
@in_regression
@pytest.mark.parametrize("encoding", [
    pytest.param("M-Bus", marks=req("PAY-MBUS-03", "PAY-MBUS-04", "PAY-MBUS-05", "PAY-MBUS-06", "PAY-MBUS-13")),
    pytest.param("JSON", marks=req("PAY-JSON-04", "PAY-JSON-05", "PAY-JSON-06", "PAY-JSON-07", "PAY-JSON-09",
                                   "PAY-JSON-14", "PAY-JSON-19")),
    pytest.param("SenML/CBOR", marks=req("PAY-SENML-08"))])
def test_negative_and_extreme_values_keep_sign_and_size(uploads, meter, meter_simulator, subtests, encoding):
    uploads.set(encoding=encoding, message_format="extended")
    for register, value, expected in EXTREMES:
        with subtests.test(register, value=value):
            MeterState().show(meter_simulator)
            meter_simulator.hold(**dict.fromkeys((register, *TOGETHER.get(register, ())), value))
            readout = uploads.ask(still=meter.read()).readout
            sent, shown = getattr(readout, register), Quantity(Decimal(value), UNITS[register])
            assert sent is not None and canonical(sent) == canonical(shown), f"{shown} is sent as {sent}"
            if encoding != "JSON":
                raw = dib(readout, register).raw
                if raw[:2] == b"\x3c\x23":
                    expected = "14050000"    # in days
                assert raw.endswith(bytes.fromhex(expected)), f"{value} is sent as {raw.hex(' ')}"


@req("PAY-MBUS-24")
@device_time("20 min")
@needs("meter.optical")
@in_regression
def test_the_values_of_a_telegram_belong_to_one_moment(uploads, bench):
    uploads.set(encoding="M-Bus", message_format="extended")
    for _ in range(12):
        bench.clock.sleep(1.25 * minutes)    # the unit listens for another 93 s after each contact (queue mode)
        upload = uploads.ask()
        upload.check("time", "energy", "volume")


@req("PAY-MBUS-23")
@device_time("10 min")
@needs("meter.simulator")
@in_regression
def test_the_year_is_right_far_from_today(uploads, meter_simulator, meter, bench):
    uploads.set(encoding="M-Bus", message_format="standard", utc_offset=0)
    for year in (2018, 2031, 2063, 2080):
        meter_simulator.set_clock(meter.read().meter_time.replace(year=year, month=6, day=15))
        bench.clock.sleep(2 * minutes)    # a unit that notices reports by itself (7.3.2)
        sent = uploads.ask().readout.stamp
        assert sent.year == year, f"the meter's clock is in {year}, sent is {sent}"


@req("SCH-28")
@device_time("35 min")
@needs("meter.optical", "meter.simulator")
@in_regression
def test_a_removed_meter_gives_no_stale_values(unit, gateway, dm, meter, meter_simulator, bench):
    """Notes G03: what is not read is missing or flagged, never an old value with a new time."""
    unit.make_joined({"message_encoding": "M-Bus", "utc_offset": 0, "readout_interval": 5, "report_interval": 5,
                      "transmit_interval": 5, "transmit_offset": 1, "transmit_delay": 1})
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    dm.expect(MeterInfo.COMMUNICATION_STATUS, 0)
    meter_simulator.disconnect()
    removed, arrived = meter.read().meter_time, gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    assert dm.read(MeterInfo.COMMUNICATION_STATUS) != 0, "the meter is gone, and its status is well"
    bench.clock.sleep(16 * minutes)
    meter_simulator.connect()
    back = meter.read().meter_time.replace(second=0)    # stamps are whole minutes
    bench.clock.sleep(12 * minutes)
    times = [readout.stamp for arrival in gateway.arrivals(since=arrived)
             for readout in arrival.telegram.readouts]
    stale = [time for time in times if removed < time < back]
    assert not stale, f"sent as read at {stale[0]}, when the meter was removed"
    assert any(time >= back for time in times), "no readout after the meter was back"
