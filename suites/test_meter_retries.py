"""How often the unit tries to read a meter that does not answer: manual Table 8 and 33906/0/43."""

import pytest

from bench.analysis.current import wakes
from fixtures.words import device_time, in_regression, minutes, needs, req, s

EACH_5_MIN = {"readout_interval": 5, "report_interval": 5}


def bursts(bench, power):
    """How often the unit wakes up for its readout in the next five minutes."""
    now = bench.local_standard_time
    bench.clock.sleep((4 - now.minute % 5) * minutes + 60 * s - now.second - 30 * s)    # half a minute before it
    return len(wakes(power.capture(1.5 * minutes)))


@req("SCH-27", "LWM2M-33906.0.43")
@device_time("30 min")
@needs("supply.current", "meter.simulator")
@in_regression
@pytest.mark.parametrize("retries", [0, 1, 7])
def test_a_meter_that_does_not_answer_is_not_asked_more_often_than_is_set(unit, bench, power, meter_simulator, retries):
    """As the supply current tells; a read in vain has no more bursts than one that succeeds."""
    unit.make_joined(EACH_5_MIN | bench.transmitting_half_a_day_from_now() | {"max_meter_retries": retries})
    bench.clock.sleep(10 * minutes)    # asleep now
    in_one = bursts(bench, power)
    assert in_one >= 1, "the unit does not read its meter every five minutes"
    meter_simulator.disconnect()
    for _ in range(2):
        seen = bursts(bench, power)
        assert seen <= in_one * (1 + retries), f"{seen} bursts with {retries} retries, and {in_one} in one read"
        assert seen > retries / 2, f"{seen} bursts only with {retries} retries"
