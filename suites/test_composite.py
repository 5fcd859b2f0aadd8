"""The composite operations of LwM2M 1.1: several resources in one request, and all or none of a write.

The manual names LwM2M 1.1 (chapter 10) but not its operations. A unit that registers with an older version, or that
refuses them as a method which it has not got, is left alone with the reason; one that has them must have them right.
"""

import pytest

from bench.manual.paths import Device, McmConfig, Security0, Security1
from fixtures.outcomes import ContentFormat, DmRefused, Path
from fixtures.words import device_time, each_of, ets, in_regression, of_any_client, req, s

FORMATS = [pytest.param(ContentFormat.SENML_CBOR, id="SenML CBOR"),
           pytest.param(ContentFormat.SENML_JSON, id="SenML JSON")]


@pytest.fixture
def composite(joined_unit, dm):
    """The DM server, of a unit that has composite operations."""
    version = dm.registration.lwm2m_version
    if version < "1.1":
        pytest.skip(f"the unit registers with LwM2M {version}")
    try:
        dm.read_composite(Device.MANUFACTURER)
    except DmRefused as refusal:
        if refusal.code.startswith("4.") or refusal.code == "5.01":
            pytest.skip(f"the unit has no Read-Composite: {refusal.code}")
        raise
    return dm


@req("DM-01", "LWM2M-3.0.0", "LWM2M-33906.0.0")
@ets("int-229", "int-280")
@device_time("30 s")
@of_any_client
@pytest.mark.parametrize("content_format", FORMATS)
def test_resources_of_several_objects_are_read_at_once(composite, device, content_format):
    setting = device.settings[0]
    values = composite.read_composite(Device.MANUFACTURER, setting, content_format=content_format)
    alone = {Device.MANUFACTURER: device.manufacturer, Path.parse(setting): composite.read(setting)}
    assert values == alone, f"together they are {values}, one by one {alone}"


@req("DM-01", "LWM2M-1.1.0", "LWM2M-1.1.1")
@ets("int-229")
@device_time("30 s")
@of_any_client
def test_an_instance_is_read_with_a_resource_of_another(composite, device, bootstrap):
    account = str(bootstrap.account)
    values = composite.read_composite(account, Device.MANUFACTURER)
    alone = {**composite.read_all(account), Device.MANUFACTURER: device.manufacturer}
    assert values == alone, f"together they are {values}, one by one {alone}"


@req("DM-01", "LWM2M-33905.0.5", "LWM2M-0.0.4", "LWM2M-0.1.4", "SEC-12")
@ets("int-235")
@device_time("30 s")
@of_any_client
def test_the_root_is_read_without_the_keys(composite, device):
    values = composite.read_composite("/")
    known = {1, 3, 4, 5, Path.parse(device.instance).object_id} & {*device.objects}
    missing = known - {path[0] for path in values}
    assert not missing, f"objects that the root lacks: {sorted(missing)}"
    for asked in ("/0", Security0.SECRET_KEY, "/0/0/5", Security1.SECRET_KEY, "/0/1/5", *device.secret):
        try:
            values |= composite.read_composite(asked)
        except DmRefused:
            continue
    keys = [path for path in values if path[0] == 0 and path[2] in (4, 5)]
    assert not keys, f"keys that can be read: {keys}"
    readable = [path for path in device.secret if values.get(Path.parse(path))]
    assert not readable, f"keys that can be read: {readable}"


@req("DM-02", "DM-03")
@ets("int-236", "int-281")
@device_time("30 s")
@of_any_client
def test_what_is_not_there_is_left_out(composite, device):
    values = composite.read_composite(Device.MANUFACTURER, "/3/0/99", "/9999/0/0")
    assert values == {Device.MANUFACTURER: device.manufacturer}, f"read were {values}"


