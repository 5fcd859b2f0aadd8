"""Meters with other software: which are supported and which are not; manual 4.4 and 5.3.

An instrument in the meter's place tells the unit another version; what else a real meter of that version does otherwise
it does not show.
"""

import pytest

from bench.errors import NotObserved
from bench.manual.paths import MeterInfo, NbIotStatus
from fixtures.words import device_time, in_regression, minutes, needs, req, s


@device_time("3 min")
@needs("meter.simulator", "meter.optical")
@in_regression
@pytest.mark.parametrize(("model", "version"), [
    pytest.param(model, version, id=f"{model}-{version}", marks=req(statement))
    for model, statement, versions in (("UH50", "CMP-01", ("5.15", "5.16", "5.27", "6.02", "10.00")),
                                       ("UC50", "CMP-02", ("8.06", "8.07", "8.12", "9.01", "10.00")))
    for version in versions])
def test_a_meter_with_supported_software_is_read(uploads, dm, meter_simulator, model, version):
    meter_simulator.set_software(model, version)
    uploads.ask().check()
    dm.expect(MeterInfo.COMMUNICATION_STATUS, 0, "the meter was read, and its status is not well")
    shown = dm.read(MeterInfo.METER_MODEL)
    assert shown.startswith(("UH50", "UC50")), f"meter model {shown}"


@req("CMP-03")
@device_time("20 min")
@needs("meter.simulator", "meter.optical")
@in_regression
@pytest.mark.parametrize(("model", "version"), [("UH50", "5.14"), ("UH50", "4.99"), ("UC50", "8.05"), ("UC50", "7.90")])
def test_a_meter_with_older_software_does_no_harm(joined_unit, uploads, dm, bench, gateway, meter_simulator, model,
                                                       version):
    """It may be read all the same. What comes is right (each readout is held against the meter), the unit stays up and
    in touch, and afterwards a supported meter is read as ever."""
    joined_unit.make_joined({"power_saving_mode": "eDRX"})    # in reach all the time
    before = dm.read(NbIotStatus.UPTIME)
    meter_simulator.set_software(model, version)
    began = gateway.count
    try:
        uploads.ask().check()
    except NotObserved:
        bench.steps.append(f"no telegram with {model} {version}")
    bench.clock.sleep(10 * minutes)
    status = dm.read(MeterInfo.COMMUNICATION_STATUS)
    bench.steps.append(f"33908/0/2 is {status}, {gateway.count - began} telegrams came")
    assert status in (0, 1, 2), f"33908/0/2 is {status}"
    after = dm.read(NbIotStatus.UPTIME)
    assert after >= before + 10 * minutes - 60 * s, f"the unit has restarted: up for {after} s"
    meter_simulator.reset()
    meter_simulator.set_clock(bench.local_standard_time)
    uploads.ask().check()
    dm.expect(MeterInfo.COMMUNICATION_STATUS, 0, "a supported meter is back, and its status is not well")
