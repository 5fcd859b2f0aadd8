"""DTLS between the unit and its servers: three connections, right and wrong keys, downgrade, new keys; manual 6.2.

The bench's own commissioning has no DTLS; ``security.join`` names the connections that have it. Which form the
identity has, and which suite is taken, is not printed: both are on the timeline.
"""

from itertools import pairwise

import pytest

from bench.manual.paths import Device, FirmwareUpdate, McmConfig, MdmServer, NbIotStatus, Security1, Server0, Server1
from fixtures.dtls_numbers import AEAD, SIGNALS, WEAK
from fixtures.gateway import Puback
from fixtures.judging import first_of
from fixtures.outcomes import BootstrapOutcome, DmRefused
from fixtures.restarts import HOW
from fixtures.security import CONNECTIONS, Psk
from fixtures.words import device_time, ets, everywhere, hours, in_regression, minutes, needs, req, s

pytestmark = needs("dtls")

OK, DTLS_FAILED, IDLE = 0, 3, 7
"""MDM connection status."""
QUICK = {"sequence_retry_delay": 60, "communication_retry_delay": 60, "coap_ack_timeout": 5,
         "lwm2m_dtls_min_timeout": 10, "lwm2m_dtls_max_timeout": 20, "mdm_dtls_min_timeout": 10,
         "mdm_dtls_max_timeout": 20}
"""A unit that gives a server up within minutes (Tables 9 and 12)."""
ALERT = 21
"""A DTLS record of that type (RFC 6347)."""
NEW_DM_KEY = Psk(bytes.fromhex("6d7a0c5be1f2498385a6c7d8091a2b3c"))
NEW_MDM_KEY = Psk(bytes.fromhex("f10e2d3c4b5a69788796a5b4c3d2e1f0"))
NEW_KEYS = {
    "16 octets": (NEW_DM_KEY, NEW_MDM_KEY),
    "a zero inside": (Psk(bytes.fromhex("6d7a000be1f2498385a6c7d8091a2b3c")),
                      Psk(bytes.fromhex("f10e00014b5a69788796a5b4c3d2e1f0"))),
    "32 octets": tuple(Psk(bytes(range(first, first + 32))) for first in (0x21, 0x61)),
    "64 octets": tuple(Psk(bytes(range(first, first + 64))) for first in (0x31, 0x91)),
}


def send_readout(dm, gateway):
    """A readout asked for over DM, as it arrives."""
    arrived = gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    return gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)


def restart(panel):
    """A reboot by the button, which no server has a part in; when."""
    return panel.press(6 * s)[1]


# -- three connections


@req("SEC-01", "SEC-04", "SEC-05", "SEC-11")
@device_time("15 min")
@needs("panel.button")
@in_regression
def test_a_client_hello_offers_nothing_weak_and_never_the_same_random(security, dm, panel):
    security.join(*CONNECTIONS)
    begun = restart(panel)
    dm.wait_for_registration(10 * minutes, after=begun)
    randoms = []
    for connection in CONNECTIONS:
        hellos = [hello.message for hello in security.hellos(connection)]
        first = first_of(hellos, f"a ClientHello at the {connection} server")
        assert first.version == 0xFEFD, f"{connection}: version 0x{first.version:04x} is not DTLS 1.2"
        assert set(first.compression) == {0}, f"{connection}: compression is offered"
        offered = [suite for suite in first.suites if suite not in SIGNALS]
        weak = [f"0x{suite:04x}" for suite in offered if suite in WEAK]
        assert not weak, f"{connection}: weak suites are offered: {', '.join(weak)}"
        ranks = [suite not in AEAD for suite in offered]
        assert ranks == sorted(ranks), f"{connection}: a suite without AEAD is preferred to one with it"
        randoms += dict.fromkeys(hello.random for hello in hellos)
    assert len(randoms) >= 4, f"{len(randoms)} handshakes"
    assert len(set(randoms)) == len(randoms), "two handshakes have the same random"
    assert all(len(set(random[4:])) > 8 for random in randoms), "a random of few different octets"


