"""Each LwM2M resource of the manual's Tables 1 and 2: what may be done with it, and what may not.

The tables are data (``bench/manual/resources.toml``); what a resource does beyond that is in
``test_resource_behaviour.py``. Where OMA defines a resource otherwise, the manual counts, and the step of the test
says what OMA expects.
"""

import pytest

from bench.manual import resources
from fixtures import resource_values
from fixtures.outcomes import Path
from fixtures.words import device_time, in_regression, profile, req

SECURITY_OBJECT = 0
OWN_TESTS = {Path(3, 0, 13)}
"""Writing the time needs a clock that nobody else sets: test_resource_behaviour.py."""

TABLES = list(resources.load().values())
OPEN = [one for one in TABLES if one.path[0] != SECURITY_OBJECT and not one.obsolete]
READ_ONLY = [one for one in OPEN if one.readable and not one.writable]
READ_WRITE = [one for one in OPEN if one.readable and one.writable]
WRITE_ONLY = [one for one in OPEN if one.writable and not one.readable]
EXECUTABLE = [one for one in OPEN if one.executable]
OBSOLETE = [one for one in TABLES if one.obsolete]
WRITTEN_TOGETHER = {Path(33906, 0, 18): (18, 19, 20)}
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


def expect_refusal(bench, code, wanted, what):
    """Any refusal will do; one with another code than the usual is put down."""
    assert code, f"{what} was not refused"
    assert code.startswith("4."), f"{what}: the unit answered {code}"
    if code not in wanted:
        bench.step(f"{what} is refused with {code}, not {' or '.join(wanted)}")


def say_what_oma_says(bench, resource):
    if resource.oma:
        bench.step(f"{resource.path}: the manual prints {resource.operations}; OMA: {resource.oma}")


@each("read", READ_ONLY)
@device_time("30 s")
@in_regression
def test_a_resource_is_readable_only(joined_unit, dm, bench, resource):
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    if resource.path[:2] == (1, 0) and dm.read_refusal(path) == "4.04":    # U31
        bench.step(f"{path} is not there: there is no Server instance for the bootstrap server")
        return
    value = value_of(dm, resource)
    written = resource_values.other(value)
    expect_refusal(bench, dm.refusal(path, written), ("4.05",), f"writing {path}")
    after = next(iter(dm.read_all(path).values()))
    assert after != written or written == value, f"{path} has taken over what was refused"
    expect_refusal(bench, dm.execute_refusal(path), ("4.05",), f"executing {path}")


@each("write", [one for one in READ_WRITE if one.path not in OWN_TESTS])
@device_time("1 min")
@in_regression
def test_a_resource_is_readable_and_writable(joined_unit, dm, bench, resource):
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    before = value_of(dm, resource)
    expect_refusal(bench, dm.execute_refusal(path), ("4.05",), f"executing {path}")
    kept = {number: dm.read(f"/33906/0/{number}") for number in WRITTEN_TOGETHER.get(resource.path, ())}
    try:
        for value in resource_values.allowed(resource, before):
            dm.write(path, value)
            assert value_of(dm, resource) == value, f"{path} does not read as written"
        assert dm.read("/33906/0/16") is True, "the unit says that it did not store what it took"
    finally:
        dm.write("/33906/0" if kept else path, kept or before)


@each("refuse", [one for one in READ_WRITE if refused_values(one)], shown)
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
        expect_refusal(bench, code, ("4.00", "4.06"), f"{path} = {what}")
        if resource.path not in OWN_TESTS:
            assert dm.read(path) == before, f"{path} has changed though the write was refused"


@each("write-only", WRITE_ONLY)
@device_time("30 s")
@in_regression
def test_a_resource_is_writable_only(joined_unit, dm, bench, resource):
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    expect_refusal(bench, dm.read_refusal(path), ("4.05", "4.01"), f"reading {path}")
    assert resource.path not in dm.read_all(str(Path(*resource.path[:2]))), f"{path} is disclosed with its object"
    expect_refusal(bench, dm.execute_refusal(path), ("4.05", "4.01"), f"executing {path}")
    wrong = resource_values.wrong_type(resource)
    if wrong is not None:
        expect_refusal(bench, dm.refusal(path, wrong), ("4.00", "4.06"), f"a wrong type to {path}")


@each("execute-only", EXECUTABLE)
@device_time("30 s")
@in_regression
def test_a_resource_is_executable_only(joined_unit, dm, bench, resource):
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    if dm.read_refusal(path) == "4.04" and resource.path[:2] == (1, 0):    # U31
        return
    expect_refusal(bench, dm.read_refusal(path), ("4.05",), f"reading {path}")
    expect_refusal(bench, dm.refusal(path, "1"), ("4.05",), f"writing {path}")
    below = dm.discover(str(Path(*resource.path[:2])))
    assert path in below, f"{path} is not offered"


