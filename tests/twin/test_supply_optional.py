"""Small instruments of the desk: the Power Profiler Kit II against a device on a pty that sends as fast as it is read,
the JS220 as far as it goes without one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from ppk2_device import Ppk2Device

from bench.clock import WallClock, WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.supply.joulescope_js220 import JoulescopeJs220
from drivers.supply.nordic_ppk2 import NordicPpk2
from drivers.supply.qoitech_otii import QoitechOtii


@pytest.fixture
def clock():
    with WallClock() as clock:       # the device sends as fast as it is read
        yield clock


@pytest.fixture
def open_kit(clock):
    devices = []

    def open_one(**faults):
        devices.append(Ppk2Device(**faults))
        return devices[-1], NordicPpk2(devices[-1].path, clock=clock, timeline=Timeline(clock.time))

    yield open_one
    for device in devices:
        device.close()


def test_the_kit_supplies_and_measures(open_kit):
    device, kit = open_kit()
    assert kit.identity == "Nordic Semiconductor,PPK2,9173"
    kit.set_voltage(3.6)
    kit.output_on()
    log = kit.log(0.05, 0.001)
    assert (device.powered, device.millivolts) == (True, 3600)
    assert len(log.mean_a) == 50
    assert log.gap_free
    assert log.mean_a == pytest.approx(4 * 137 * 1.8 / 163840 / 1000 * np.ones(50), rel=1e-4)
    assert log.uncertainty_a.min() > 0.1 * 6.0e-6      # 10 %: it can't judge 6.0 against 6.6 uA
    assert log.voltage_v == 3.6
    kit.make_safe()
    kit.close()


def test_a_lost_sample_is_a_bench_error(open_kit):
    _, kit = open_kit(lose=True)
    kit.set_voltage(3.6)
    with pytest.raises(BenchError, match="samples that follow one another"):
        kit.log(0.05, 0.001)
    kit.close()


def test_a_port_without_a_kit_is_a_bench_error(open_kit, clock):
    with pytest.raises(BenchError, match="calibration data"):
        open_kit(silent=True)
    with pytest.raises(BenchError, match="a serial port"):
        NordicPpk2("/dev/no-such-port", clock=clock, timeline=Timeline(clock.time))


def test_the_kit_refuses_what_it_can_not_do(open_kit):
    _, kit = open_kit()
    for volts in (0.5, 4.5):
        with pytest.raises(BenchError, match="a voltage from"):
            kit.set_voltage(volts)
    with pytest.raises(BenchError, match="a limit of"):
        kit.set_current_limit(2.0)
    with pytest.raises(BenchError, match="a period from"):
        kit.log(1.0, 1e-6)
    kit.close()


@pytest.mark.parametrize(("module", "driver", "extra"), [
    ("otii_tcp_client.otii", QoitechOtii, "otii"), ("joulescope", JoulescopeJs220, "joulescope")])
def test_a_missing_library_says_how_to_install_it(monkeypatch, module, driver, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with WarpClock() as clock, pytest.raises(BenchError, match=rf"pip install 'mcm-bench\[{extra}\]'"):
        driver("x", clock=clock, timeline=Timeline(clock.time))


class FakeJs220:
    """What the package hands out for an instrument: fixed samples, ranges 6 (finest) and 1 (highest)."""

    serial_number = "002557"
    model = "js220"

    def __init__(self):
        self.parameters = {}

    def open(self): ...

    def close(self): ...

    def parameter_set(self, name, value):
        self.parameters[name] = value

    def read(self, contiguous_duration, out_format, fields):
        assert (out_format, fields) == ("samples_get", ["current", "current_range"])
        count = round(contiguous_duration * self.parameters["sampling_frequency"])
        current = np.full(count, 6e-6, np.float32)
        current[-1] = 0.22
        number = np.full(count, 6, np.uint8)
        number[-1] = 1
        return {"signals": {"current": {"value": current}, "current_range": {"value": number}}}


class FakeJoulescope:
    """The package. No instrument and no simulator of one is there to test with: this proves the driver's own steps."""

    def __init__(self, *devices):
        self._devices = devices

    def scan(self, name):
        assert name == "joulescope"
        return list(self._devices)


def test_the_js220_is_found_by_its_serial_number_and_read(monkeypatch):
    device = FakeJs220()
    monkeypatch.setitem(sys.modules, "joulescope", FakeJoulescope(device))
    with WarpClock() as clock:
        for address, found in (("000001", False), ("002557", True), ("", True)):
            if not found:
                with pytest.raises(BenchError, match="one instrument of that serial number, saw 0"):
                    JoulescopeJs220(address, clock=clock, timeline=Timeline(clock.time))
                continue
            ammeter = JoulescopeJs220(address, clock=clock, timeline=Timeline(clock.time))
            log = ammeter.log(2.0, 0.01)
            assert device.parameters == {"i_range": "auto", "sampling_frequency": 1000}
            assert len(log.mean_a) == 200
            assert log.gap_free
            assert log.mean_a[:-1] == pytest.approx(6e-6)
            assert log.maximum_a[-1] == pytest.approx(0.22)
            assert (log.full_scale_a[0], log.full_scale_a[-1]) == (18e-6, 3.0)
            assert not ammeter.log(50.0, 0.1).gap_free
            ammeter.close()


def test_without_a_js220_the_real_package_finds_none():
    pytest.importorskip("joulescope")
    with WarpClock() as clock, pytest.raises(BenchError, match="one instrument"):
        JoulescopeJs220("", clock=clock, timeline=Timeline(clock.time))