@req("SEC-01", "LWM2M-0.0.3", "LWM2M-0.1.3", "SEC-07", "NET-01")
@ets("int-1", "int-401")
@device_time("4 min")
@everywhere
def test_all_three_connections_shake_hands_in_dtls_1_2_by_the_units_own_name(security, unit, dm):
    """With the keys that the unit was delivered with: the bootstrap writes addresses only."""
    security.refuse_plain(*CONNECTIONS)
    security.join(*CONNECTIONS)
    serial = dm.read(Device.SERIAL_NUMBER)
    assert serial.upper() == unit.deveui, f"the unit {unit.deveui} gives the serial number {serial!r}"
    for connection in CONNECTIONS:
        session = first_of(security.sessions(connection), f"a DTLS session with the {connection} server")
        assert session.version == "DTLS 1.2", f"with the {connection} server it speaks {session.version}"
        assert session.identity.upper() == unit.deveui, f"identity {session.identity!r} at the {connection} server"
        in_clear = security.plain_messages(connection)
        assert not in_clear, f"in clear to the {connection} server: {in_clear}"
        sent = [text for text, _ in security.wire(connection)]
        finished = first_of((number for number, text in enumerate(sent) if "ChangeCipherSpec" in text),
                            "a ChangeCipherSpec")
        assert not [text for text in sent[:finished] if "application data" in text], "data before the handshake's end"


@req("SEC-01", "LWM2M-0.0.3", "LWM2M-0.1.3")
@device_time("8 min")
@in_regression
def test_the_unit_has_the_same_name_at_each_bootstrap(security, unit, bench):
    begun = bench.clock.time()
    for _ in range(2):
        security.join(*CONNECTIONS)
    for connection in CONNECTIONS:
        names = [session.identity.upper() for session in security.sessions(connection, begun)]
        assert len(names) >= 2 and set(names) == {unit.deveui}, f"identities at the {connection} server: {names}"


@req("SEC-01", "SEC-04", "SEC-05")
@device_time("40 min")
@needs("firmware")
@in_regression
def test_a_whole_cycle_passes_in_dtls(secured_unit, security, bench, dm, gateway, firmware):
    before = bench.clock.time()
    dm.write(McmConfig.METER_REPORT_INTERVAL, 30)
    dm.expect(McmConfig.METER_REPORT_INTERVAL, 30)
    dm.write(McmConfig.METER_REPORT_INTERVAL, 60)
    assert send_readout(dm, gateway).telegram.readouts, "a telegram without a readout"
    image = firmware.other_than(dm.read(Device.FIRMWARE_VERSION))
    dm.write(FirmwareUpdate.PACKAGE_URI, firmware.serve(image.served))
    while dm.read(FirmwareUpdate.STATE) != 2:
        assert bench.clock.time() - before < 1 * hours, "no firmware downloaded"
        bench.clock.sleep(10 * s)
    updated = bench.clock.time()
    dm.execute(FirmwareUpdate.UPDATE)
    dm.wait_for_registration(15 * minutes, after=updated)
    dm.expect(Device.FIRMWARE_VERSION, image.version)
    assert send_readout(dm, gateway).telegram.readouts, "a telegram without a readout"
    for connection in CONNECTIONS:
        in_clear = security.plain_messages(connection)
        assert not in_clear, f"in clear to the {connection} server: {in_clear}"


@req("SEC-02", "LWM2M-0.1.2", "LWM2M-33905.0.2", "OTC-T9-03", "LWM2M-0.0.2")
@device_time("10 min")
@in_regression
@pytest.mark.parametrize("clear", [pytest.param("bootstrap", marks=needs("settings.nfc.write")), "dm", "mdm"])
def test_each_connection_works_without_dtls_while_the_others_have_it(security, dm, gateway, clear):
    security.join(*(connection for connection in CONNECTIONS if connection != clear))
    assert send_readout(dm, gateway).telegram.readouts, "a telegram without a readout"
    for connection in CONNECTIONS:
        if connection == clear:
            assert security.plain_messages(connection), \
                f"the {connection} server is told of in clear, and heard nothing so"
            sessions = security.sessions(connection)
            assert not sessions, f"the {connection} server is told of in clear, and got {len(sessions)} DTLS session(s)"
        else:
            assert security.secure_messages(connection), f"the {connection} server heard nothing in DTLS"
            assert not security.plain_messages(connection), f"{connection} in clear"


