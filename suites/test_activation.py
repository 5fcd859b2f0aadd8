"""From passive to the first telegram, manual 5.3.5 and 6.2."""

from urllib.parse import urlsplit

import pytest

from fixtures.outcomes import BootstrapOutcome, CellState
from fixtures.words import device_time, everywhere, hours, in_regression, minutes, needs, req, s


@req("ACT-21", "ACT-17", "SEC-09")
@device_time("90 s")
@needs("nfc", "cell.state")
@everywhere
def test_a_delivered_unit_is_passive_open_and_silent(unit, bench, cell, watch):
    unit.power_up()
    cell.on()
    delivered = unit.delivered
    assert delivered.values["power_mode"] == "Passive"
    assert delivered.values["configuration_lock"] == "Open"
    if unit.read_settings().values["power_mode"] == "Passive":
        begin = bench.mark()
        bench.clock.sleep(watch)
        assert not [seen for seen in bench.timeline.since(begin) if seen.kind == "datagram"]
        assert cell.state() is CellState.ON, "a passive unit went on the air"


@req("ACT-01")
@device_time("1 d")
@needs("nfc", "cell.state")
@in_regression
def test_a_delivered_unit_transmits_nothing_for_a_day(unit, bench, cell):
    unit.power_up()
    cell.on()
    if unit.delivered.values["power_mode"] != "Passive":
        pytest.skip("the unit was ordered active: its order sheet says more")
    begin = bench.mark()
    for _ in range(24):
        bench.clock.sleep(1 * hours)
        assert cell.state() is CellState.ON, "a passive unit went on the air"
    assert not [seen for seen in bench.timeline.since(begin) if seen.kind == "datagram"]
    assert unit.read_settings().values == unit.delivered.values


@req("ACT-03", "ACT-12", "ACT-13", "ACT-14", "ACT-15", "NET-01", "NET-02", "PHY-17")
@device_time("3 min")
@needs("panel.button")
@everywhere
def test_activation_leads_to_bootstrap_then_dm_then_gateway(passive_unit, panel, bench, dm, gateway, measure):
    _, released = passive_unit.hold_button(until=panel.green.on)
    registration = dm.wait_for_registration(timeout=10 * minutes, after=released)
    gateway.wait_for_telegram(timeout=15 * minutes, after=0)

    assert bench.backend.bootstrap.sequences, "no bootstrap"
    sequence = bench.backend.bootstrap.sequences[-1]
    assert sequence.outcome is BootstrapOutcome.FINISHED
    first = {seen.source: seen for seen in reversed(bench.timeline.select(kind="datagram", direction="in",
                                                                          after=released))}
    assert first["bootstrap"].time < first["dm"].time < first["mdm"].time, "not in the order bootstrap, DM, gateway"
    measure("activation.register", registration.registered_at - sequence.finished_at)
    measure("activation.mdm_connect", first["mdm"].time - first["dm"].time)


@req("ACT-14", "DM-03", "DM-01")
@device_time("1 min")
@needs("nfc")
@everywhere
def test_the_registration_names_the_unit_and_its_objects(joined_unit, dm):
    registration = dm.registration
    assert registration.endpoint.upper().endswith(joined_unit.deveui)
    objects = {link.path[0] for link in registration.objects if link.target != "/"}
    assert objects >= {1, 3, 4, 5, 10, 11, *range(33905, 33912)}


@req("ACT-05", "OTC-01", "OTC-02")
@device_time("20 s")
@needs("nfc")
@everywhere
def test_an_apply_over_nfc_succeeds_and_reads_back(passive_unit):
    changes = {"readout_interval": 15, "transmit_interval": 720, "message_encoding": "JSON", "utc_offset": 60}
    passive_unit.write_settings(changes)
    now = passive_unit.read_settings().values
    assert {key: now[key] for key in changes} == changes


@req("ACT-06", "TIME-01")
@device_time("2 min")
@needs("meter.optical")
@everywhere
def test_after_joining_one_readout_is_sent_by_itself(passive_unit, panel, gateway, meter, measure):
    _, released = passive_unit.hold_button(until=panel.green.on)
    joined = passive_unit.wait_until_joined(after=released)
    arrival = gateway.wait_for_telegram(timeout=15 * minutes, after=0)
    measure("activation.first_telegram", arrival.time - joined)
    sent = arrival.telegram.newest.time.replace(tzinfo=None)
    measure("activation.readout_age", (meter.read().meter_time - sent).total_seconds())


@req("NET-37", "NET-36")
@device_time("1 min")
@needs("nfc")
@everywhere
def test_meter_data_arrive_on_the_configured_topic(unit, gateway):
    first = unit.make_joined({"mqtt_sn_topic": "acceptance/heat"})
    topic = first.topic if first else gateway.arrivals()[-1].topic
    assert topic == "acceptance/heat"


@req("ACT-18", "LWM2M-3.0.4")
@device_time("3 min")
@needs("panel.leds")
@everywhere
def test_a_reboot_over_dm_starts_up_and_registers_anew(joined_unit, dm, bench):
    before = bench.clock.time()
    dm.execute("/3/0/4")
    joined_unit.wait_until_joined(after=before)
    dm.wait_for_registration(timeout=10 * minutes, after=before)


@req("ACT-11", "OTC-T8-02")
@device_time("4 min")
@needs("nfc", "cell.state")
@everywhere
def test_passive_over_nfc_silences_a_joined_unit(joined_unit, bench, cell, watch):
    joined_unit.write_settings({"power_mode": "Passive"})
    bench.clock.sleep(30 * s)
    begin = bench.mark()
    bench.clock.sleep(watch)
    assert not [seen for seen in bench.timeline.since(begin) if seen.kind == "datagram"]
    assert cell.state() is CellState.ON


@req("NET-40", "LWM2M-4.0.7.0")
@device_time("1 min")
@everywhere
def test_in_automatic_mode_the_network_names_the_apn(joined_unit, dm):
    assert joined_unit.read_settings().values["apn_mode"] == "Auto"
    assert dm.read_all("/4/0/7"), "no APN reported"


@req("OTC-T9-01", "OTC-T9-02", "OTC-T9-03")
@device_time("1 min")
@needs("nfc")
@everywhere
def test_the_bootstrap_server_is_the_one_written_over_nfc(joined_unit, bench):
    uri = urlsplit(bench.backend.uris.bootstrap)
    values = joined_unit.read_settings().values
    assert (values["bootstrap_ip"], values["bootstrap_port"]) == (uri.hostname, uri.port)
    assert bench.backend.bootstrap.sequences[-1].endpoint.upper().endswith(joined_unit.deveui)
