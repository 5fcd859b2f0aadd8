"""Two third parties at the twin of the Power Profiler Kit II: ppk2-api drives it, ppk2lab's decoder reads its samples
and agrees with the driver's own decoding."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from bench.clock import WallClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.signal import Signal
from bench.twin.supply.ppk2 import METADATA, SOURCES, Ppk2
from drivers.supply.nordic_ppk2 import Calibration

ppk2_api = pytest.importorskip("ppk2_api.ppk2_api")
ppk2lab = pytest.importorskip("ppk2lab")

LOADS_A = (6e-6, 200e-6, 2e-3, 30e-3, 0.3)
"""One in each range of the kit."""


@pytest.fixture
def kit():
    with WallClock() as clock:       # the third parties know no other
        connector = Signal(0.0)
        unit = CurrentTrace(clock, connector)
        kit = clock.call(lambda: Ppk2(clock, connector, unit, random.Random(3)))
        kit.clock, kit.connector, kit.unit = clock, connector, unit
        yield kit
        clock.run(kit.stop())


@pytest.fixture
def api(kit):
    api = ppk2_api.PPK2_API(kit.address, timeout=1, write_timeout=1, exclusive=True)
    yield api
    api.ser.close()


def stream(api, samples=4000):
    """So many samples as they come from the port, after the first ones."""
    api.start_measuring()
    raw = b""
    deadline = time.monotonic() + 20
    while len(raw) < 4 * (samples + 1000) and time.monotonic() < deadline:
        raw += api.get_data()
    api.stop_measuring()
    api.ser.write(bytes([METADATA]))       # what follows its answer is no sample of this stream
    api.ser.read_until(b"END\n")
    return raw[4000:4 * (samples + 1000)]


def test_every_opcode_of_the_twin_is_one_of_both_packages():
    from ppk2lab.protocol import Opcode

    theirs = {value for name, value in vars(ppk2_api.PPK2_Command).items() if name.isupper()}
    assert set(SOURCES) <= theirs & set(Opcode)


def test_ppk2_api_supplies_the_unit_and_measures_it_to_ten_percent(kit, api):
    assert api.get_modifiers()
    api.use_source_meter()
    api.set_source_voltage(3600)
    api.toggle_DUT_power("ON")
    for load_a in LOADS_A:
        kit.clock.call(lambda load_a=load_a: kit.unit.set("floor", load_a))
        samples, _ = api.get_samples(stream(api))
        api.remainder = {"sequence": b"", "len": 0}
        assert kit.connector.value == 3.6
        assert np.mean(samples) * 1e-6 == pytest.approx(load_a, rel=0.1, abs=0.3e-6)
    api.toggle_DUT_power("OFF")
    deadline = time.monotonic() + 20
    while kit.connector.value and time.monotonic() < deadline:
        pass
    assert kit.connector.value == 0.0


def test_ppk2lab_reads_the_same_currents_from_the_stream_as_the_driver(kit, api):
    from ppk2lab.calibration import Calibration as TheirCalibration
    from ppk2lab.protocol import SampleStreamParser, parse_metadata

    text = kit.clock.call(kit._metadata)
    metadata = parse_metadata(text.decode())
    assert metadata.terminated
    assert not metadata.warnings
    assert not metadata.missing_cal_ranges()
    theirs, ours = TheirCalibration.from_metadata(metadata), Calibration.read(text)
    api.get_modifiers()
    api.use_source_meter()
    api.set_source_voltage(3300)
    api.toggle_DUT_power("ON")
    for place, load_a in enumerate(LOADS_A):
        kit.clock.call(lambda load_a=load_a: kit.unit.set("floor", load_a))
        raw = stream(api)
        words = np.frombuffer(raw, "<u4")
        parser = SampleStreamParser()
        blocks = [block for block in parser.feed(raw) if hasattr(block, "words")]
        assert sum(len(block) for block in blocks) == len(words)       # no gap by their counter either
        converted = np.concatenate([theirs.convert_block(block, 3300.0) for block in blocks]) * 1e-6
        amperes, index = ours.amperes(words, 3.3)
        assert amperes == pytest.approx(converted, rel=1e-9, abs=1e-15)
        assert set(index) == {place}
