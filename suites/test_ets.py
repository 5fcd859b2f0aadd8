"""The cases of OMA's Enabler Test Specification that are about single operations, named by their ids.

``bench/manual/ets.toml`` lists all cases, and where the manual deviates from OMA: there the test holds the unit to the
manual, and the case's kind is M. Cases about bootstrap, registration, firmware and APN are in the suites of these
topics. A check before certification; the verdict that counts is OMA's.
"""

import pytest

from fixtures.outcomes import ContentFormat, DmRefused, Event, Path
from fixtures.words import device_time, ets, everywhere, in_regression, minutes, req

INTERVAL, REPORT = "/33906/0/0", "/33906/0/17"
"""Two resources that a DM server may write: readout and report interval, 5 to 1440 minutes."""
JSON_FORMATS = [pytest.param(ContentFormat.JSON, marks=ets("int-204"), id="JSON"),
                pytest.param(ContentFormat.SENML_JSON, marks=ets("int-231"), id="SenML JSON"),
                pytest.param(ContentFormat.SENML_CBOR, marks=ets("int-232"), id="SenML CBOR")]
NOT_OFFERED = ("4.06", "4.15")


def refused(operation, *arguments):
    """The code of the refusal; "" when there is none."""
    try:
        operation(*arguments)
    except DmRefused as refusal:
        return refusal.code
    return ""


def is_offered(dm, content_format):
    """Whether the unit named the format at its registration."""
    return any(str(int(content_format)) in (link.attributes.get("ct") or "").split()
               for link in dm.registration.objects)


# -- reading


@req("LWM2M-3.0.0", "LWM2M-3.0.1", "LWM2M-3.0.2")
@ets("int-201")
@device_time("30 s")
@in_regression
@pytest.mark.parametrize(("path", "expected"), [("/3/0/0", "Elvaco"), ("/3/0/1", "CMi6110")])
def test_a_text_is_read_in_plain_text(joined_unit, dm, path, expected):
    assert dm.read(path, ContentFormat.TEXT) == expected
    assert dm.read("/3/0/2", ContentFormat.TEXT).upper() == joined_unit.deveui


@req("LWM2M-3.0.0", "LWM2M-3.0.3", "LWM2M-3.0.18")
@ets("int-203", "int-651", "int-652")
@device_time("30 s")
@in_regression
def test_the_device_is_read_in_tlv(joined_unit, dm):
    values = dm.read_all("/3/0", ContentFormat.TLV)
    assert values[Path(3, 0, 0)] == "Elvaco"
    assert values[Path(3, 0, 2)].upper() == joined_unit.deveui
    assert values[Path(3, 0, 3)] == dm.read("/3/0/3")
    assert {path.resource_id for path in values} >= {0, 1, 2, 3, 6, 7, 9, 11, 13, 14, 18}


@req("LWM2M-3.0.0", "DM-01")
@device_time("30 s")
@in_regression
@pytest.mark.parametrize("content_format", JSON_FORMATS)
def test_the_device_reads_alike_in_each_format_that_is_offered(joined_unit, dm, content_format):
    if not is_offered(dm, content_format) and (code := refused(dm.read_all, "/3/0", content_format)):
        dm.expect_refusal(code, NOT_OFFERED, content_format.name)
        pytest.skip(f"the unit does not offer {content_format.name}")
    steady = {Path(3, 0, number) for number in (0, 1, 2, 3, 14, 18)}
    wanted = {path: value for path, value in dm.read_all("/3/0", ContentFormat.TLV).items() if path in steady}
    given = {path: value for path, value in dm.read_all("/3/0", content_format).items() if path in steady}
    assert given == wanted


@req("LWM2M-3.0.0", "DM-01")
@ets("int-237")
@device_time("30 s")
@everywhere
def test_the_unit_picks_a_format_when_none_is_asked_for(joined_unit, dm):
    assert dm.read("/3/0/0") == "Elvaco"
    assert dm.read_all("/3/0")[Path(3, 0, 0)] == "Elvaco"


