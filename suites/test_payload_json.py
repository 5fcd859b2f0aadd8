"""JSON telegrams, key by key of Table 7, held against the meter; manual 7.4.2.2."""

import json
from decimal import Decimal

import pytest

from fixtures.meter_states import MeterState, some_states
from fixtures.words import device_time, in_regression, minutes, needs, req

STANDARD_KEYS = {"TS", "ID", "E", "U", "V", "VU", "P", "PU", "F", "FU", "FT", "TU", "RT", "RU", "EF"}
TEXTS = {"TS", "U", "VU", "PU", "FU", "TU", "RU", "EF", "U1", "U2", "U3", "MU"}
ENERGY_UNITS = {"kWh", "MWh", "MJ", "GJ"}
FIELDS = {
    # field: requirement, key, key of its unit, units
    "meter_id": ("PAY-JSON-02", "ID", None, None),
    "time": ("PAY-JSON-03", "TS", None, None),
    "energy": ("PAY-JSON-04", "E", "U", ENERGY_UNITS),
    "volume": ("PAY-JSON-05", "V", "VU", {"m3"}),
    "power": ("PAY-JSON-06", "P", "PU", {"W", "kW"}),
    "flow": ("PAY-JSON-07", "F", "FU", {"l/h", "m3/h"}),
    "forward_temperature": ("PAY-JSON-08", "FT", "TU", {"C"}),
    "return_temperature": ("PAY-JSON-09", "RT", "RU", {"C"}),
    "error_flags": ("PAY-JSON-10", "EF", None, None),
    "tariff 1": ("PAY-JSON-11", "T1", "U1", ENERGY_UNITS),
    "tariff 2": ("PAY-JSON-12", "T2", "U2", ENERGY_UNITS),
    "tariff 3": ("PAY-JSON-13", "T3", "U3", ENERGY_UNITS),
    "missing_time": ("PAY-JSON-14", "MT", "MU", {"h", "hours", "d", "days"}),
}
STANDARD = list(FIELDS)[:9]
EACH_FIELD = [pytest.param(field, id=field.replace("_", "-").replace(" ", "-"), marks=req(row[0]))
              for field, row in FIELDS.items()]


def pairs_of(payload):
    """The keys and values of the object, duplicates kept; numbers exactly as sent."""
    try:
        found = json.loads(payload, object_pairs_hook=list, parse_float=Decimal, parse_int=Decimal)
    except ValueError as error:
        raise AssertionError(f"no JSON: {error} in {payload!r}") from error
    assert isinstance(found, list) and all(isinstance(pair, tuple) for pair in found), "not one object"
    return found


def field_is_well_formed(payload, field):
    """Key and unit are there once each, with the type and one of the units of Table 7.

    A second U2 is taken for U3, as the manual prints it (notes C07); that keys repeat, PAY-JSON-01 says.
    """
    _, key, unit_key, units = FIELDS[field]
    pairs = pairs_of(payload)
    names = [name for name, _ in pairs]
    if names.count("U2") == 2 and "U3" not in names:
        second = len(names) - 1 - names[::-1].index("U2")
        pairs[second] = ("U3", pairs[second][1])
    for name in filter(None, (key, unit_key)):
        values = [value for known, value in pairs if known == name]
        assert len(values) == 1, f"key {name} is there {len(values)} times in {payload.decode()}"
    content = dict(pairs)
    assert isinstance(content[key], str if key in TEXTS else Decimal), f"{key} is {content[key]!r}"
    assert unit_key is None or content[unit_key] in units, f"{unit_key} is {content[unit_key]!r}"


@device_time("2 min")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize("field", EACH_FIELD[:9])
def test_a_key_of_a_standard_telegram_says_what_the_meter_says(uploads, field):
    uploads.set(encoding="JSON", message_format="standard")
    upload = uploads.ask()
    field_is_well_formed(upload.payload, field)
    upload.check(field)


