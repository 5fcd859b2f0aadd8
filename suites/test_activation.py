"""From passive to the first telegram, manual 5.3.5 and 6.2."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from bench.manual.paths import ConnectivityMonitoring, Device
from fixtures.judging import first_of, last_of
from fixtures.outcomes import BootstrapOutcome, CellState, NetworkEvent
from fixtures.restarts import OF_A_PASSIVE_UNIT
from fixtures.words import device_time, everywhere, hours, in_regression, minutes, needs, req, s


@req("ACT-21", "ACT-17", "SEC-09")
@device_time("90 s")
@needs("cell.state", "settings.nfc.read")
@everywhere
def test_a_delivered_unit_is_passive_open_and_silent(unit, bench, cell, watch):
    unit.power_up()
    cell.on()
    delivered, ordered = unit.delivered.values, bench.station.file.unit.ordered
    assert delivered["power_mode"] == "Passive", f"delivered {delivered['power_mode']}"
    lock = ordered.get("configuration_lock", "Open")
    assert delivered["configuration_lock"] == lock, f"delivered {delivered['configuration_lock']}, not {lock}"
    if unit.read_settings().values["power_mode"] == "Passive":
        begin = bench.mark()
        bench.clock.sleep(watch)
        sent = [seen for seen in bench.timeline.since(begin) if seen.kind == "datagram"]
        assert not sent, f"a passive unit sent {len(sent)} datagrams"
        assert cell.state() is CellState.ON, "a passive unit went on the air"


def expect_silence(bench, radio, begun, what):
    """By the network's log, which forgets no minute, and by the servers."""
    asked = radio.events(NetworkEvent.ATTACH_REQUEST, begun)
    assert not asked, f"{what} went on the air {(asked[0].time - begun) / 3600:.1f} h later"
    sent = bench.timeline.select(None, "datagram", after=begun)
    assert not sent, f"{what} sent {len(sent)} datagrams"


@req("ACT-01")
@device_time("1 d")
@needs("cell.nas", "settings.nfc.read")
@in_regression
def test_a_delivered_unit_transmits_nothing_for_a_day(passive_unit, bench, radio):
    if passive_unit.delivered.values["power_mode"] != "Passive":
        pytest.skip("the unit was ordered active: its order sheet says more")
    before = passive_unit.read_settings().values
    begun = bench.clock.time()
    bench.clock.sleep(26 * hours)
    expect_silence(bench, radio, begun, "a passive unit")
    assert passive_unit.read_settings().values == before, "settings of a passive unit have changed"


@req("ACT-11", "OTC-T8-02")
@device_time("26 h")
@needs("cell.nas", "settings.nfc.write", "supply.voltage")
@in_regression
@pytest.mark.parametrize("how", ["left alone", *OF_A_PASSIVE_UNIT])
def test_a_unit_that_was_made_passive_is_silent_over_its_planned_transmissions(unit, bench, radio, restarts, how):
    unit.make_joined({"transmit_interval": 60, "transmit_offset": 5, "transmit_delay": 10})
    unit.write_settings({"power_mode": "Passive"})
    bench.clock.sleep(1 * minutes)    # to say good-bye
    begun = bench.clock.time()
    bench.clock.sleep(30 * minutes)
    if how != "left alone":
        restarts.by(how)
    bench.clock.sleep(26 * hours)
    expect_silence(bench, radio, begun, "a unit that was made passive")
    mode = unit.read_settings().values["power_mode"]
    assert mode == "Passive", f"power mode {mode} a day later"


@req("ACT-03", "ACT-12", "ACT-13", "ACT-14", "ACT-15", "NET-01", "NET-02", "PHY-17")
@device_time("3 min")
@needs("panel.button")
@everywhere
def test_activation_leads_to_bootstrap_then_dm_then_gateway(passive_unit, panel, bench, bootstrap, dm, gateway,
                                                            measure):
    count = gateway.count
    _, released = passive_unit.hold_button(until=panel.green.on)
    registration = dm.wait_for_registration(timeout=10 * minutes, after=released)
    gateway.wait_for_telegram(timeout=15 * minutes, after=count)

    sequence = last_of(bootstrap.sequences(released), "a bootstrap")
    assert sequence.outcome is BootstrapOutcome.FINISHED, f"the bootstrap of the activation is {sequence.outcome.value}"
    first = {seen.source: seen for seen in reversed(bench.seen(kind="datagram", direction="in", after=released))}
    assert first["bootstrap"].time < first["dm"].time < first["mdm"].time, "not in the order bootstrap, DM, gateway"
    measure("activation.register", registration.registered_at - sequence.finished_at)
    measure("activation.mdm_connect", first["mdm"].time - first["dm"].time)


@req("ACT-14", "DM-03", "DM-01")
@device_time("1 min")
@everywhere
def test_the_registration_names_the_unit_and_its_objects(joined_unit, dm):
    registration = dm.registration
    name = registration.endpoint
    assert name.upper().endswith(joined_unit.deveui), f"the unit {joined_unit.deveui} registers as {name!r}"
    objects = {link.path[0] for link in registration.objects if link.target != "/"}
    missing = {1, 3, 4, 5, 10, 11, *range(33905, 33912)} - objects
    assert not missing, f"objects that are not registered: {sorted(missing)}"