@req("SEC-02", "SEC-05", "LWM2M-33905.0.2")
@device_time("30 min")
@in_regression
@pytest.mark.parametrize("had", ["DTLS", "none"])
def test_the_security_mode_of_meter_data_counts_on_a_way_that_is_in_use(security, bench, dm, gateway, had):
    """The server stays: what comes there is looked at, though it does not understand it."""
    security.join("dm", *(["mdm"] if had == "DTLS" else []), settings=QUICK)
    usual, other = (0, 3) if had == "DTLS" else (3, 0)
    send_readout(dm, gateway)
    for mode in (other, usual):
        written = bench.clock.time()
        dm.write(MdmServer.TRANSPORT_SECURITY_MODE, mode)
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        dm.stay_in_touch(3 * minutes)
        sent = [datagram for _, datagram in security.wire("mdm", written) if datagram[0] != ALERT]    # a good-bye
        assert sent, f"nothing was sent in mode {mode}"
        secured = {20 <= datagram[0] <= 25 and datagram[1] == 0xFE for datagram in sent}
        assert secured == {mode == 0}, f"meter data {'in clear' if mode == 0 else 'with DTLS'} in mode {mode}"


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
    assert air, "no datagram of the unit was seen on the air"
    for name, secret in secrets.items():
        assert not any(secret in datagram for datagram in air), f"{name} is readable on the air"


@req("SEC-17")
@device_time("5 min")
@in_regression
def test_nothing_but_coap_mqtt_sn_and_dtls_is_spoken(secured_unit, bench, dm):
    """No OSCORE option (9), and no name that would need DNS."""
    serial = dm.read(Device.SERIAL_NUMBER)
    assert serial.upper() == secured_unit.deveui, f"the unit {secured_unit.deveui} gives the serial number {serial!r}"
    malformed = bench.seen(kind="malformed")
    assert not malformed, f"datagrams that are none of the three: {[seen.data for seen in malformed]}"
    oscore = [seen for seen in bench.seen(kind="message", direction="in")
              if any(number == 9 for number, _ in seen.data.get("options", []))]
    assert not oscore, f"messages with the OSCORE option: {[seen.data for seen in oscore]}"
    bench.step(f"the URI of the meter data server is {dm.read(MdmServer.URI)}")


# -- wrong keys


def others(connection):
    """Keys that are not that connection's."""
    return ("zeros", "another", "last bit", "first bit", "one octet more",
            *(other for other in CONNECTIONS if other != connection))


@req("SEC-04", "LWM2M-0.1.4")
@device_time("20 min")
@in_regression
@pytest.mark.parametrize(("key", "alert"), [*((key, False) for key in others("dm")), ("another", True)])
def test_a_dm_server_with_the_wrong_key_gets_no_registration(security, bench, dm, key, alert):
    security.join(settings=QUICK)
    security.server_knows("dm", security.wrong_key("dm", key))
    if alert:
        security.alert_on_a_wrong_key("dm")
    security.give("dm")
    asked = bench.clock.time()
    dm.execute(Server0.BOOTSTRAP_REQUEST_TRIGGER)
    bench.clock.sleep(10 * minutes)
    tried = bench.clock.time()
    assert security.client_hellos("dm", asked), "no handshake was tried"
    assert not security.sessions("dm", asked), f"the key {key!r} opens a session"
    assert not dm.history(asked), "the unit has registered"
    security.server_knows_the_right_key("dm")
    dm.wait_for_registration(20 * minutes, after=tried)
    assert security.sessions("dm", tried), "a registration without a session"


@req("SEC-05", "LWM2M-33907.0.10", "LWM2M-33905.0.5")
@device_time("20 min")
@in_regression
@pytest.mark.parametrize("key", others("mdm"))
def test_a_gateway_with_the_wrong_key_gets_no_data(security, unit, bench, dm, gateway, key):
    security.join(settings=QUICK)
    security.server_knows("mdm", security.wrong_key("mdm", key))
    security.give("mdm")
    asked = unit.bootstrap_again()
    arrived = gateway.count
    dm.stay_in_touch(5 * minutes)
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    statuses = set()
    for _ in range(30):
        bench.clock.sleep(10 * s)
        statuses.add(dm.read(NbIotStatus.MDM_CONNECTION_STATUS))
    assert security.client_hellos("mdm", asked), "no handshake was tried"
    assert not security.sessions("mdm", asked), f"the key {key!r} opens a session"
    assert gateway.count == arrived, "meter data arrived"
    assert DTLS_FAILED in statuses and OK not in statuses, f"connection status {sorted(statuses)}"
    security.server_knows_the_right_key("mdm")
    security.wait_for_session("mdm", 10 * minutes, after=bench.clock.time())
    bench.clock.sleep(30 * s)
    send_readout(dm, gateway)
    status = dm.read(NbIotStatus.MDM_CONNECTION_STATUS)
    assert status in (OK, IDLE), f"connection status {status} after a telegram that arrived"