@device_time("15 min")
@needs("meter.optical", "meter.simulator")
@in_regression
@pytest.mark.parametrize("field", EACH_FIELD)
def test_a_key_is_right_in_every_state_of_the_meter(uploads, meter, meter_simulator, subtests, field):
    for number, (state, offset) in enumerate(some_states()):
        state.show(meter_simulator)
        still = None if field == "time" else meter.read()
        message_format = "extended" if field not in STANDARD or number % 2 else "standard"
        uploads.set(encoding="JSON", message_format=message_format, utc_offset=offset)
        with subtests.test(field, step=state.step, utc_offset=offset, message_format=message_format,
                           error_flags=hex(state.error_flags), reversed=state.reversed_flow, tariffs=state.tariffs):
            upload = uploads.ask(still=still)
            field_is_well_formed(upload.payload, field)
            if field.startswith("tariff"):
                upload.check_tariff(int(field[-1]), still)
            else:
                upload.check(field, error_flags=state.error_flags)


@req("PAY-JSON-01")
@device_time("2 min")
@in_regression
@pytest.mark.parametrize("message_format", ["standard", "extended"])
def test_the_payload_is_one_object_without_duplicate_keys(uploads, readings, message_format):
    """But for the U2 that the manual prints twice (C07)."""
    uploads.set(encoding="JSON", message_format=message_format)
    payload = uploads.arrival().payload
    keys = [key for key, _ in pairs_of(payload.decode("utf-8"))]
    if message_format == "extended":
        as_printed = keys.count("U2") == 2 and "U3" not in keys
        readings.takes("C07", "U2 twice" if as_printed else "U3")
        if as_printed:
            keys.remove("U2")
    twice = sorted({key for key in keys if keys.count(key) > 1})
    assert not twice, f"{', '.join(twice)} is there more than once in {payload.decode()}"


@req("PAY-JSON-15")
@device_time("2 min")
@in_regression
@pytest.mark.parametrize("message_format", ["standard", "extended"])
def test_values_are_numbers_or_strings_and_units_are_strings(uploads, message_format):
    uploads.set(encoding="JSON", message_format=message_format)
    wrong = {key: value for key, value in pairs_of(uploads.arrival().payload)
             if not isinstance(value, str if key in TEXTS else (str, Decimal))}
    assert not wrong, f"keys whose values are neither a number nor a text, or no text where one is due: {wrong}"


@req("PAY-JSON-16")
@device_time("2 min")
@in_regression
def test_a_standard_telegram_has_exactly_the_keys_of_the_example(uploads):
    uploads.set(encoding="JSON", message_format="standard")
    keys = {key for key, _ in pairs_of(uploads.arrival().payload)}
    assert keys == STANDARD_KEYS, f"missing are {sorted(STANDARD_KEYS - keys)}, too many {sorted(keys - STANDARD_KEYS)}"


@req("PAY-JSON-18")
@device_time("50 min")
@in_regression
def test_each_json_telegram_carries_one_readout(unit, gateway, bench):
    unit.make_joined({"message_encoding": "JSON", "readout_interval": 5, "report_interval": 5,
                      "transmit_interval": 15, "transmit_offset": 1, "transmit_delay": 1})
    arrived = gateway.count
    bench.clock.sleep(47 * minutes)
    arrivals = gateway.arrivals(since=arrived)
    assert len(arrivals) >= 5, "two transmissions with three readouts each were due"
    for arrival in arrivals:
        stamps, readouts = [key for key, _ in pairs_of(arrival.payload)].count("TS"), len(arrival.telegram.readouts)
        assert stamps == readouts == 1, f"one readout a telegram is due: {stamps} times and {readouts} readouts came"


@req("PAY-JSON-19")
@device_time("10 min")
@needs("meter.simulator")
@in_regression
def test_numbers_have_all_digits_of_the_meter(uploads, meter_simulator, subtests):
    uploads.set(encoding="JSON", message_format="standard")
    for step, energy in (("0.001 MWh", "12345.678"), ("0.01 GJ", "98765.43"), ("kWh", "1234567")):
        with subtests.test(step=step):
            MeterState(step).show(meter_simulator)
            meter_simulator.hold(energy=energy)
            content = dict(pairs_of(uploads.arrival().payload))
            for key, shown in (("E", energy), ("V", "3456.78"), ("FT", "80.3"), ("RT", "53.8")):
                sent = content[key]
                assert sent.same_quantum(Decimal(shown)), f"{key} is {sent}, the meter shows {shown}"
            for key, unit, usual, big, small in (("P", "PU", "kW", "12.3", "12300"),
                                                 ("F", "FU", "m3/h", "1.234", "1234")):
                shown = big if content[unit] == usual else small
                assert content[key].same_quantum(Decimal(shown)), f"{key} is {content[key]}, the meter shows {shown}"
