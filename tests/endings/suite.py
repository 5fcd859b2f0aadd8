"""The tests in which a run ends badly: copied into a folder of its own, where they leave marks of how far they are.

Not collected with the bench's own tests.
"""

import contextlib
import ctypes
import itertools
import os
import resource
import shutil
import signal
import sys
import time
from collections import deque
from pathlib import Path

import pytest

from bench.record import Record
from bench.station import Station
from fixtures.unit import Unit
from fixtures.words import device_time, everywhere, req

HERE = Path(__file__).parent


def mark(name):
    (HERE / name).touch()


def of_the_unit(test):
    return req("LED-04")(device_time("20 s")(everywhere(test)))


def supplied_and_held(bench):
    bench.station.supply.set_voltage(3.6)
    bench.station.supply.output_on()
    bench.station.panel.hold()
    bench.clock.wait_for(lambda: bench.timeline.select("panel", "button", pressed=True), 10)
    mark("ready")


@of_the_unit
def test_finished(bench):
    """It ends before anything happens: its result must be kept."""
    assert bench.station.supply.identity


@of_the_unit
def test_fails(bench):
    supplied_and_held(bench)
    assert bench.station.supply.identity == "a good unit"


@of_the_unit
def test_waits(bench):
    supplied_and_held(bench)
    bench.clock.sleep(600)


@of_the_unit
@pytest.mark.timeout(2)
def test_waits_too_long(bench):
    supplied_and_held(bench)
    bench.clock.sleep(600)


@of_the_unit
@pytest.mark.timeout(2)
def test_hangs_in_c(bench):
    supplied_and_held(bench)
    deque(itertools.repeat(0), maxlen=0)    # for ever, and keeps the interpreter's lock: no Python runs any more


@of_the_unit
@pytest.mark.timeout(2)
def test_swallows_its_time_limit(bench):
    supplied_and_held(bench)
    while True:
        try:
            time.sleep(600)
        except BaseException:
            continue


@of_the_unit
def test_exits_with_0(bench):
    supplied_and_held(bench)
    os._exit(0)


@of_the_unit
def test_exits_with_1(bench):
    supplied_and_held(bench)
    os._exit(1)


@of_the_unit
def test_aborts(bench):
    supplied_and_held(bench)
    os.abort()


@of_the_unit
def test_reads_from_nowhere(bench):
    supplied_and_held(bench)
    ctypes.string_at(0)


@of_the_unit
def test_stops_itself(bench):
    supplied_and_held(bench)
    os.kill(os.getpid(), signal.SIGSTOP)


@of_the_unit
def test_kills_its_group(bench):
    supplied_and_held(bench)
    os.killpg(0, signal.SIGKILL)


@of_the_unit
def test_dies_and_leaves_a_process_with_its_ports(bench):
    supplied_and_held(bench)
    if os.fork() == 0:
        time.sleep(600)
    os._exit(1)


class Odd(BaseException):
    """Of no class that anybody expects."""


@of_the_unit
def test_raises_something_odd(bench):
    supplied_and_held(bench)
    raise Odd("from a library")


@of_the_unit
def test_leaves_with_system_exit(bench):
    supplied_and_held(bench)
    sys.exit(0)


@of_the_unit
def test_has_no_descriptors(bench):
    supplied_and_held(bench)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@of_the_unit
def test_closes_all_descriptors(bench):
    supplied_and_held(bench)
    os.closerange(3, 4096)


@of_the_unit
def test_may_write_no_more(bench):
    supplied_and_held(bench)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


@of_the_unit
def test_fills_the_disk(bench, request):
    supplied_and_held(bench)
    with (request.config.option.run_dir / "filler").open("wb", buffering=0) as filler:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):    # no space left
                while True:
                    filler.write(bytes(size))


@of_the_unit
def test_removes_the_run_directory(bench, request):
    supplied_and_held(bench)
    shutil.rmtree(request.config.option.run_dir)


@of_the_unit
def test_loses_the_thread_of_its_loop(bench):
    supplied_and_held(bench)
    bench.clock.loop.call_soon_threadsafe(bench.clock.loop.stop)
    bench.clock.sleep(600)


@of_the_unit
def test_is_made_safe_slowly(bench):
    supplied_and_held(bench)
    make_safe = Station.make_safe

    def slowly(station):
        mark("making safe")
        time.sleep(1)
        return make_safe(station)

    Station.make_safe = slowly


@of_the_unit
def test_is_restored_slowly(bench, unit):
    supplied_and_held(bench)
    _ = unit.delivered
    restore = Unit.restore

    def slowly(unit):
        mark("restoring")
        time.sleep(1)
        restore(unit)
        mark("restored")

    Unit.restore = slowly


@of_the_unit
def test_is_written_slowly(bench):
    supplied_and_held(bench)
    write = Record.write

    def slowly(record, run_dir):
        mark("writing")
        time.sleep(1)
        return write(record, run_dir)

    Record.write = slowly


@of_the_unit
def test_goes_on_when_told(bench):
    supplied_and_held(bench)
    bench.clock.wait_for(lambda: (HERE / "go on").exists(), 120)
    assert bench.station.supply.identity
