"""DTLS between the unit and its servers: three connections, right and wrong keys, downgrade, new keys; manual 6.2.

The bench's own commissioning has no DTLS; ``security.join`` names the connections that have it. Which form the
identity has, and which suite is taken, is not printed: both are on the timeline.
"""

from itertools import pairwise

import pytest

from fixtures.gateway import Puback
from fixtures.outcomes import BootstrapOutcome
from fixtures.security import CONNECTIONS, WRONG_KEYS, Psk
from fixtures.words import device_time, ets, everywhere, hours, in_regression, minutes, needs, req, s

pytestmark = needs("dtls")

TRIGGER_READOUT, REBOOT, MDM_STATUS = "/33906/0/10", "/3/0/4", "/33907/0/10"
OK, DTLS_FAILED, IDLE = 0, 3, 7
"""MDM connection status."""
QUICK = {"sequence_retry_delay": 60, "communication_retry_delay": 60, "coap_ack_timeout": 5,
         "lwm2m_dtls_min_timeout": 10, "lwm2m_dtls_max_timeout": 20, "mdm_dtls_min_timeout": 10,
         "mdm_dtls_max_timeout": 20}
"""A unit that gives a server up within minutes (Tables 9 and 12)."""
NEW_DM_KEY = Psk(bytes.fromhex("6d7a0c5be1f2498385a6c7d8091a2b3c"))
NEW_MDM_KEY = Psk(bytes.fromhex("f10e2d3c4b5a69788796a5b4c3d2e1f0"))


def send_readout(dm, gateway):
    """A readout asked for over DM, as it arrives."""
    arrived = gateway.count
    dm.execute(TRIGGER_READOUT)
    return gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)


def restart(panel):
    """A reboot by the button, which no server has a part in; when."""
    return panel.press(6 * s)[1]


# -- three connections


@req("SEC-01", "LWM2M-0.0.3", "LWM2M-0.1.3", "SEC-07", "NET-01")
@ets("int-1", "int-401")
@device_time("4 min")
@everywhere
def test_all_three_connections_shake_hands_in_dtls_1_2_by_the_units_own_name(security, unit, dm):
    """With the keys that the unit was delivered with: the bootstrap writes addresses only."""
    security.refuse_plain(*CONNECTIONS)
    security.join(*CONNECTIONS)
    assert dm.read("/3/0/2").upper() == unit.deveui
    for connection in CONNECTIONS:
        session = security.sessions(connection)[0]
        assert session.version == "DTLS 1.2"
        assert session.identity.upper() == unit.deveui, f"identity {session.identity!r} at the {connection} server"
        assert not security.plain_messages(connection)
        sent = [text for text, _ in security.wire(connection)]
        finished = next(number for number, text in enumerate(sent) if "ChangeCipherSpec" in text)
        assert not [text for text in sent[:finished] if "application data" in text], "data before the handshake's end"


@req("SEC-01", "SEC-04", "SEC-05")
@device_time("40 min")
@needs("firmware")
@in_regression
def test_a_whole_cycle_passes_in_dtls(secured_unit, security, bench, dm, gateway, firmware):
    before = bench.clock.time()
    dm.write("/33906/0/17", 30)
    assert dm.read("/33906/0/17") == 30
    dm.write("/33906/0/17", 60)
    assert send_readout(dm, gateway).telegram.newest
    image = firmware.other_than(dm.read("/3/0/3"))
    dm.write("/5/0/1", firmware.serve(image.served))
    while dm.read("/5/0/3") != 2:
        assert bench.clock.time() - before < 1 * hours, "no firmware downloaded"
        bench.clock.sleep(10 * s)
    updated = bench.clock.time()
    dm.execute("/5/0/2")
    dm.wait_for_registration(15 * minutes, after=updated)
    assert dm.read("/3/0/3") == image.version
    assert send_readout(dm, gateway).telegram.newest
    for connection in CONNECTIONS:
        assert not security.plain_messages(connection)


