"""The composite operations of LwM2M 1.1: several resources in one request, and all or none of a write.

The manual names LwM2M 1.1 (chapter 10) but not its operations. A unit that registers with an older version, or that
refuses them as a method which it has not got, is left alone with the reason; one that has them must have them right.
"""

import pytest

from fixtures.outcomes import ContentFormat, DmRefused, Path
from fixtures.words import device_time, ets, in_regression, req, s

INTERVAL, REPORT = "/33906/0/0", "/33906/0/17"
"""Readout and report interval: two resources that a DM server may write."""
FORMATS = [pytest.param(ContentFormat.SENML_CBOR, id="SenML CBOR"),
           pytest.param(ContentFormat.SENML_JSON, id="SenML JSON")]


@pytest.fixture
def composite(joined_unit, dm):
    """The DM server, of a unit that has composite operations."""
    version = dm.registration.lwm2m_version
    if version < "1.1":
        pytest.skip(f"the unit registers with LwM2M {version}")
    try:
        dm.read_composite("/3/0/0")
    except DmRefused as refusal:
        if refusal.code.startswith("4.") or refusal.code == "5.01":
            pytest.skip(f"the unit has no Read-Composite: {refusal.code}")
        raise
    return dm


@req("DM-01", "LWM2M-3.0.0", "LWM2M-33906.0.0")
@ets("int-229", "int-280")
@device_time("30 s")
@in_regression
@pytest.mark.parametrize("content_format", FORMATS)
def test_resources_of_several_objects_are_read_at_once(composite, content_format):
    assert composite.read_composite("/3/0/0", INTERVAL, content_format=content_format) == {
        Path(3, 0, 0): "Elvaco", Path.parse(INTERVAL): composite.read(INTERVAL)}


@req("DM-01", "LWM2M-1.1.0", "LWM2M-1.1.1")
@ets("int-229")
@device_time("30 s")
@in_regression
def test_an_instance_is_read_with_a_resource_of_another(composite):
    values = composite.read_composite("/1/1", "/3/0/0")
    assert values == {**composite.read_all("/1/1"), Path(3, 0, 0): "Elvaco"}


@req("DM-01", "LWM2M-33905.0.5")
@ets("int-235")
@device_time("30 s")
@in_regression
def test_the_root_is_read_without_the_keys(composite):
    values = composite.read_composite("/")
    missing = {1, 3, 4, 5, 33906} - {path[0] for path in values}
    assert not missing, f"objects that the root lacks: {sorted(missing)}"
    keys = [path for path in values if path[0] == 0 and path[2] in (4, 5)]
    assert not keys, f"the root has keys: {keys}"
    assert not values.get(Path(33905, 0, 5)), "the key of the meter data server can be read"


@req("DM-02", "DM-03")
@ets("int-236", "int-281")
@device_time("30 s")
@in_regression
def test_what_is_not_there_is_left_out(composite):
    assert composite.read_composite("/3/0/0", "/3/0/99", "/9999/0/0") == {Path(3, 0, 0): "Elvaco"}


@req("DM-01", "DM-04")
@device_time("30 s")
@in_regression
@pytest.mark.parametrize("content_format", FORMATS)
def test_a_request_that_does_not_say_its_format_is_refused_or_understood(composite, content_format):
    """RFC 7252 leaves it to the unit to guess; a guess that is wrong may not be an answer."""
    try:
        values = composite.read_composite("/3/0/0", content_format=content_format, unsaid=True)
    except DmRefused as refusal:
        composite.expect_refusal(refusal.code, ("4.00", "4.15"), "a Read-Composite without a format")
    else:
        assert values == {Path(3, 0, 0): "Elvaco"}, f"what was read without a format is {values}"
    assert composite.answers(60 * s), "the unit does not answer any more"


@req("DM-05", "LWM2M-33906.0.0", "LWM2M-33906.0.17")
@ets("int-230")
@device_time("30 s")
@in_regression
@pytest.mark.parametrize("content_format", FORMATS)
def test_several_resources_are_written_at_once(composite, content_format):
    before = composite.read(INTERVAL), composite.read(REPORT)
    composite.write_composite({INTERVAL: 30, REPORT: 120}, content_format)
    assert (composite.read(INTERVAL), composite.read(REPORT)) == (30, 120)
    composite.write_composite(dict(zip((INTERVAL, REPORT), before, strict=True)))


@req("DM-04", "DM-05", "LWM2M-33906.0.0")
@ets("int-257")
@device_time("30 s")
@in_regression
@pytest.mark.parametrize("wrong", [
    {REPORT: 1441}, {"/3/0/0": "Somebody"}, {"/9999/0/0": 1}, {"/33905/0/10": 2}, {"/11/1/2": 3}, {"/33906/0/99": 1}],
    ids=["out of range", "read-only", "not there", "in another object", "of another type", "not there either"])
def test_of_a_composite_write_with_one_wrong_value_nothing_is_taken(composite, wrong):
    before = composite.read(INTERVAL)
    for changes in ({INTERVAL: 45, **wrong}, {**wrong, INTERVAL: 45}):
        with pytest.raises(DmRefused) as refusal:
            composite.write_composite(changes)
        composite.expect_refusal(refusal.value.code, ("4.00", "4.04", "4.05"), f"a write of {', '.join(changes)}")
        assert composite.read(INTERVAL) == before, "of a refused write something was taken"


@req("DM-10", "LWM2M-33906.0.0", "LWM2M-33906.0.17")
@ets("int-304", "int-305", "int-310")
@device_time("1 min")
@in_regression
def test_several_resources_are_observed_at_once_until_that_is_cancelled(composite, bench):
    before = composite.read(INTERVAL)
    try:
        watched = composite.observe_composite(INTERVAL, REPORT)
    except DmRefused as refusal:
        pytest.skip(f"the unit has no Observe-Composite: {refusal.code}")
    composite.write(INTERVAL, 30)
    bench.expect(lambda: watched.notifications, 30 * s, "a notification of the changed interval")
    told = watched.notifications[-1].values
    assert told == {Path.parse(INTERVAL): 30, Path.parse(REPORT): composite.read(REPORT)}
    watched.cancel()
    count = len(watched.notifications)
    composite.write(INTERVAL, before)
    composite.stay_in_touch(20 * s)
    assert len(watched.notifications) == count, "a notification after the end of the observation"
