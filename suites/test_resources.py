"""Each LwM2M resource of the manual's Tables 1 and 2: what may be done with it, and what may not.

The tables are data (``bench/manual/resources.toml``); what a resource does beyond that is in
``test_resource_behaviour.py``. Where OMA defines a resource otherwise, the manual counts, and the step of the test
says what OMA expects.
"""

import pytest

from bench.manual import resources
from bench.manual.paths import (
    ConnectivityMonitoring,
    Device,
    McmConfig,
    MeterData,
    NbIotInfo,
    NbIotStatus,
    Server0,
    TransactionStatistics,
)
from fixtures import resource_values
from fixtures.judging import first_of
from fixtures.outcomes import DmRefused, Path
from fixtures.words import device_time, in_regression, profile, req

SECURITY_OBJECT = 0
COUNTING = {NbIotStatus.UPTIME, NbIotStatus.AVERAGE_CURRENT_CONSUMPTION, NbIotInfo.REGISTRATION_UPTIME,
            TransactionStatistics.TRANSACTIONS, Device.POWER_SOURCE_VOLTAGE}
"""They change by themselves, and may come to what was refused."""
MEASURED = COUNTING | {
    Device.BATTERY_LEVEL, ConnectivityMonitoring.RADIO_SIGNAL_STRENGTH, McmConfig.HISTORIC_RESEND_STATUS,
    MeterData.MESSAGE_DATA, *(Path(33907, 0, number) for number in (2, 3, 4, 5, 10)),
    *(Path(33910, 0, number) for number in range(2, 7))}
"""Two reads of these, one behind the other, need not be equal."""
OWN_TESTS = {Device.CURRENT_TIME}
"""Writing the time needs a clock that nobody else sets: test_resource_behaviour.py."""

TABLES = list(resources.load().values())
OPEN = [one for one in TABLES if one.path[0] != SECURITY_OBJECT and not one.obsolete]
READ_ONLY = [one for one in OPEN if one.readable and not one.writable]
READ_WRITE = [one for one in OPEN if one.readable and one.writable]
WRITE_ONLY = [one for one in OPEN if one.writable and not one.readable]
EXECUTABLE = [one for one in OPEN if one.executable]
OBSOLETE = [one for one in TABLES if one.obsolete]
WRITTEN_TOGETHER = {McmConfig.METER_TRANSMIT_INTERVAL: (18, 19, 20)}
"""A shorter transmit interval moves offset and delay (7.3.3): they are put back with it."""


def refused_values(resource):
    wrong = resource_values.wrong_type(resource)
    return [*resource_values.out_of_range(resource), *([] if wrong is None else [wrong])]


def each(verb, rows, tail=lambda row: ""):
    """A parameter per resource, called "read /3/0/0", with the statement of its row."""
    return pytest.mark.parametrize("resource", [
        pytest.param(row, id=f"{verb} {row.path}{tail(row)}", marks=req(row.requirement)) for row in rows])


def shown(resource):
    return " = " + ", ".join("wrong type" if isinstance(value, bytes) else str(value)
                             for value in refused_values(resource))


def value_of(dm, resource):
    """The value, read as the unit chooses and then in a format that tells types apart; both must be printed ones."""
    path = f"{resource.path}/0" if resource.multiple else str(resource.path)
    value = dm.read(path)
    for accept in (None, dm.typed_format):
        if accept is not None:
            value = dm.read(path, accept)
        wrong = resource.check(value)
        assert not wrong, f"{path} {resource.name}: {wrong}"
    return value


def say_what_oma_says(bench, resource):
    if resource.oma:
        bench.step(f"{resource.path}: the manual prints {resource.operations}; OMA: {resource.oma}")


def expect_not_executable(dm, path):
    """Neither alone nor with an argument."""
    for arguments in ("", "0='1'"):
        dm.expect_refusal(dm.execute_refusal(path, arguments), ("4.05", "4.01"), f"executing {path} with '{arguments}'")


def is_left_out(dm, readings, resource):
    """Whether the resource is of a Server instance for the bootstrap server that the unit has not got (U31): then all
    of it is missing, and it does not register it."""
    if resource.path[:2] != (1, 0):
        return False
    offered = {Path.parse(link.target)[:2] for link in dm.registration.objects if link.target != "/"}
    readings.takes("U31", "readable" if (1, 0) in offered else "4.04")
    return (1, 0) not in offered