@req("SEC-02", "LWM2M-0.1.2", "LWM2M-33905.0.2", "OTC-T9-03", "LWM2M-0.0.2")
@device_time("10 min")
@needs("nfc")
@in_regression
@pytest.mark.parametrize("clear", CONNECTIONS)
def test_each_connection_works_without_dtls_while_the_others_have_it(security, dm, gateway, clear):
    security.join(*(connection for connection in CONNECTIONS if connection != clear))
    assert send_readout(dm, gateway).telegram.newest
    for connection in CONNECTIONS:
        if connection == clear:
            assert security.plain_messages(connection)
            assert not security.sessions(connection)
        else:
            assert security.secure_messages(connection)
            assert not security.plain_messages(connection), f"{connection} in clear"


@req("SEC-13")
@device_time("5 min")
@needs("meter.optical")
@in_regression
def test_meter_data_can_not_be_read_on_the_air(security, secured_unit, dm, gateway, meter):
    arrival = send_readout(dm, gateway)
    readout = meter.read()
    secrets = {"the payload": arrival.payload, "the topic": arrival.topic.encode(),
               "the meter's number": str(readout.fabrication_number).encode(),
               "the meter's number in octets": int(readout.fabrication_number).to_bytes(4, "big")}
    air = [datagram for connection in CONNECTIONS for _, datagram in security.wire(connection)]
    assert air
    for name, secret in secrets.items():
        assert not any(secret in datagram for datagram in air), f"{name} is readable on the air"


@req("SEC-17")
@device_time("5 min")
@in_regression
def test_nothing_but_coap_mqtt_sn_and_dtls_is_spoken(secured_unit, bench, dm):
    """No OSCORE option (9), and no name that would need DNS."""
    assert dm.read("/3/0/2").upper() == secured_unit.deveui
    assert not bench.timeline.select(kind="malformed")
    oscore = [seen for seen in bench.timeline.select(kind="message", direction="in")
              if any(number == 9 for number, _ in seen.data.get("options", []))]
    assert not oscore
    bench.step(f"the URI of the meter data server is {dm.read('/33905/0/0')}")


# -- wrong keys


@req("SEC-04", "SEC-03", "LWM2M-0.1.4")
@device_time("20 min")
@needs("nfc")
@in_regression
@pytest.mark.parametrize("alert", [False, True], ids=["silent server", "alerting server"])
@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_dm_server_with_the_wrong_key_gets_no_registration(security, bench, dm, key, alert):
    security.join(settings=QUICK)
    security.server_knows("dm", WRONG_KEYS[key])
    if alert:
        security.alert_on_a_wrong_key("dm")
    security.give("dm")
    asked = bench.clock.time()
    dm.execute("/1/0/9")
    bench.clock.sleep(10 * minutes)
    tried = bench.clock.time()
    assert security.client_hellos("dm", asked), "no handshake was tried"
    assert not security.sessions("dm", asked)
    assert not [event for event in dm.server.history if event.time_s > asked]
    security.server_knows_the_right_key("dm")
    dm.wait_for_registration(20 * minutes, after=tried)
    assert security.sessions("dm", tried)


@req("SEC-05", "SEC-03", "LWM2M-33907.0.10")
@device_time("20 min")
@needs("nfc")
@in_regression
@pytest.mark.parametrize("key", ["zeros", "another", "of device management"])
def test_a_gateway_with_the_wrong_key_gets_no_data(security, bench, dm, gateway, key):
    security.join(settings=QUICK)
    security.server_knows("mdm", WRONG_KEYS.get(key, security.own_key("dm")))
    security.give("mdm")
    asked = security.bootstrap_again()
    arrived = gateway.count
    dm.stay_in_touch(5 * minutes)
    dm.execute(TRIGGER_READOUT)
    statuses = set()
    for _ in range(30):
        bench.clock.sleep(10 * s)
        statuses.add(dm.read(MDM_STATUS))
    assert security.client_hellos("mdm", asked), "no handshake was tried"
    assert not security.sessions("mdm", asked)
    assert gateway.count == arrived
    assert DTLS_FAILED in statuses and OK not in statuses, f"connection status {sorted(statuses)}"
    security.server_knows_the_right_key("mdm")
    security.wait_for_session("mdm", 10 * minutes, after=bench.clock.time())
    bench.clock.sleep(30 * s)
    send_readout(dm, gateway)
    assert dm.read(MDM_STATUS) in (OK, IDLE)


