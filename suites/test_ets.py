"""The cases of OMA's Enabler Test Specification that are about single operations, named by their ids.

``bench/manual/ets.toml`` lists all cases, and where the manual deviates from OMA: there the test holds the unit to the
manual, and the case's kind is M. Cases about bootstrap, registration, firmware and APN are in the suites of these
topics. A check before certification; the verdict that counts is OMA's.
"""

import pytest

from bench.manual.paths import CellularConnectivity, ConnectivityMonitoring, Device
from fixtures.outcomes import ContentFormat, DmRefused, Event, Path
from fixtures.words import device_time, each_of, ets, in_regression, minutes, of_any_client, profile, req

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
@of_any_client
@each_of("path, expected", "texts")
def test_a_text_is_read_in_plain_text(joined_unit, dm, path, expected):
    text, serial = dm.read(path, ContentFormat.TEXT), dm.read(Device.SERIAL_NUMBER, ContentFormat.TEXT)
    assert text == expected, f"{path} is {text!r}"
    assert serial.upper() == joined_unit.serial.upper(), f"the serial number is {serial!r}"


@req("LWM2M-3.0.0", "LWM2M-3.0.3", "LWM2M-3.0.18")
@ets("int-203", "int-651", "int-652")
@device_time("30 s")
@of_any_client
def test_the_device_is_read_in_tlv(joined_unit, dm, device):
    values = dm.read_all(Device.INSTANCE, ContentFormat.TLV)
    missing = set(device.device) - {path.resource_id for path in values}
    assert not missing, f"resources that the device lacks: {sorted(missing)}"
    assert values[Device.MANUFACTURER] == device.manufacturer, f"the manufacturer is {values[Device.MANUFACTURER]!r}"
    serial = values[Device.SERIAL_NUMBER]
    assert serial.upper() == joined_unit.serial.upper(), f"the serial number is {serial!r}"
    dm.expect(Device.FIRMWARE_VERSION, values[Device.FIRMWARE_VERSION], "read alone, not with its object")


@req("LWM2M-3.0.0", "DM-01")
@device_time("30 s")
@of_any_client
@pytest.mark.parametrize("content_format", JSON_FORMATS)
def test_the_device_reads_alike_in_each_format_that_is_offered(joined_unit, dm, device, content_format):
    if not is_offered(dm, content_format) and (code := refused(dm.read_all, Device.INSTANCE, content_format)):
        dm.expect_refusal(code, NOT_OFFERED, content_format.name)
        pytest.skip(f"the unit does not offer {content_format.name}")
    steady = {Path(3, 0, number) for number in device.steady}
    wanted = {path: value for path, value in dm.read_all(Device.INSTANCE, ContentFormat.TLV).items() if path in steady}
    given = {path: value for path, value in dm.read_all(Device.INSTANCE, content_format).items() if path in steady}
    assert given == wanted, f"in {content_format.name} it is {given}, in TLV {wanted}"


@req("LWM2M-3.0.0", "DM-01")
@ets("int-237")
@device_time("30 s")
@profile("acceptance", "regression", "certification", "client")
def test_the_unit_picks_a_format_when_none_is_asked_for(joined_unit, dm, device):
    dm.expect(Device.MANUFACTURER, device.manufacturer)
    among_others = dm.read_all(Device.INSTANCE)[Device.MANUFACTURER]
    assert among_others == device.manufacturer, f"with its object the manufacturer reads {among_others!r}"


@req("LWM2M-1.1.0", "LWM2M-1.1.1")
@ets("int-222", "int-223", "int-224")
@device_time("30 s")
@of_any_client
def test_object_instance_and_resource_agree(joined_unit, dm, bootstrap):
    account = bootstrap.account
    of_object, of_instance = dm.read_all("/1"), dm.read_all(str(account))
    of_it = {path: value for path, value in of_object.items() if path.instance_id == account.instance_id}
    assert of_it == of_instance, f"in the object {account} is {of_it}, alone it is {of_instance}"
    for number in (0, 1):
        alone = dm.read(str(account / number))
        assert of_instance[account / number] == alone, f"{account / number} is {alone} when it is read alone"