CONFIGURATION = {"utc_offset": 120, "readout_interval": 15, "report_interval": 15, "transmit_interval": 360,
                 "message_encoding": "JSON", "message_format": "Extended", "mqtt_sn_topic": "ordered/topic",
                 "max_meter_retries": 7, "reconnect_backoff": "0-1,2-3"}
"""As somebody may order it. Not the intervals' defaults, and each seen in the first telegram or read back."""


@req("ACT-03", "ACT-04", "ACT-07")
@device_time("5 min")
@needs("panel.button", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize("how", ["button", "NFC"])
def test_an_activated_unit_uses_the_configuration_that_it_had(unit, bench, panel, gateway, how):
    """What was stored before the activation, in whichever way, is what counts after it."""
    unit.make_passive(CONFIGURATION)
    before = unit.read_settings().values
    arrived = gateway.count
    if how == "button":
        unit.hold_button(until=panel.green.on)
    else:
        unit.activate()
    arrival = gateway.wait_for_telegram(timeout=30 * minutes, after=arrived)
    after = unit.read_settings().values
    changed = {key: after[key] for key, value in before.items() if after[key] != value and key != "power_mode"}
    assert not changed, f"activation has changed {changed}"
    assert after["power_mode"] == "Active", f"power mode {after['power_mode']} after activation"
    sent = arrival.telegram
    assert arrival.topic == "ordered/topic", f"the topic is {arrival.topic!r}"
    assert sent.encoding == "json", f"the encoding is {sent.encoding}"
    assert sent.newest.missing_time is not None, "the format is not Extended"
    late = bench.local_standard_time - timedelta(hours=2) - sent.newest.stamp
    assert abs(late) < timedelta(minutes=40), f"stamped {sent.newest.stamp}, with an offset of 2 h"


@req("OTC-01")
@device_time("20 s")
@needs("settings.nfc.write")
@everywhere
def test_an_apply_over_nfc_succeeds_and_reads_back(passive_unit):
    changes = {"readout_interval": 15, "transmit_interval": 720, "message_encoding": "JSON", "utc_offset": 60}
    passive_unit.write_settings(changes)
    now = passive_unit.read_settings().values
    stored = {key: now[key] for key in changes}
    assert stored == changes, f"written were {changes}, read back are {stored}"


@req("ACT-06", "TIME-01")
@device_time("2 min")
@needs("meter.optical")
@everywhere
def test_after_joining_one_readout_is_sent_by_itself(passive_unit, panel, gateway, meter, measure):
    count = gateway.count
    _, released = passive_unit.hold_button(until=panel.green.on)
    joined = passive_unit.wait_until_joined(after=released)
    arrival = gateway.wait_for_telegram(timeout=15 * minutes, after=count)
    measure("activation.first_telegram", arrival.time - joined)
    sent = arrival.telegram.newest.stamp
    measure("activation.readout_age", (meter.read().meter_time - sent).total_seconds())


@req("NET-37", "NET-36")
@device_time("1 min")
@everywhere
def test_meter_data_arrive_on_the_configured_topic(unit, gateway):
    unit.make_joined({"mqtt_sn_topic": "acceptance/heat"})
    telegram = last_of(gateway.arrivals(), "a telegram of this test")
    assert telegram.topic == "acceptance/heat", f"the telegram came on the topic {telegram.topic!r}"


@req("ACT-18", "LWM2M-3.0.4")
@device_time("3 min")
@needs("panel.leds")
@everywhere
def test_a_reboot_over_dm_starts_up_and_registers_anew(joined_unit, dm, bench):
    before = bench.clock.time()
    dm.execute(Device.REBOOT)
    joined_unit.wait_until_joined(after=before)
    dm.wait_for_registration(timeout=10 * minutes, after=before)


@req("ACT-11", "OTC-T8-02")
@device_time("4 min")
@needs("cell.state", "settings.nfc.write")
@everywhere
def test_passive_over_nfc_silences_a_joined_unit(joined_unit, bench, cell, watch):
    joined_unit.write_settings({"power_mode": "Passive"})
    bench.clock.sleep(30 * s)
    begin = bench.mark()
    bench.clock.sleep(watch)
    sent = [seen for seen in bench.timeline.since(begin) if seen.kind == "datagram"]
    assert not sent, f"a passive unit sent {len(sent)} datagrams"
    assert cell.state() is CellState.ON, "a passive unit is attached"


@req("NET-40", "LWM2M-4.0.7.0")
@device_time("1 min")
@everywhere
def test_in_automatic_mode_the_network_names_the_apn(joined_unit, dm):
    assert joined_unit.read_settings().values["apn_mode"] == "Auto", "the APN mode is not Auto"
    apn = first_of(dm.read_all(ConnectivityMonitoring.APN).values(), "an APN in 4/0/7")
    assert apn, "the APN in 4/0/7 is empty"


@req("OTC-T9-01", "OTC-T9-02", "OTC-T9-03")
@device_time("1 min")
@needs("settings.nfc.write")
@everywhere
def test_the_bootstrap_server_is_the_one_written_over_nfc(joined_unit, bench, bootstrap):
    uri = urlsplit(bench.backend.uris.bootstrap)
    values = joined_unit.read_settings().values
    read = values["bootstrap_ip"], values["bootstrap_port"]
    assert read == (uri.hostname, uri.port), f"written was the server {uri.hostname}, {uri.port}, and read is {read}"
    name = bootstrap.last_sequence().endpoint
    assert name.upper().endswith(joined_unit.deveui), f"the unit {joined_unit.deveui} asks for its servers as {name!r}"