@req("SEC-03", "SEC-01")
@device_time("20 min")
@needs("nfc")
@in_regression
def test_a_bootstrap_server_with_the_wrong_key_is_not_obeyed(security, unit, bench, bootstrap, dm):
    security.server_knows("bootstrap", WRONG_KEYS["another"])
    unit.make_passive()
    begun = bench.clock.time()
    unit.write_settings(QUICK | security.commissioning() | {"power_mode": "Active"})
    bench.clock.sleep(10 * minutes)
    assert security.client_hellos("bootstrap", begun), "no handshake was tried"
    assert not bootstrap.sequences(begun)
    assert dm.registration is None or dm.registration.registered_at < begun
    security.server_knows_the_right_key("bootstrap")
    bootstrap.wait_for(BootstrapOutcome.FINISHED, 20 * minutes, after=begun)


@req("SEC-04", "LWM2M-0.1.3")
@device_time("20 min")
@needs("nfc")
@in_regression
def test_a_server_that_does_not_know_the_unit_is_asked_by_the_units_own_name_only(security, unit, bench, dm):
    security.join(settings=QUICK)
    security.server_knows("dm", None)
    security.give("dm")
    asked = bench.clock.time()
    dm.execute("/1/0/9")
    bench.clock.sleep(10 * minutes)
    unknown = [text for text in security.failures("dm", asked) if "unknown identity" in text]
    assert unknown
    assert all(unit.deveui in text.upper() or repr(bytes.fromhex(unit.deveui)) in text for text in unknown), unknown
    assert not security.sessions("dm", asked)


# -- downgrade


@req("SEC-11", "SEC-01")
@device_time("20 min")
@needs("nfc")
@in_regression
@pytest.mark.parametrize("connection", ["dm", "mdm"])
def test_dtls_1_0_is_not_accepted(security, bench, dm, gateway, connection):
    security.join(settings=QUICK)
    arrived = gateway.count
    security.offer_only_dtls_1_0(connection)
    security.give(connection)
    asked = bench.clock.time()
    dm.execute("/1/0/9")
    bench.clock.sleep(10 * minutes)
    assert security.client_hellos(connection, asked), "no handshake was tried"
    assert not security.sessions(connection, asked)
    if connection == "dm":
        assert not [event for event in dm.server.history if event.time_s > asked]
    else:
        assert gateway.count == arrived


@req("SEC-01", "LWM2M-0.1.2")
@device_time("20 min")
@needs("nfc")
@in_regression
def test_a_server_without_dtls_hears_no_word_in_clear(security, bench, dm, bootstrap):
    """Told to use DTLS, the unit must not give it up because the server doesn't answer it."""
    security.join("dm", settings=QUICK)
    bootstrap.give(dm_uri=bench.backend.uris.dm, dm_security_mode=0)
    asked = bench.clock.time()
    dm.execute("/1/0/9")
    bench.clock.sleep(10 * minutes)
    assert bench.timeline.select("dm", "malformed", after=asked, direction="in"), "no handshake was tried"
    assert not security.plain_messages("dm", asked)
    assert not [event for event in dm.server.history if event.time_s > asked]


# -- new keys