@req("LWM2M-3.0.6.0", "LWM2M-4.0.1.0")
@ets("int-225")
@device_time("30 s")
@of_any_client
@each_of("path", "instances")
def test_an_instance_of_a_resource_is_read(joined_unit, dm, path):
    alone, among = dm.read(f"{path}/0"), dm.read_all(path)[Path.parse(f"{path}/0")]
    assert alone == among, f"{path}/0 is {alone} when it is read alone, else {among}"
    dm.expect_refusal(dm.read_refusal(f"{path}/99"), ("4.04",), f"reading {path}/99")


@req("LWM2M-4.0.0", "LWM2M-4.0.2", "DM-03")
@ets("int-701")
@device_time("30 s")
@in_regression
def test_connectivity_monitoring_has_what_the_manual_lists(joined_unit, bench, dm):
    """OMA has 4/0/4 (IP addresses) mandatory; the manual does not list it."""
    seen = {path.resource_id for path in dm.read_all(ConnectivityMonitoring.INSTANCE)}
    missing = {0, 1, 2, 7, 8, 9, 10} - seen
    assert not missing, f"resources of object 4 that are listed and not there: {sorted(missing)}"
    bench.step(f"4/0/4, mandatory by OMA, is {'there' if 4 in seen else 'missing'}")


@req("LWM2M-10.0.4", "LWM2M-10.0.5", "LWM2M-10.0.9", "LWM2M-10.0.11", "DM-05")
@ets("int-1200", "int-1210")
@device_time("30 s")
@in_regression
def test_the_cellular_object_is_read_only(joined_unit, dm):
    """OMA has the PSM timers writable; by the manual object 10 is read-only."""
    missing = {4, 5, 9, 11} - {path.resource_id for path in dm.read_all(CellularConnectivity.INSTANCE)}
    assert not missing, f"resources of object 10 that are listed and not there: {sorted(missing)}"
    timer = dm.read(CellularConnectivity.PSM_TIMER)
    dm.expect_refusal(dm.refusal(CellularConnectivity.PSM_TIMER, timer + 3600), ("4.05",), "writing 10/0/4")
    dm.expect_refusal(dm.refusal(CellularConnectivity.ACTIVE_TIMER, 60), ("4.05",), "writing 10/0/5")
    dm.expect(CellularConnectivity.PSM_TIMER, timer)


# -- writing; OMA's cases write object 1, which is read-only by the manual, so settings take its place


@req("LWM2M-33906.0.0", "DM-05")
@device_time("1 min")
@of_any_client
@pytest.mark.parametrize("content_format", [
    pytest.param(ContentFormat.TEXT, marks=ets("int-205"), id="plain text"),
    pytest.param(ContentFormat.TLV, marks=ets("int-215", "int-227"), id="TLV"),
    pytest.param(ContentFormat.JSON, marks=ets("int-220"), id="JSON"),
    pytest.param(ContentFormat.CBOR, marks=ets("int-212"), id="CBOR"),
    pytest.param(ContentFormat.SENML_CBOR, marks=ets("int-233"), id="SenML CBOR"),
    pytest.param(ContentFormat.SENML_JSON, marks=ets("int-234"), id="SenML JSON")])
def test_a_resource_is_written_in_each_format_that_is_offered(joined_unit, dm, device, bootstrap, content_format):
    setting, value, lifetime = device.settings[0], device.values[2], str(bootstrap.account / 1)
    before = dm.read(setting)
    assert dm.read(lifetime, ContentFormat.TLV) == dm.read(lifetime), "in TLV it is another lifetime"
    if not device.lifetime_writable:
        dm.expect_refusal(dm.refusal(lifetime, 3600, content_format), ("4.05", *NOT_OFFERED), f"writing {lifetime}")
    code = dm.refusal(setting, value, content_format)
    if code:
        dm.expect_refusal(code, NOT_OFFERED, f"{content_format.name}")
        assert content_format not in (ContentFormat.TEXT, ContentFormat.TLV), "every unit takes this format"
        assert not is_offered(dm, content_format), f"{content_format.name} was offered at the registration"
    now = dm.read(setting)
    assert now == (before if code else value), f"{setting} is {now}, after {value} was {'refused' if code else 'taken'}"
    dm.write(setting, before)