@req("SEC-01", "LWM2M-0.0.4")
@device_time("20 min")
@needs("settings.nfc.write")
@in_regression
@pytest.mark.parametrize("key", others("bootstrap"))
def test_a_bootstrap_server_with_the_wrong_key_is_not_obeyed(security, unit, bench, bootstrap, dm, key):
    security.server_knows("bootstrap", security.wrong_key("bootstrap", key))
    unit.make_passive()
    begun = bench.clock.time()
    unit.write_settings(QUICK | security.commissioning() | {"power_mode": "Active"})
    bench.clock.sleep(10 * minutes)
    assert security.client_hellos("bootstrap", begun), "no handshake was tried"
    assert not bootstrap.sequences(begun), f"the key {key!r} opens a session"
    assert dm.registration is None or dm.registration.registered_at < begun, "the unit has registered"
    security.server_knows_the_right_key("bootstrap")
    bootstrap.wait_for(BootstrapOutcome.FINISHED, 20 * minutes, after=begun)


@req("SEC-04", "LWM2M-0.1.3")
@device_time("20 min")
@in_regression
def test_a_server_that_does_not_know_the_unit_is_asked_by_the_units_own_name_only(security, unit, bench, dm):
    security.join(settings=QUICK)
    security.server_knows("dm", None)
    security.give("dm")
    asked = bench.clock.time()
    dm.execute(Server0.BOOTSTRAP_REQUEST_TRIGGER)
    bench.clock.sleep(10 * minutes)
    unknown = [text for text in security.failures("dm", asked) if "unknown identity" in text]
    assert unknown, "no handshake with a server that does not know the unit has failed for that reason"
    assert all(unit.deveui in text.upper() or repr(bytes.fromhex(unit.deveui)) in text for text in unknown), unknown
    assert not security.sessions("dm", asked), "there is a session with a server that does not know the unit"


# -- downgrade


@req("SEC-11", "SEC-01")
@device_time("20 min")
@in_regression
@pytest.mark.parametrize("connection", ["dm", "mdm"])
def test_dtls_1_0_is_not_accepted(security, bench, dm, gateway, connection):
    security.join(settings=QUICK)
    arrived = gateway.count
    security.offer_only_dtls_1_0(connection)
    security.give(connection)
    asked = bench.clock.time()
    dm.execute(Server0.BOOTSTRAP_REQUEST_TRIGGER)
    bench.clock.sleep(10 * minutes)
    assert security.client_hellos(connection, asked), "no handshake was tried"
    assert not security.sessions(connection, asked), "there is a session with a server that offers DTLS 1.0 only"
    if connection == "dm":
        assert not dm.history(asked), "the unit has registered"
    else:
        assert gateway.count == arrived, f"{gateway.count - arrived} telegram(s) came without a session"


@req("SEC-01", "LWM2M-0.1.2")
@device_time("20 min")
@in_regression
def test_a_server_without_dtls_hears_no_word_in_clear(security, bench, dm, bootstrap):
    """Told to use DTLS, the unit must not give it up because the server doesn't answer it."""
    security.join("dm", settings=QUICK)
    bootstrap.give(dm_uri=bench.backend.uris.dm, dm_security_mode=0)
    asked = bench.clock.time()
    dm.execute(Server0.BOOTSTRAP_REQUEST_TRIGGER)
    bench.clock.sleep(10 * minutes)
    assert bench.seen("dm", "malformed", after=asked, direction="in"), "no handshake was tried"
    in_clear = security.plain_messages("dm", asked)
    assert not in_clear, f"told to use DTLS, the unit sends in clear: {in_clear}"
    assert not dm.history(asked), "the unit has registered"


# -- new keys