@req("SEC-06", "ACT-13", "LWM2M-0.1.0", "LWM2M-0.1.4", "LWM2M-33905.0.0", "LWM2M-33905.0.5")
@device_time("40 min")
@needs("nfc", "second.servers")
@in_regression
def test_a_bootstrap_moves_the_unit_to_other_servers_with_new_keys(security, bench, dm, gateway):
    """The new keys work there, the old ones no more; and the server that manages the unit can't write its own key."""
    security.join(*CONNECTIONS, settings=QUICK)
    other_dm, other_gateway = security.second_servers()
    security.move(dm=NEW_DM_KEY, mdm=NEW_MDM_KEY)
    moved = bench.clock.time()
    dm.execute("/1/0/9")
    other_dm.wait_for_registration(20 * minutes, after=moved)
    other_gateway.wait_for_telegram(timeout=15 * minutes, after=0)
    settled, arrived = bench.clock.time(), gateway.count
    assert security.sessions("dm-2", moved)
    assert security.sessions("mdm-2", moved)
    assert other_dm.refusal("/0/1/5", NEW_MDM_KEY.octets) in ("4.01", "4.04", "4.05")
    assert other_dm.refusal("/0/1/4", NEW_MDM_KEY.octets) in ("4.01", "4.04", "4.05")

    security.server_knows("dm-2", security.own_key("dm"))
    other_dm.execute(REBOOT)
    bench.clock.sleep(5 * minutes)
    assert security.client_hellos("dm-2", settled), "no handshake was tried"
    assert not security.sessions("dm-2", settled), "the old key still works"
    security.server_knows("dm-2", NEW_DM_KEY)
    other_dm.wait_for_registration(20 * minutes, after=settled)
    assert gateway.count == arrived
    assert not security.client_hellos("mdm", settled)


@req("LWM2M-33905.0.5", "LWM2M-33905.0.2", "SEC-05")
@device_time("20 min")
@needs("nfc")
@in_regression
def test_the_key_for_meter_data_can_be_written_over_dm(security, bench, dm, gateway):
    security.join("dm", "mdm", settings=QUICK)
    begun = bench.clock.time()
    security.write_mdm_key(NEW_MDM_KEY)
    dm.execute(REBOOT)
    dm.wait_for_registration(20 * minutes, after=begun)
    security.wait_for_session("mdm", 10 * minutes, after=begun)
    assert send_readout(dm, gateway).telegram.newest


# -- handshakes on a bad link


@req("NET-25", "OTC-T9-06", "OTC-T9-07", "NET-33", "OTC-T12-03", "OTC-T12-04")
@device_time("10 min")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize("connection", ["dm", "mdm"])
def test_an_unanswered_hello_is_repeated_after_60_s_and_given_up_90_s_later(security, bench, panel, measure,
                                                                           connection):
    security.join(connection)
    with security.silence(connection):
        begun = restart(panel)
        bench.clock.sleep(10 * minutes)
    hellos = security.client_hellos(connection, begun)
    assert len(hellos) > 1, "no ClientHello was repeated"
    measure("dtls.first_gap", hellos[1] - hellos[0])
    attempt = [later - earlier for earlier, later in pairwise(hellos) if later - hellos[0] < 150]
    measure("dtls.longest_gap", max(attempt))


@req("LWM2M-33906.0.32", "LWM2M-33906.0.33", "LWM2M-33906.0.22", "LWM2M-33906.0.23", "NET-25", "NET-33")
@device_time("10 min")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize(("connection", "settings"), [("dm", (32, 33)), ("mdm", (22, 23))])
def test_the_timers_written_over_dm_are_those_of_the_handshake(security, bench, dm, panel, measure, connection,
                                                               settings):
    shortest, longest = (f"/33906/0/{number}" for number in settings)
    security.join(connection)
    before = dm.read(shortest), dm.read(longest)
    dm.write(shortest, 10)
    dm.write(longest, 20)
    with security.silence(connection):
        begun = restart(panel)
        bench.clock.sleep(3 * minutes)
    hellos = security.client_hellos(connection, begun)
    assert len(hellos) > 1, "no ClientHello was repeated"
    measure("dtls.first_gap.set", hellos[1] - hellos[0])
    dm.wait_for_registration(3 * 24 * hours, after=begun)
    dm.write(shortest, before[0])
    dm.write(longest, before[1])


@req("SEC-04", "NET-25")
@device_time("15 min")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize(("action", "flight", "times", "delay"), [
    ("drop", 2, 1, 0.0), ("drop", 4, 1, 0.0), ("drop", 6, 1, 0.0), ("duplicate", 4, 1, 0.0), ("delay", 4, 1, 70.0),
    ("corrupt", 6, 1, 0.0)])