def has_composite(dm):
    """Whether the unit has the composite operations of LwM2M 1.1 (test_composite.py says why not)."""
    try:
        return dm.registration.lwm2m_version >= "1.1" and bool(dm.read_composite(Device.MANUFACTURER))
    except DmRefused:
        return False


def composite_refusal(dm, values):
    """The code with which the unit refuses a Write-Composite; "" when it takes it."""
    try:
        dm.write_composite(values)
    except DmRefused as refusal:
        return refusal.code
    return ""


COMPANION, ANOTHER = McmConfig.METER_MAX_RETRY_COUNT, McmConfig.AUTO_UPLOAD_AGE_LIMIT
"""Settings beside which another is written: what they are stays."""


def write_in_company(dm, resource, value):
    """Write ``value`` together with something else that stays what it is, in each way that there is; the ways, one
    after the other."""
    path, other = resource.path, ANOTHER if resource.path == COMPANION else COMPANION
    same_instance = [one.path for one in READ_WRITE if one.path[:2] == path[:2] and one.path != path
                     and one.path not in OWN_TESTS]
    for neighbour in same_instance[-1:]:
        dm.write(Path(*path[:2]), {path[2]: value, neighbour[2]: dm.read(neighbour)})
        yield "by its instance"
    if has_composite(dm):
        dm.write_composite({str(other): dm.read(other), str(path): value})
        yield "by Write-Composite"


@each("read", READ_ONLY)
@device_time("1 min")
@in_regression
def test_a_resource_is_readable_only(joined_unit, dm, bench, readings, resource):
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    if is_left_out(dm, readings, resource):
        dm.expect_refusal(dm.read_refusal(path), ("4.04",), f"reading {path}")
        return
    value = value_of(dm, resource)
    for written in resource_values.refused_everywhere(resource, value):
        code = dm.refusal(path, written)
        what = f"writing {'what it is' if written == value else repr(written)} to {path}"
        dm.expect_refusal(code, ("4.05",), what)
        after = first_of(dm.read_all(path).values(), f"a value of {path}")
        assert after != written or written == value or resource.path in COUNTING, f"{path} reads as was refused"
    instance = str(Path(*resource.path[:2]))
    refused = first_of(resource_values.refused_everywhere(resource, value), "a value")
    dm.expect_refusal(dm.refusal(instance, {resource.path[2]: refused}), ("4.05",), f"writing {path} by its instance")
    if has_composite(dm):
        dm.expect_refusal(composite_refusal(dm, {path: refused}), ("4.05",), f"writing {path} by Write-Composite")
    at = resource.path / 0 if resource.multiple else resource.path
    among_others = dm.read_all(instance).get(at)
    assert among_others is not None and not resource.check(among_others), f"{at} reads {among_others!r} with {instance}"
    same = among_others == value or resource.path in MEASURED
    assert same, f"{at} is {value!r}, and {among_others!r} with {instance}"
    expect_not_executable(dm, path)


@each("write", [one for one in READ_WRITE if one.path not in OWN_TESTS])
@req("DM-05", "DM-08")
@device_time("1 min")
@in_regression
def test_a_resource_is_readable_and_writable(joined_unit, dm, bench, readings, resource):
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    before = value_of(dm, resource)
    expect_not_executable(dm, path)
    kept = {number: dm.read(f"/33906/0/{number}") for number in WRITTEN_TOGETHER.get(resource.path, ())}
    try:
        for value in resource_values.allowed(resource, before):
            # Printed is 1.., and the unit itself sets it to 0 (C19).
            if resource.path == McmConfig.METER_TRANSMIT_OFFSET and value == 0:
                code = dm.refusal(path, value)
                readings.takes("C19", "0 refused" if code else "0 taken")
                continue
            dm.write(path, value)
            assert value_of(dm, resource) == value, f"{path} does not read as written"
        for together in () if kept else (before, resource_values.different(resource, before)):
            if together is not None:
                for way in write_in_company(dm, resource, together):
                    assert value_of(dm, resource) == together, f"{path} does not read as written {way}"
        assert dm.read(McmConfig.CONFIG_WRITE_STATUS) is True, "the unit says that it did not store what it took"
    finally:
        dm.write(McmConfig.INSTANCE if kept else path, kept or before)