@req("SEC-06", "ACT-13", "LWM2M-0.1.0", "LWM2M-0.1.4", "LWM2M-33905.0.0", "LWM2M-33905.0.5")
@device_time("40 min")
@needs("second.servers")
@in_regression
@pytest.mark.parametrize("kind", NEW_KEYS)
def test_a_bootstrap_moves_the_unit_to_other_servers_with_new_keys(security, bench, dm, gateway, bootstrap, kind):
    """The new keys work there, the old ones no more, nor one that differs in its last octet; and the server that
    manages the unit can't write its own key. How long a key may be is not printed (G14): a unit may refuse another
    length than that of its own, and then it says so."""
    new_dm, new_mdm = NEW_KEYS[kind]
    security.join(*CONNECTIONS, settings=QUICK)
    other_dm, other_gateway = security.second_servers()
    security.move(dm=new_dm, mdm=new_mdm)
    moved = bench.clock.time()
    dm.execute(Server0.BOOTSTRAP_REQUEST_TRIGGER)
    sequence = bootstrap.wait_for_request(10 * minutes, after=moved)
    bench.expect(lambda: sequence.outcome is not BootstrapOutcome.RUNNING, 10 * minutes, "the end of the bootstrap")
    if sequence.outcome is BootstrapOutcome.REFUSED and len(new_dm.octets) != len(security.own_key("dm").octets):
        bench.step(f"keys of {len(new_dm.octets)} octets are refused")
        return
    other_dm.wait_for_registration(20 * minutes, after=moved)
    other_gateway.wait_for_telegram(timeout=15 * minutes, after=0)
    settled, arrived = bench.clock.time(), gateway.count
    assert security.sessions("dm-2", moved), "no session with the other DM server"
    assert security.sessions("mdm-2", moved), "no session with the other gateway"
    for path in ("/0/1/5", Security1.SECRET_KEY):
        other_dm.expect_refusal(other_dm.refusal(path, new_mdm.octets), ("4.01", "4.04", "4.05"), f"writing {path}")

    for name, wrong in (("the old key", security.own_key("dm")), ("one with another last octet", neighbour(new_dm))):
        security.server_knows("dm-2", wrong)
        tried = bench.clock.time()
        other_dm.execute(Device.REBOOT)
        bench.clock.sleep(5 * minutes)
        assert security.client_hellos("dm-2", tried), "no handshake was tried"
        assert not security.sessions("dm-2", tried), f"{name} works"
        security.server_knows("dm-2", new_dm)
        other_dm.wait_for_registration(20 * minutes, after=tried)
    assert gateway.count == arrived, "a telegram at the old gateway"
    assert not security.client_hellos("mdm", settled), "the old gateway was called"


def neighbour(key):
    return Psk(key.octets[:-1] + bytes((key.octets[-1] ^ 1,)))