@req("DM-01", "DM-04")
@device_time("30 s")
@of_any_client
@pytest.mark.parametrize("content_format", FORMATS)
def test_a_request_that_does_not_say_its_format_is_refused_or_understood(composite, device, content_format):
    """RFC 7252 leaves it to the unit to guess; a guess that is wrong may not be an answer."""
    try:
        values = composite.read_composite(Device.MANUFACTURER, content_format=content_format, unsaid=True)
    except DmRefused as refusal:
        composite.expect_refusal(refusal.code, ("4.00", "4.15"), "a Read-Composite without a format")
    else:
        assert values == {Device.MANUFACTURER: device.manufacturer}, f"what was read without a format is {values}"
    assert composite.answers(60 * s), "the unit does not answer any more"


@req("DM-05", "LWM2M-33906.0.0", "LWM2M-33906.0.17")
@ets("int-230")
@device_time("30 s")
@of_any_client
@pytest.mark.parametrize("content_format", FORMATS)
def test_several_resources_are_written_at_once(composite, device, content_format):
    before = {path: composite.read(path) for path in device.settings}
    wanted = dict(zip(device.settings, device.values[:2], strict=True))
    composite.write_composite(wanted, content_format)
    now = {path: composite.read(path) for path in device.settings}
    assert now == wanted, f"after the write they are {now}"
    composite.write_composite(before)


MANY = {0: 30, 17: 60, 21: 7, 22: 61, 23: 91, 24: 93, 25: 3, 30: 61, 31: 2, 32: 61, 33: 91, 34: 2, 35: 3601, 36: 3,
        37: 86401, 38: 21601, 39: 21601, 43: 254, 44: 10081, 45: 0, 47: 4, 54: 0}
"""Of object 33906: more than is usually written at once."""


@req("DM-05", *(f"LWM2M-33906.0.{number}" for number in MANY))
@device_time("2 min")
@in_regression
def test_many_settings_are_written_at_once(joined_unit, dm):
    """All of them, or none where that is more than the unit takes, which it then says."""
    before = {number: dm.read(f"/33906/0/{number}") for number in MANY}
    for wanted in (MANY, before):
        code = dm.refusal(McmConfig.INSTANCE, wanted)
        now = {number: dm.read(f"/33906/0/{number}") for number in MANY}
        other = {number: value for number, value in now.items() if value != (before if code else wanted)[number]}
        assert not other, f"after a write of {len(MANY)} settings that was {code or 'taken'} others are {other}"


@req("DM-04", "DM-05", "LWM2M-33906.0.0")
@ets("int-257")
@device_time("30 s")
@of_any_client
@each_of("name, path, value", "wrong")
def test_of_a_composite_write_with_one_wrong_value_nothing_is_taken(composite, device, name, path, value):
    setting = device.settings[0]
    before = composite.read(setting)
    for changes in ({setting: device.values[2], path: value}, {path: value, setting: device.values[2]}):
        with pytest.raises(DmRefused) as refusal:
            composite.write_composite(changes)
        composite.expect_refusal(refusal.value.code, ("4.00", "4.04", "4.05"), f"a write of what is {name}")
        assert composite.read(setting) == before, "of a refused write something was taken"


@req("DM-10", "LWM2M-33906.0.0", "LWM2M-33906.0.17")
@ets("int-304", "int-305", "int-310")
@device_time("1 min")
@of_any_client
def test_several_resources_are_observed_at_once_until_that_is_cancelled(composite, bench, device):
    setting, other = device.settings
    before = composite.read(setting)
    try:
        watched = composite.observe_composite(setting, other)
    except DmRefused as refusal:
        pytest.skip(f"the unit has no Observe-Composite: {refusal.code}")
    composite.write(setting, device.values[0])
    bench.expect(lambda: watched.notifications, 30 * s, "a notification of the changed interval")
    told = watched.notifications[-1].values
    now = {Path.parse(setting): device.values[0], Path.parse(other): composite.read(other)}
    assert told == now, f"told {told}, and they are {now}"
    watched.cancel()
    count = len(watched.notifications)
    composite.write(setting, before)
    composite.stay_in_touch(20 * s)
    assert len(watched.notifications) == count, "a notification after the end of the observation"