@each("refuse", [one for one in READ_WRITE if refused_values(one)], shown)
@req("DM-04")
@device_time("1 min")
@in_regression
def test_a_value_that_is_not_printed_is_refused(joined_unit, dm, bench, resource):
    path = str(resource.path)
    before = dm.read(path)
    for value in refused_values(resource):
        code = dm.refusal(path, value)
        if not code:
            dm.write(path, before)
        what = "a value of a wrong type" if isinstance(value, bytes) else repr(value)
        dm.expect_refusal(code, ("4.00", "4.06"), f"{path} = {what}")
        if resource.path not in OWN_TESTS:
            dm.expect(path, before, f"{path} has changed though the write was refused")
    for value in resource_values.of_another_type(resource) if has_composite(dm) else ():
        code = composite_refusal(dm, {path: value})
        if not code:
            dm.write(path, before)
        dm.expect_refusal(code, ("4.00",), f"{path} = {value!r} by Write-Composite")
        assert dm.read(path) == before, f"{path} has changed though the Write-Composite was refused"


@each("write-only", WRITE_ONLY)
@device_time("30 s")
@in_regression
def test_a_resource_is_writable_only(joined_unit, dm, bench, resource):
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    dm.expect_refusal(dm.read_refusal(path), ("4.05", "4.01"), f"reading {path}")
    assert resource.path not in dm.read_all(str(Path(*resource.path[:2]))), f"{path} is disclosed with its object"
    expect_not_executable(dm, path)
    wrong = resource_values.wrong_type(resource)
    if wrong is not None:
        dm.expect_refusal(dm.refusal(path, wrong), ("4.00", "4.06"), f"a wrong type to {path}")


@each("execute-only", EXECUTABLE)
@device_time("30 s")
@in_regression
def test_a_resource_is_executable_only(joined_unit, dm, bench, readings, resource):
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    if is_left_out(dm, readings, resource):
        return
    dm.expect_refusal(dm.read_refusal(path), ("4.05",), f"reading {path}")
    dm.expect_refusal(dm.refusal(path, "1"), ("4.05",), f"writing {path}")
    below = dm.discover(str(Path(*resource.path[:2])))
    assert path in below, f"{path} is not offered"


@each("obsolete", OBSOLETE)
@device_time("1 min")
@in_regression
def test_an_obsolete_resource_is_absent_or_keeps_its_place(joined_unit, dm, bench, resource):
    """Absent, or an integer; whether it takes a value is put down. That it has no effect is in
    test_resource_behaviour.py."""
    path = str(resource.path)
    code = dm.read_refusal(path)
    if code:
        dm.expect_refusal(code, ("4.04", "4.05"), f"reading {path}")
        dm.expect_refusal(dm.refusal(path, 7), ("4.04", "4.05"), f"writing {path}, which can't be read,")
        return
    before = value_of(dm, resource)
    taken = not dm.refusal(path, before + 1)
    after = dm.read(path)
    bench.step(f"{path} {'takes' if taken else 'refuses'} a value and then reads {after}")
    assert after in ((before, before + 1) if taken else (before,)), f"{path} reads {after}"
    if taken:
        dm.write(path, before)
    expect_not_executable(dm, path)


@each("closed", [one for one in TABLES if one.path[0] == SECURITY_OBJECT])
@device_time("30 s")
@in_regression
def test_the_security_object_is_closed_to_a_dm_server_or_shows_all_but_the_keys(joined_unit, dm, bench, readings,
                                                                               resource):
    """R is printed without saying for whom: a value or a refusal is accepted (U07), a key never."""
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    code = dm.read_refusal(path)
    if resource.readable:
        readings.takes("U07", "refused" if code else "readable but for the keys")
        if code:
            dm.expect_refusal(code, ("4.01",), f"reading {path}")
        else:
            value_of(dm, resource)
    else:
        dm.expect_refusal(code, ("4.01",), f"reading the key {path}")
    for value in (1, 3, "coap:", bytes(16)):    # too short to be taken for a key
        dm.expect_refusal(dm.refusal(path, value), ("4.01", "4.05"), f"writing {path}")
    fitting: dict[str, str | bytes] = {"String": "coap://10.45.0.9:5683", "Opaque": bytes(16)}
    mine = fitting.get(resource.type.value, 3)
    codes = [dm.refusal(Path(*resource.path[:2]), {resource.path[2]: mine})]
    if has_composite(dm):
        codes.append(composite_refusal(dm, {path: mine}))
    for code in codes:
        dm.expect_refusal(code, ("4.01", "4.04", "4.05"), f"writing {path} with its instance or by Write-Composite")
    expect_not_executable(dm, path)


