"""Meter data by LwM2M instead of MQTT-SN: 33906/0/48, manual Table 2 and chapter 10.

The manual has no word on how the meter data object travels (notes, C36). The maker's support pages say LwM2M Send of
object 33911; that is what is expected here.
"""

from datetime import timedelta

import pytest

from bench.manual.paths import Device, McmConfig, MeterData
from bench.payload.compare import differences
from bench.payload.decode import decode
from fixtures.words import device_time, ets, in_regression, minutes, needs, req, s

MQTT_SN, LWM2M = 0, 1
STANDARD, EXTENDED = 42, 43
UNDER_WAY = 30 * s
"""When none has come for so long, none is under way: a unit with much to send sends one behind the other."""


@pytest.fixture
def lwm2m_upload(joined_unit, dm, telegrams):
    """A unit that sends its meter data by LwM2M; after the test by MQTT-SN again."""
    choose(LWM2M, dm, telegrams)
    yield joined_unit
    dm.write(McmConfig.UPLOAD_PROTOCOL, MQTT_SN)


def choose(protocol, dm, telegrams):
    """From now on by ``protocol``: what had begun by the other is over, such as what an earlier test held back."""
    dm.write(McmConfig.UPLOAD_PROTOCOL, protocol)
    telegrams.wait_for_quiet(UNDER_WAY)


def meter_data(send):
    """The resources of one Send by their paths."""
    return {record.path: record.value for record in send.records}


@req("NET-38", "LWM2M-33906.0.48", "CMP-10", "LWM2M-33911.0.0", "LWM2M-33911.0.1", "LWM2M-33911.0.2")
@ets("int-306", "int-311")
@device_time("3 min")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize(("encoding", "kind"), [
    (0, STANDARD), (0, EXTENDED), (1, EXTENDED), (2, STANDARD)], ids=[
    "SenML/CBOR", "SenML/CBOR-extended", "JSON-extended", "M-Bus"])
def test_meter_data_go_to_the_dm_server_by_send(lwm2m_upload, dm, gateway, meter, encoding, kind):
    dm.write(McmConfig.INSTANCE, {1: encoding, 2: kind})
    assert dm.registration.lwm2m_version >= "1.1", "Send is an operation of LwM2M 1.1"
    before, published, sent = meter.read(), gateway.count, len(dm.sends)
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    data = meter_data(dm.wait_for_send(5 * minutes, after=sent))
    after = meter.read()

    told = data.get(MeterData.MESSAGE_TYPE), data.get(MeterData.MESSAGE_ENCODING)
    assert told == (kind, encoding), f"message type and encoding are {told} in a Send of {sorted(map(str, data))}"
    assert MeterData.MESSAGE_DATA in data, f"no meter data in a Send of {sorted(map(str, data))}"
    wrong = differences(decode(data[MeterData.MESSAGE_DATA]).newest, before, after, fields=(
        "energy", "volume", "power", "flow", *(["missing_time"] if kind == EXTENDED else [])),
        utc_offset_min=0, identification="fabrication")
    assert not wrong, "; ".join(wrong)
    assert gateway.count == published, "the gateway got them too"


@req("NET-38", "STO-04", "RETX-02")
@device_time("70 min")
@in_regression
def test_what_waits_is_sent_by_whichever_protocol_is_chosen_then(lwm2m_upload, dm, telegrams, bench):
    lwm2m_upload.write_settings({"readout_interval": 5, "report_interval": 5, "transmit_interval": 15, "utc_offset": 0,
                                 "transmit_offset": 1, "transmit_delay": 1, "max_uploads_per_transmission": 255,
                                 "power_saving_mode": "Disabled"})
    lwm2m_upload.press_button(6 * s)
    telegrams.wait_for_telegram(15 * minutes, after=telegrams.count)
    began = bench.local_standard_time
    for protocol in (MQTT_SN, LWM2M, MQTT_SN, LWM2M):
        bench.clock.sleep(17 * minutes)
        dm.write(McmConfig.UPLOAD_PROTOCOL, protocol)
    ended = bench.local_standard_time - timedelta(minutes=16)
    bench.clock.sleep(17 * minutes)
    came = {readout.stamp for arrival in telegrams.arrivals() for readout in arrival.telegram.readouts}
    due = [began.replace(second=0, microsecond=0) + timedelta(minutes=5 * n - began.minute % 5) for n in range(1, 17)]
    missing = [f"{moment:%H:%M}" for moment in due if moment < ended and moment not in came]
    assert not missing, f"the readouts of {', '.join(missing)} did not come by either protocol"


@req("NET-38", "LWM2M-33906.0.48")
@device_time("20 min")
@in_regression
def test_the_schedule_goes_on_by_the_other_protocol_and_back(lwm2m_upload, dm, gateway, telegrams):
    lwm2m_upload.write_settings({"readout_interval": 5, "report_interval": 5, "transmit_interval": 5,
                                 "transmit_offset": 1, "transmit_delay": 1})
    published, sent = gateway.count, len(dm.sends)
    dm.wait_for_send(8 * minutes, after=sent)
    assert gateway.count == published, "a PUBLISH with upload protocol LwM2M"

    choose(MQTT_SN, dm, telegrams)
    sent, published = len(dm.sends), gateway.count
    gateway.wait_for_telegram(8 * minutes, after=published)
    assert len(dm.sends) == sent, "a Send with upload protocol MQTT-SN"


@req("NET-38", "LWM2M-33906.0.48")
@device_time("10 min")
@in_regression
def test_after_a_reboot_the_unit_reports_by_lwm2m_alone(lwm2m_upload, dm, gateway, bench):
    published, sent, rebooted = gateway.count, len(dm.sends), bench.clock.time()
    dm.execute(Device.REBOOT)
    dm.wait_for_registration(5 * minutes, after=rebooted)
    dm.wait_for_send(15 * minutes, after=sent)
    assert gateway.count == published, "the gateway got them too"
    dm.expect(McmConfig.UPLOAD_PROTOCOL, LWM2M)