@each("obsolete", OBSOLETE)
@device_time("30 s")
@in_regression
def test_an_obsolete_resource_has_no_effect(joined_unit, dm, bench, resource):
    """It may be absent; whether it takes a value is put down."""
    path = str(resource.path)
    code = dm.read_refusal(path)
    assert code in ("", "4.04", "4.05"), f"{path}: {code}"
    if code:
        bench.step(f"{path} is refused with {code}")
        return
    before = value_of(dm, resource)
    taken = not dm.refusal(path, before + 1)
    bench.step(f"{path} {'takes' if taken else 'refuses'} a value and then reads {dm.read(path)}")
    if taken:
        dm.write(path, before)
    expect_refusal(bench, dm.execute_refusal(path), ("4.05",), f"executing {path}")


@each("closed", [one for one in TABLES if one.path[0] == SECURITY_OBJECT])
@device_time("30 s")
@in_regression
def test_the_security_object_is_closed_to_a_dm_server(joined_unit, dm, bench, resource):
    """R is printed without saying for whom: a value or a refusal is accepted (U07), a key never."""
    say_what_oma_says(bench, resource)
    path = str(resource.path)
    code = dm.read_refusal(path)
    if resource.readable and not code:
        value_of(dm, resource)
        bench.step(f"{path} is disclosed to the DM server")
    else:
        expect_refusal(bench, code, ("4.01",), f"reading {path}")
    for value in (1, "coap://192.0.2.1:5683", bytes(16)):
        expect_refusal(bench, dm.refusal(path, value), ("4.01", "4.05"), f"writing {path}")
    expect_refusal(bench, dm.execute_refusal(path), ("4.01", "4.05"), f"executing {path}")


# -- objects as a whole


ON_THE_LINE = (1, 33906, 33907, 33908, 33909)
"""Objects with statements for the acceptance profile; 3 and 4 are in test_device_management.py."""


def statements_of(number):
    return dict.fromkeys(one.requirement for one in READ_ONLY + READ_WRITE if one.path[0] == number)


@pytest.mark.parametrize("number", [
    pytest.param(number, id=f"read /{number}", marks=req("DM-01", *statements_of(number))) for number in ON_THE_LINE])
@device_time("30 s")
@profile("acceptance")
def test_an_object_reads_as_printed(joined_unit, dm, number):
    """All of an object in one answer per instance, for the line; regression looks at each resource by itself."""
    rows = [one for one in READ_ONLY + READ_WRITE if one.path[0] == number]
    for instance in sorted({Path(*one.path[:2]) for one in rows} - {Path(1, 0)}):
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
    Path(33911, 0, 3), Path(3, 0, 99), Path(4, 0, 99), Path(5, 0, 99), Path(10, 0, 99), Path(10, 1, 1),
]


MANDATORY_BY_OMA = {(1, 6), (1, 7), (1, 8), (3, 16), (4, 4), (5, 0)}
"""Object and resource: OMA wants them, the manual does not list them."""


@req("DM-02")
@device_time("2 min")
@in_regression
def test_what_is_not_listed_is_not_there(joined_unit, dm, subtests):
    for path in NOT_LISTED:
        with subtests.test(str(path)):
            assert dm.read_refusal(str(path)) == "4.04"
            assert dm.refusal(str(path), 1) in ("4.04", "4.05")
            assert dm.execute_refusal(str(path)) in ("4.04", "4.05")


@req("DM-03")
@device_time("2 min")
@in_regression
def test_only_the_listed_objects_and_instances_are_offered(joined_unit, dm, bench):
    """What OMA makes mandatory and the manual does not list is put down; anything else should not be there."""
    offered = {Path.parse(link.target)[:2] for link in dm.registration.objects if link.target != "/"}
    listed = {one.path[:2] for one in TABLES}
    assert offered <= listed, f"not in the manual: {sorted(offered - listed)}"
    missing = {pair for pair in listed - offered if pair[0] != SECURITY_OBJECT}
    assert missing <= {(1, 0)}, f"not registered: {sorted(missing)}"
    for number in sorted({pair[0] for pair in offered}):
        for target in dm.discover(f"/{number}"):
            path = Path.parse(target)
            if len(path) == 3 and resources.find(path) is None:
                bench.step(f"{path} is offered and not in the manual")
                assert (path[0], path[2]) in MANDATORY_BY_OMA, f"{path} is offered and in no document"
    for stranger in ("/2", "/6", "/7", "/3/1", "/33912"):
        assert dm.read_refusal(stranger) == "4.04", f"{stranger} is there"
