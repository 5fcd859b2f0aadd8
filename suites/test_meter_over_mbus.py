"""Telegrams against the meter's second voice: its M-Bus port."""

from bench.manual.paths import McmConfig
from bench.payload.compare import differences
from fixtures.words import device_time, everywhere, minutes, needs, req


@req("PAY-MBUS-02", "PAY-MBUS-03", "PAY-MBUS-04", "PAY-MBUS-05", "PAY-MBUS-06", "PAY-MBUS-07", "PAY-MBUS-08",
     "PAY-SENML-08")
@device_time("1 min")
@needs("meter.mbus")
@everywhere
def test_a_telegram_says_what_the_meter_says_over_m_bus(joined_unit, dm, gateway, mbus):
    before = mbus.read()
    arrived = gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    telegram = gateway.wait_for_telegram(timeout=15 * minutes, after=arrived).telegram
    wrong = differences(telegram.newest, before, mbus.read(), fields=(
        "meter_id", "energy", "volume", "power", "flow", "forward_temperature", "return_temperature"))
    assert not wrong, "; ".join(wrong)