@req("SEC-06", "LWM2M-0.1.4", "LWM2M-33905.0.5", "LWM2M-33905.0.2", "SEC-13", "LWM2M-1.1.0", "LWM2M-1.1.1")
@device_time("40 min")
@needs("supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("how", HOW)
def test_new_keys_and_accounts_outlive_each_restart(security, bench, dm, gateway, bootstrap, restarts, how):
    security.join("dm", "mdm", settings=QUICK)
    bootstrap.give(dm_lifetime_s=7200, dm_short_server_id=4711)
    security.rekey(dm=NEW_DM_KEY, mdm=NEW_MDM_KEY)
    asked = bench.clock.time()
    dm.execute(Server0.BOOTSTRAP_REQUEST_TRIGGER)
    dm.wait_for_registration(20 * minutes, after=asked)
    begun = restarts.and_back(how)
    security.wait_for_session("dm", 1 * minutes, after=asked)
    send_readout(dm, gateway)
    security.wait_for_session("mdm", 1 * minutes, after=asked)
    for connection in ("dm", "mdm"):
        assert not security.plain_messages(connection, begun), f"{connection} in clear after a restart ({how})"
    account = dm.read(Server1.SHORT_SERVER_ID), dm.read(Server1.LIFETIME), dm.registration.lifetime_s
    assert account == (4711, 7200, 7200), f"the account after a restart ({how})"


@req("LWM2M-33905.0.5", "LWM2M-33905.0.2", "SEC-05")
@device_time("20 min")
@needs("panel.button", "supply.voltage")
@in_regression
@pytest.mark.parametrize("how", HOW)
def test_the_key_for_meter_data_can_be_written_over_dm(security, dm, gateway, restarts, how):
    security.join("dm", "mdm", settings=QUICK)
    security.write_mdm_key(NEW_MDM_KEY)
    begun = restarts.and_back(how)
    security.wait_for_session("mdm", 10 * minutes, after=begun - 1 * minutes)
    assert send_readout(dm, gateway).telegram.newest, "no readout after the restart"


@req("LWM2M-33905.0.5", "SEC-05")
@device_time("20 min")
@in_regression
def test_a_session_ends_with_its_key(security, bench, dm, gateway):
    """A telegram that follows a new key goes through a handshake that was made with it."""
    security.join("dm", "mdm", settings=QUICK)
    send_readout(dm, gateway)
    written = bench.clock.time()
    security.write_mdm_key(NEW_MDM_KEY)
    arrival = send_readout(dm, gateway)
    after = [session for session in security.sessions("mdm", written) if session.time < arrival.time]
    assert after, "the telegram came in the session of the old key"


@req("LWM2M-33905.0.5", "SEC-05")
@device_time("20 min")
@in_regression
@pytest.mark.parametrize("kind", NEW_KEYS)
def test_a_key_for_meter_data_of_any_length_is_used_or_refused(security, bench, dm, gateway, kind):
    """Which lengths there are is not printed (G14): what a unit takes it uses, what it refuses changes nothing."""
    _, key = NEW_KEYS[kind]
    security.join("dm", "mdm", settings=QUICK)
    send_readout(dm, gateway)
    written, refused = bench.clock.time(), ""
    try:
        security.write_mdm_key(key)
    except DmRefused as refusal:
        refused = refusal.code
        security.server_knows_the_right_key("mdm")
    if refused:
        bench.step(f"a key of {len(key.octets)} octets is refused with {refused}")
        assert len(key.octets) != len(security.own_key("mdm").octets), f"a key as long as its own: {refused}"
    else:
        arrival = send_readout(dm, gateway)
        used = [session for session in security.sessions("mdm", written) if session.time < arrival.time]
        assert used, "the telegram came in the session of the old key"
    assert send_readout(dm, gateway).telegram.newest, "no readout after the key was written"


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
    assert attempt, f"no ClientHello within 150 s of the first, they came at {hellos}"
    measure("dtls.longest_gap", max(attempt))


DTLS_TIMERS = {"dm": ("lwm2m_dtls_min_timeout", "lwm2m_dtls_max_timeout"),
               "mdm": ("mdm_dtls_min_timeout", "mdm_dtls_max_timeout")}
STATEMENTS = {"dm": ("NET-25", "OTC-T9-06", "OTC-T9-07", "LWM2M-33906.0.32", "LWM2M-33906.0.33"),
              "mdm": ("NET-33", "OTC-T12-03", "OTC-T12-04", "LWM2M-33906.0.22", "LWM2M-33906.0.23")}


@device_time("40 min")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize("connection", [pytest.param(one, marks=req(*STATEMENTS[one])) for one in DTLS_TIMERS])
@pytest.mark.parametrize(("shortest", "longest"), [(1, 4), (300, 700), (37, 90)])
@pytest.mark.parametrize("way", [pytest.param("NFC", marks=needs("settings.nfc.write")), "DM"])
def test_the_timers_that_are_set_are_those_of_the_handshake(security, effects, bench, panel, measure, connection,
                                                            shortest, longest, way):
    first, last = DTLS_TIMERS[connection]
    security.join(connection)
    if not (effects.write(way, last, longest) and effects.write(way, first, shortest)):
        return
    with security.silence(connection):
        begun = restart(panel)
        bench.clock.sleep(2 * minutes + 3 * longest)
    hellos = security.hellos(connection, begun)
    attempt = [one.time for one in hellos if one.message.random == hellos[0].message.random]
    assert len(attempt) > 1, "no ClientHello was repeated"
    gaps = [later - earlier for earlier, later in pairwise(attempt)]
    measure("dtls.first_gap.off", gaps[0] - shortest)
    assert max(gaps) <= longest + 3, f"a ClientHello came {max(gaps):.0f} s after the one before, set are {longest} s"


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
    assert security.sessions("dm", begun), f"no session after flight {flight} was met with: {action}"
    dm.expect(Device.MANUFACTURER, "Elvaco")


@req("SEC-04", "NET-26")
@device_time("40 min")
@in_regression
def test_a_server_that_has_lost_the_session_gets_a_new_handshake(security, bench, dm, bootstrap):
    bootstrap.give(dm_lifetime_s=600)
    security.join("dm", settings=QUICK)
    security.forget_sessions("dm")
    lost = bench.clock.time()
    security.wait_for_session("dm", 30 * minutes, after=lost)
    dm.wait_for_registration(10 * minutes, after=lost)
    dm.expect(Device.MANUFACTURER, "Elvaco")


@req("SEC-05", "NET-34")
@device_time("30 min")
@in_regression
def test_a_gateway_that_has_lost_the_session_gets_the_data_after_all(security, bench, dm, gateway):
    security.join("mdm", settings=QUICK)
    security.forget_sessions("mdm")
    lost, arrived = bench.clock.time(), gateway.count
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    dm.stay_in_touch(5 * minutes)
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    gateway.wait_for_telegram(timeout=20 * minutes, after=arrived)
    assert security.sessions("mdm", lost), "the telegram came, and there is no new session with the gateway"


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
    hellos = security.client_hellos("mdm", begun)
    assert not hellos, f"one lost acknowledgement led to {len(hellos)} new handshake(s)"


@req("SEC-05", "NET-02")
@device_time("8 h")
@needs("cell.nat", "settings.nfc.write")
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
    in_clear = security.plain_messages("mdm", begun)
    assert not in_clear, f"in clear to the gateway: {in_clear}"


CONNECTION_ID = 54
"""The extension's number (RFC 9146, section 3)."""


@req("SEC-04", "SEC-05", "NET-02")
@device_time("4 h")
@needs("cell.nat", "settings.nfc.write")
@in_regression
def test_a_session_with_a_connection_id_goes_on_from_another_address(security, bench, dm, bootstrap, gateway):
    """Once both sides have agreed on it every record has it, also after sleep, and the server finds the session by it,
    from wherever the record comes."""
    bootstrap.give(dm_lifetime_s=1800)
    security.join("dm", "mdm", settings={
        "apn_mode": "Manual", "apn": bench.station.file.cell.nat_apn, "transmit_interval": 60, "transmit_offset": 1,
        "transmit_delay": 5})
    hellos = [hello.message for connection in ("dm", "mdm") for hello in security.hellos(connection)]
    if not any(CONNECTION_ID in dict(hello.extensions) for hello in hellos):
        bench.step("the unit offers no connection id")
        return
    begun = bench.clock.time()
    bench.clock.sleep(4 * hours)
    for connection in ("dm", "mdm"):
        bench.step(f"{connection}: {len(security.moves(connection, begun))} changes of the address, "
                   f"{len(security.sessions(connection, begun))} new handshakes in 4 hours")
        failures = security.failures(connection, begun)
        assert not failures, f"{connection}: {len(failures)} failures, the first {failures[0]}"
    hours_sent = {sent.time.replace(minute=0) for one in gateway.arrivals() for sent in one.telegram.readouts}
    assert len(hours_sent) >= 3, f"readouts of {len(hours_sent)} hours in 4 hours"
    ended = [event.event.value for event in dm.history(begun) if event.event.value not in ("updated", "registered")]
    assert not ended, f"the registration has {ended[0]}"


# -- payloads


@req("PAY-SENML-35")
@device_time("20 h")
@in_regression
def test_a_telegram_with_dtls_is_not_larger_than_one_without(security, bench, gateway, measure):
    """Each transmission has 48 readouts, so that telegrams are filled up; how much fits may depend on DTLS."""
    settings = {"message_encoding": "SenML/CBOR", "readout_interval": 5, "report_interval": 5, "transmit_interval": 240,
                "transmit_offset": 1, "transmit_delay": 5, "max_uploads_per_transmission": 10,
                "auto_upload_max_age": 300}

    def largest():
        arrived = gateway.count
        bench.clock.sleep(9 * hours)
        sizes = [len(arrival.payload) for arrival in gateway.arrivals(since=arrived)]
        assert sizes, "no telegram in nine hours"
        return max(sizes)

    security.join(settings=settings)
    plain = largest()
    security.join("mdm", settings=settings)
    secure = largest()
    measure("payload.largest.plain", plain)
    measure("payload.largest.dtls", secure)
    assert secure <= plain, f"{secure} octets with DTLS, {plain} without"
    assert not security.failures("mdm"), f"DTLS failed: {security.failures('mdm')}"