@req("LWM2M-1.1.0", "LWM2M-1.1.1")
@ets("int-222", "int-223", "int-224")
@device_time("30 s")
@in_regression
def test_object_instance_and_resource_agree(joined_unit, dm):
    of_object, of_instance = dm.read_all("/1"), dm.read_all("/1/1")
    assert {path: value for path, value in of_object.items() if path.instance_id == 1} == of_instance
    assert of_instance[Path(1, 1, 0)] == dm.read("/1/1/0")
    assert of_instance[Path(1, 1, 1)] == dm.read("/1/1/1")


@req("LWM2M-3.0.6.0", "LWM2M-4.0.1.0")
@ets("int-225")
@device_time("30 s")
@in_regression
@pytest.mark.parametrize("path", ["/3/0/6", "/4/0/1", "/4/0/7", "/5/0/8"])
def test_an_instance_of_a_resource_is_read(joined_unit, dm, path):
    assert dm.read(f"{path}/0") == dm.read_all(path)[Path.parse(f"{path}/0")]
    dm.expect_refusal(dm.read_refusal(f"{path}/99"), ("4.04",), f"reading {path}/99")


@req("LWM2M-4.0.0", "LWM2M-4.0.2", "DM-03")
@ets("int-701")
@device_time("30 s")
@in_regression
def test_connectivity_monitoring_has_what_the_manual_lists(joined_unit, bench, dm):
    """OMA has 4/0/4 (IP addresses) mandatory; the manual does not list it."""
    seen = {path.resource_id for path in dm.read_all("/4/0")}
    assert seen >= {0, 1, 2, 7, 8, 9, 10}
    bench.step(f"4/0/4, mandatory by OMA, is {'there' if 4 in seen else 'missing'}")


@req("LWM2M-10.0.4", "LWM2M-10.0.5", "LWM2M-10.0.9", "LWM2M-10.0.11", "DM-05")
@ets("int-1200", "int-1210")
@device_time("30 s")
@in_regression
def test_the_cellular_object_is_read_only(joined_unit, dm):
    """OMA has the PSM timers writable; by the manual object 10 is read-only."""
    assert {path.resource_id for path in dm.read_all("/10/0")} >= {4, 5, 9, 11}
    timer = dm.read("/10/0/4")
    dm.expect_refusal(dm.refusal("/10/0/4", timer + 3600), ("4.05",), "writing 10/0/4")
    dm.expect_refusal(dm.refusal("/10/0/5", 60), ("4.05",), "writing 10/0/5")
    assert dm.read("/10/0/4") == timer, "the PSM timer has changed"


# -- writing; OMA's cases write object 1, which is read-only by the manual, so settings take its place


@req("LWM2M-33906.0.0", "DM-05")
@device_time("1 min")
@in_regression
@pytest.mark.parametrize("content_format", [
    pytest.param(ContentFormat.TEXT, marks=ets("int-205"), id="plain text"),
    pytest.param(ContentFormat.TLV, marks=ets("int-215", "int-227"), id="TLV"),
    pytest.param(ContentFormat.JSON, marks=ets("int-220"), id="JSON"),
    pytest.param(ContentFormat.CBOR, marks=ets("int-212"), id="CBOR"),
    pytest.param(ContentFormat.SENML_CBOR, marks=ets("int-233"), id="SenML CBOR"),
    pytest.param(ContentFormat.SENML_JSON, marks=ets("int-234"), id="SenML JSON")])
def test_a_resource_is_written_in_each_format_that_is_offered(joined_unit, dm, content_format):
    before = dm.read(INTERVAL)
    assert dm.read("/1/1/1", ContentFormat.TLV) == dm.read("/1/1/1")
    dm.expect_refusal(dm.refusal("/1/1/1", 3600, content_format), ("4.05", *NOT_OFFERED), "writing 1/1/1")
    code = dm.refusal(INTERVAL, 45, content_format)
    if code:
        dm.expect_refusal(code, NOT_OFFERED, f"{content_format.name}")
        assert content_format not in (ContentFormat.TEXT, ContentFormat.TLV), "every unit takes this format"
        assert not is_offered(dm, content_format)
    assert dm.read(INTERVAL) == (before if code else 45)
    dm.write(INTERVAL, before)


