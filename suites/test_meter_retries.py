"""How often the unit tries to read a meter that does not answer: manual Table 8 and 33906/0/43."""

import pytest

from bench.analysis.current import wakes
from fixtures.words import device_time, in_regression, minutes, needs, req, s

EACH_5_MIN = {"readout_interval": 5, "report_interval": 5}


def bursts(bench, power, each=5, span=1.5 * minutes):
    """How often the unit wakes up for its next readout, of which there is one ``each`` so many minutes."""
    now = bench.local_standard_time
    left = (each - 1 - now.minute % each) * minutes + 60 * s - now.second - 30 * s    # half a minute before it
    bench.clock.sleep(left % (each * minutes))
    return len(wakes(power.capture(span)))


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


@req("SCH-27", "LWM2M-33906.0.43", "OTC-T8-06")
@device_time("3 h")
@needs("supply.current", "meter.simulator")
@in_regression
def test_the_most_retries_that_can_be_set_are_not_exceeded(unit, bench, power, meter_simulator):
    """255, the default. How long the unit pauses between two is not printed; what is left after 50 min is not counted.
    """
    unit.make_joined({"readout_interval": 60, "report_interval": 60, "max_meter_retries": 255}
                     | bench.transmitting_half_a_day_from_now())
    bench.clock.sleep(10 * minutes)    # asleep now
    in_one = bursts(bench, power, each=60)
    assert in_one >= 1, "the unit does not read its meter every hour"
    meter_simulator.disconnect()
    seen = bursts(bench, power, each=60, span=50 * minutes)
    assert 1 < seen <= in_one * 256, f"{seen} bursts with 255 retries, and {in_one} in one read"