# -- objects as a whole


ON_THE_LINE = (1, 33906, 33907, 33908, 33909)
"""Objects with statements for the acceptance profile; 3 and 4 are in test_device_management.py."""


def statements_of(number):
    """Those of what can be read; what can be written or executed is seen in regression."""
    return dict.fromkeys(one.requirement for one in READ_ONLY + READ_WRITE if one.path[0] == number)


@pytest.mark.parametrize("number", [
    pytest.param(number, id=f"read /{number}", marks=req("DM-01", *statements_of(number))) for number in ON_THE_LINE])
@device_time("30 s")
@profile("acceptance")
def test_an_object_reads_as_printed(joined_unit, dm, readings, number):
    """All of an object in one answer per instance, for the line; regression looks at each resource by itself."""
    rows = [one for one in READ_ONLY + READ_WRITE if one.path[0] == number]
    left_out = {Server0.INSTANCE} if is_left_out(dm, readings, first_of(rows, "a row")) else set()
    for instance in sorted({Path(*one.path[:2]) for one in rows} - left_out):
        values = dm.read_all(str(instance))
        for one in rows:
            if one.path.is_under(instance):
                path = one.path / 0 if one.multiple else one.path
                assert path in values, f"{path} {one.name} is missing"
                assert not one.check(values[path]), f"{path} {one.name}: {one.check(values[path])}"


NOT_LISTED = [
    *(Path(33906, 0, number) for number in (7, 8, 9, 11, 12, 55, 100)),
    *(Path(33905, 0, number) for number in (3, 4, 6, 7, 8, 9)),
    *(Path(33907, 0, number) for number in (6, 7, 8, 9, 12)), Path(33908, 0, 4), Path(33909, 0, 9), Path(33910, 0, 7),
    Path(33911, 0, 3), Path(3, 0, 99), Path(4, 0, 99), Path(5, 0, 99), Path(10, 0, 99),
]


STATISTICS = 33910
AS_PRINTED = {(10, 1)}
"""Where chapter 6.4 has the APN; Table 1 has it in object 11 (C03)."""
MANDATORY_BY_OMA = {(1, 6), (1, 7), (1, 8), (3, 16), (4, 4), (5, 0)}
"""Object and resource: OMA wants them, the manual does not list them."""


@req("DM-02")
@device_time("2 min")
@in_regression
def test_what_is_not_listed_is_not_there(joined_unit, dm, subtests):
    for path in NOT_LISTED:
        with subtests.test(str(path)):
            dm.expect_refusal(dm.read_refusal(str(path)), ("4.04",), f"reading {path}")
            dm.expect_refusal(dm.refusal(str(path), 1), ("4.04", "4.05"), f"writing {path}")
            dm.expect_refusal(dm.execute_refusal(str(path)), ("4.04", "4.05"), f"executing {path}")


@req("DM-03")
@device_time("2 min")
@in_regression
def test_only_the_listed_objects_and_instances_are_offered(joined_unit, dm, bench):
    """What OMA makes mandatory and the manual does not list is put down; anything else should not be there."""
    offered = {Path.parse(link.target)[:2] for link in dm.registration.objects if link.target != "/"}
    listed = {one.path[:2] for one in TABLES} | AS_PRINTED
    strange = {pair for pair in offered - listed if pair[0] != STATISTICS}    # "." is any instance there (G10)
    assert not strange, f"not in the manual: {sorted(strange)}"
    missing = {pair for pair in listed - offered - AS_PRINTED if pair[0] != SECURITY_OBJECT}
    assert missing <= {(1, 0)}, f"not registered: {sorted(missing)}"
    for number in sorted({pair[0] for pair in offered}):
        for target in dm.discover(f"/{number}"):
            path = Path.parse(target)
            known = Path(path[0], 0, path[2]) if len(path) == 3 and path[0] == STATISTICS else path
            if len(path) == 3 and resources.find(known) is None and path[:2] not in AS_PRINTED:
                bench.step(f"{path} is offered and not in the manual")
                assert (path[0], path[2]) in MANDATORY_BY_OMA, f"{path} is offered and in no document"
    for stranger in ("/2", "/6", "/7", "/3/1", "/33912"):
        dm.expect_refusal(dm.read_refusal(stranger), ("4.04",), f"reading {stranger}")