def test_a_handshake_survives_a_bad_flight(security, dm, panel, action, flight, times, delay):
    security.join("dm")
    security.spoil_flight("dm", action, flight, times=times, delay=delay)
    begun = restart(panel)
    dm.wait_for_registration(10 * minutes, after=begun)
    assert security.sessions("dm", begun)
    assert dm.read("/3/0/0") == "Elvaco"


@req("SEC-04", "NET-26")
@device_time("40 min")
@needs("nfc")
@in_regression
def test_a_server_that_has_lost_the_session_gets_a_new_handshake(security, bench, dm, bootstrap):
    bootstrap.give(dm_lifetime_s=600)
    security.join("dm", settings=QUICK)
    security.forget_sessions("dm")
    lost = bench.clock.time()
    security.wait_for_session("dm", 30 * minutes, after=lost)
    dm.wait_for_registration(10 * minutes, after=lost)
    assert dm.read("/3/0/0") == "Elvaco"


@req("SEC-05", "NET-34")
@device_time("30 min")
@needs("nfc")
@in_regression
def test_a_gateway_that_has_lost_the_session_gets_the_data_after_all(security, bench, dm, gateway):
    security.join("mdm", settings=QUICK)
    security.forget_sessions("mdm")
    lost, arrived = bench.clock.time(), gateway.count
    dm.execute(TRIGGER_READOUT)
    dm.stay_in_touch(5 * minutes)
    dm.execute(TRIGGER_READOUT)
    gateway.wait_for_telegram(timeout=20 * minutes, after=arrived)
    assert security.sessions("mdm", lost)


@req("SEC-05", "NET-31", "RETX-01")
@device_time("10 min")
@in_regression
def test_a_lost_acknowledgement_is_asked_for_again_in_the_same_session(security, bench, dm, gateway):
    security.join("mdm")
    begun = bench.clock.time()
    gateway.next(Puback).drop()
    send_readout(dm, gateway)
    bench.clock.sleep(5 * minutes)
    sent = [text for text in security.secure_messages("mdm", begun) if "PUBLISH" in text]
    assert len(sent) == 2 and "DUP" in sent[1].upper(), sent
    assert not security.client_hellos("mdm", begun)


@req("SEC-05", "NET-02")
@device_time("8 h")
@needs("cell.nat", "nfc")
@in_regression
def test_data_arrive_in_dtls_through_an_address_translation_that_forgets(security, bench, gateway):
    """A session without connection id ends with the unit's source port: then it takes a new handshake."""
    security.join("mdm", settings={
        "apn_mode": "Manual", "apn": bench.station.file.cell.nat_apn, "transmit_interval": 60, "transmit_offset": 1,
        "transmit_delay": 5})
    begun = bench.clock.time()
    bench.clock.sleep(8 * hours)
    hours_sent = {sent.time.replace(minute=0) for one in gateway.arrivals() for sent in one.telegram.readouts}
    assert len(hours_sent) >= 6, f"readouts of {len(hours_sent)} hours in 8 hours"
    bench.step(f"{len(security.sessions('mdm', begun))} new handshakes in 8 hours")
    assert not security.plain_messages("mdm", begun)


# -- payloads


@req("PAY-SENML-35")
@device_time("8 h")
@needs("nfc")
@in_regression
def test_a_telegram_with_dtls_is_not_larger_than_one_without(security, bench, gateway, measure):
    """Telegrams are filled up; how much fits may depend on DTLS."""
    settings = {"message_encoding": "SenML/CBOR", "readout_interval": 5, "report_interval": 5, "transmit_interval": 60,
                "transmit_offset": 0, "transmit_delay": 5}

    def largest():
        arrived = gateway.count
        bench.clock.sleep(4 * hours)
        return max(len(arrival.payload) for arrival in gateway.arrivals(since=arrived))

    security.join(settings=settings)
    plain = largest()
    security.join("mdm", settings=settings)
    secure = largest()
    measure("payload.largest.plain", plain)
    measure("payload.largest.dtls", secure)
    assert secure <= plain
    assert not security.failures("mdm")