@req("LWM2M-33906.0.0", "LWM2M-33906.0.17", "DM-05")
@ets("int-226")
@device_time("1 min")
@of_any_client
def test_a_partial_write_leaves_the_rest_as_it_was(joined_unit, dm, device):
    one, other = map(Path.parse, device.settings)
    changing = {one, other, *map(Path.parse, device.changing)}
    before = dm.read_all(device.instance)
    dm.write(device.instance, {one.resource_id: device.values[0], other.resource_id: device.values[3]})
    after = dm.read_all(device.instance)
    assert (after[one], after[other]) == (device.values[0], device.values[3]), f"they are {after[one]}, {after[other]}"
    changed = [str(path) for path in before if path not in changing and after.get(path) != before[path]]
    assert not changed, f"changed beside what was written: {', '.join(changed)}"
    assert set(after) == set(before), "resources have come or gone"
    dm.write(device.instance, {one.resource_id: before[one], other.resource_id: before[other]})


@req("LWM2M-4.0.7.0", "DM-05")
@ets("int-228")
@device_time("30 s")
@of_any_client
@each_of("path, value", "read_only")
def test_an_instance_of_a_read_only_resource_is_not_written(joined_unit, dm, path, value):
    """The manual has no multiple resource that can be written."""
    before = dm.read(path)
    dm.expect_refusal(dm.refusal(path, value), ("4.05",), f"writing {path}")
    dm.expect(path, before)


@req("DM-04", "LWM2M-33906.0.0")
@ets("int-256")
@device_time("1 min")
@of_any_client
@each_of("value", "refused")
def test_a_failed_write_is_told_and_changes_nothing(joined_unit, dm, device, value):
    setting = device.settings[0]
    before = dm.read(setting)
    dm.expect_refusal(dm.refusal(setting, value, ContentFormat.TEXT), ("4.00",), f"{value!r} for {setting}")
    dm.expect(setting, before, "a refused write left something behind")


# -- creating, deleting, executing, discovering


@req("DM-03", "LWM2M-3.0.0")
@ets("int-680", "int-685")
@device_time("30 s")
@of_any_client
def test_the_device_can_neither_be_created_nor_deleted(joined_unit, dm, device):
    dm.expect_refusal(refused(dm.create, "/3", {0: "Somebody"}, 1), ("4.05",), "creating a device")
    dm.expect_refusal(refused(dm.delete, Device.INSTANCE), ("4.05",), "deleting the device")
    dm.expect(Device.MANUFACTURER, device.manufacturer, "the device has changed")


@req("LWM2M-3.0.4")
@ets("int-241")
@device_time("30 s")
@of_any_client
def test_the_reboot_can_neither_be_read_nor_written(joined_unit, bench, dm):
    before = bench.clock.time()
    dm.expect_refusal(dm.read_refusal(Device.REBOOT), ("4.05",), "reading 3/0/4")
    dm.expect_refusal(dm.refusal(Device.REBOOT, 1), ("4.05",), "writing 3/0/4")
    bench.clock.sleep(1 * minutes)
    again = [one for one in dm.history(before) if one.event is Event.REGISTERED]
    assert not again, "it registered anew, as after a reboot"


@req("DM-03", "LWM2M-3.0.0")
@ets("int-260")
@device_time("1 min")
@of_any_client
def test_discover_names_what_is_there(joined_unit, dm, device):
    of_object, of_instance = dm.discover("/3"), dm.discover(Device.INSTANCE)
    of_resource = dm.discover(Device.MANUFACTURER)
    assert {"/3", str(Device.INSTANCE)} <= set(of_object), f"object 3 is shown as {of_object}"
    missing = {f"/3/0/{number}" for number in (*device.device, 4)} - set(of_instance)
    assert not missing, f"not shown: {sorted(missing)}"
    assert of_resource[:1] == [str(Device.MANUFACTURER)], f"3/0/0 is shown as {of_resource}"
    strangers = [target for target in of_instance if not target.startswith(str(Device.INSTANCE))]
    assert not strangers, f"a Discover of 3/0 shows {strangers}"


@req("DM-02", "DM-03")
@ets("int-260")
@device_time("30 s")
@of_any_client
@each_of("path", "missing")
def test_discover_of_what_is_not_there_is_told(joined_unit, dm, path):
    dm.expect_refusal(refused(dm.discover, path), ("4.04",), f"discovering {path}")