@req("LWM2M-33906.0.0", "LWM2M-33906.0.17", "DM-05")
@ets("int-226")
@device_time("1 min")
@in_regression
def test_a_partial_write_leaves_the_rest_as_it_was(joined_unit, dm):
    changing = {Path(33906, 0, 16), Path(33906, 0, 14)}
    before = dm.read_all("/33906/0")
    dm.write("/33906/0", {0: 30, 17: 60})
    after = dm.read_all("/33906/0")
    assert (after[Path(33906, 0, 0)], after[Path(33906, 0, 17)]) == (30, 60)
    named = changing | {Path(33906, 0, 0), Path(33906, 0, 17)}
    assert {path: value for path, value in after.items() if path not in named} == {
        path: value for path, value in before.items() if path not in named}
    dm.write("/33906/0", {0: before[Path(33906, 0, 0)], 17: before[Path(33906, 0, 17)]})


@req("LWM2M-4.0.7.0", "DM-05")
@ets("int-228")
@device_time("30 s")
@in_regression
def test_an_instance_of_a_read_only_resource_is_not_written(joined_unit, dm):
    """The manual has no multiple resource that can be written."""
    before = dm.read("/4/0/7/0")
    dm.expect_refusal(dm.refusal("/4/0/7/0", "other.apn"), ("4.05",), "writing 4/0/7/0")
    assert dm.read("/4/0/7/0") == before, "4/0/7/0 has changed"


@req("DM-04", "LWM2M-33906.0.0")
@ets("int-256")
@device_time("1 min")
@in_regression
@pytest.mark.parametrize("value", [0, 1441, -5, "thirty", "", "30.5", "30 ", "0x1E", "30,60", "65566"])
def test_a_failed_write_is_told_and_changes_nothing(joined_unit, dm, value):
    """65566 is 30 in 16 bits."""
    before = dm.read(INTERVAL)
    dm.expect_refusal(dm.refusal(INTERVAL, value, ContentFormat.TEXT), ("4.00",), f"a readout interval of {value!r}")
    assert dm.read(INTERVAL) == before, "a refused write left something behind"


# -- creating, deleting, executing, discovering


@req("DM-03", "LWM2M-3.0.0")
@ets("int-680", "int-685")
@device_time("30 s")
@in_regression
def test_the_device_can_neither_be_created_nor_deleted(joined_unit, dm):
    dm.expect_refusal(refused(dm.create, "/3", {0: "Somebody"}, 1), ("4.05",), "creating a device")
    dm.expect_refusal(refused(dm.delete, "/3/0"), ("4.05",), "deleting the device")
    assert dm.read("/3/0/0") == "Elvaco", "the device has changed"


@req("LWM2M-3.0.4")
@ets("int-241")
@device_time("30 s")
@in_regression
def test_the_reboot_can_neither_be_read_nor_written(joined_unit, bench, dm):
    before = bench.clock.time()
    dm.expect_refusal(dm.read_refusal("/3/0/4"), ("4.05",), "reading 3/0/4")
    dm.expect_refusal(dm.refusal("/3/0/4", 1), ("4.05",), "writing 3/0/4")
    bench.clock.sleep(1 * minutes)
    assert not [one for one in dm.history(before) if one.event is Event.REGISTERED]


@req("DM-03", "LWM2M-3.0.0")
@ets("int-260")
@device_time("1 min")
@in_regression
def test_discover_names_what_is_there(joined_unit, dm):
    of_object, of_instance = dm.discover("/3"), dm.discover("/3/0")
    assert "/3" in of_object
    assert "/3/0" in of_object
    assert {f"/3/0/{number}" for number in (0, 1, 2, 3, 4, 6, 7, 9, 11, 13, 14, 18)} <= set(of_instance)
    assert dm.discover("/3/0/0")[:1] == ["/3/0/0"]
    assert not [target for target in of_instance if not target.startswith("/3/0")]


@req("DM-02", "DM-03")
@ets("int-260")
@device_time("30 s")
@in_regression
@pytest.mark.parametrize("path", ["/9999", "/3/1", "/3/0/99", "/33906/1"])
def test_discover_of_what_is_not_there_is_told(joined_unit, dm, path):
    dm.expect_refusal(refused(dm.discover, path), ("4.04",), f"discovering {path}")
