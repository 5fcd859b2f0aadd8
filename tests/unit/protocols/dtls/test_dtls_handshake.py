"""Both roles against each other: suites, options, identities, keys, refusals. tests/interop has other peers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dtls_world import DEV_EUI, KEY, TEXT_IDENTITY, World, client_options, one

from bench.protocols.dtls import (
    ALL_SUITES,
    AlertDescription,
    AlertLevel,
    AlertReceived,
    AlertSent,
    CipherSuite,
    ClientOptions,
    Closed,
    Data,
    Dropped,
    DtlsClient,
    Established,
    Faults,
    NotEstablished,
    Reaction,
    Send,
    ServerOptions,
)
from bench.protocols.dtls.faults import Bend
from bench.protocols.dtls.handshake import (
    ChangeCipherSpec,
    ClientHello,
    ClientKeyExchange,
    Finished,
    HandshakeMessage,
    HelloVerifyRequest,
    ServerHello,
)

FATAL = AlertLevel.FATAL
Part = HandshakeMessage | ChangeCipherSpec


@pytest.mark.parametrize("suite", ALL_SUITES)
@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("cookies", [True, False])
@pytest.mark.parametrize("connection_id", [True, False])
def test_every_suite_and_option_gives_a_session(suite: CipherSuite, extended: bool, cookies: bool,
                                                connection_id: bool) -> None:
    world = World(client_options(suites=(suite,), connection_id=b"unit" if connection_id else None),
                  ServerOptions(extended_master_secret=extended, cookies=cookies,
                                connection_id_length=8 if connection_id else None)).connect()
    expected = Established(DEV_EUI, suite, extended, connection_id)
    assert one(Established, world.client_events) == expected
    assert one(Established, world.server_events) == expected
    assert len(world.sent) == (6 if cookies else 4)
    for size in (0, 1, 15, 16, 17, 1200, 16384):
        world.echo(bytes(size))


@pytest.mark.parametrize("extended", [True, False])
def test_the_server_does_without_extended_master_secret_when_the_client_does(extended: bool) -> None:
    world = World(client_options(extended_master_secret=extended)).connect()
    assert one(Established, world.server_events).extended_master_secret is extended
    world.echo()


@pytest.mark.parametrize("octets", [16, 17, 32, 48, 63, 64])
def test_keys_of_16_to_64_octets_work(octets: int) -> None:
    key = bytes(range(octets))
    World(client_options(key=key), keys={DEV_EUI: key}).connect().echo()


@pytest.mark.parametrize("octets", [0, 15, 65])
def test_other_keys_are_refused_without_being_shown(octets: int) -> None:
    key = b"\xa5" * octets
    with pytest.raises(ValueError, match=f"a key of {octets} octets") as refused:
        ClientOptions(identity=DEV_EUI, key=key)
    assert "a5a5" not in str(refused.value)
    assert "\\xa5" not in str(refused.value)
    world = World(keys={DEV_EUI: key}).connect()
    assert AlertReceived(FATAL, AlertDescription.INTERNAL_ERROR) in world.client_events
    assert f"the key of this identity has {octets} octets" in one(Closed, world.server_events).reason


@pytest.mark.parametrize("identity", [DEV_EUI, bytes(8), b"\0" + DEV_EUI[1:], TEXT_IDENTITY, b"\xff" * 40,
                                      b"x" * 128])
def test_the_server_tells_the_identity_octet_by_octet(identity: bytes) -> None:
    world = World(client_options(identity=identity), keys={identity: KEY}).connect()
    assert one(Established, world.server_events).identity == identity
    assert world.session.identity == identity


def test_the_server_chooses_by_its_own_preference() -> None:
    world = World(server=ServerOptions(suites=tuple(reversed(ALL_SUITES)))).connect()
    assert one(Established, world.client_events).suite is CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256


def test_a_server_can_force_a_suite_and_refuses_a_client_without_it() -> None:
    world = World(client_options(suites=(CipherSuite.TLS_PSK_WITH_AES_128_CCM_8,)),
                  ServerOptions(suites=(CipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256,))).connect()
    assert AlertReceived(FATAL, AlertDescription.HANDSHAKE_FAILURE) in world.client_events
    assert one(Closed, world.server_events).reason == (
        "no cipher suite in common, offered: TLS_PSK_WITH_AES_128_CCM_8, 0x00ff")


def test_the_identity_hint_reaches_the_client() -> None:
    world = World(server=ServerOptions(identity_hint=b"mdm")).connect()
    assert world.client.identity_hint == b"mdm"
    world.echo()


@pytest.mark.parametrize("fragment_size", [1, 7, 20, 1024])
@pytest.mark.parametrize("packed", [True, False])
def test_messages_in_fragments_of_any_size_are_put_together(fragment_size: int, packed: bool) -> None:
    world = World(client_options(fragment_size=fragment_size, pack_flights=packed),
                  ServerOptions(fragment_size=fragment_size, pack_flights=packed, identity_hint=b"m" * 100)).connect()
    one(Established, world.client_events)
    world.echo()


def test_a_client_with_an_empty_connection_id_writes_the_servers_and_reads_without() -> None:
    world = World(client_options(connection_id=b""), ServerOptions(connection_id_length=4)).connect()
    world.sent.clear()
    world.echo()
    (_, _, up), (_, _, down) = world.sent
    assert (up[0], down[0]) == (25, 23)
    assert up[11:15] == world.session.connection_id


def test_connection_ids_are_used_only_when_both_want_them() -> None:
    for client, server in ((b"unit", None), (None, 8)):
        world = World(client_options(connection_id=client), ServerOptions(connection_id_length=server)).connect()
        assert one(Established, world.server_events).connection_id is False
        world.echo()


def test_a_wrong_key_is_answered_with_silence_and_the_client_gives_up_by_its_timers() -> None:
    world = World(client_options(key=bytes(16))).connect()
    assert not [event for event in world.client_events if isinstance(event, AlertReceived)]
    assert one(Closed, world.client_events).reason == "no answer to flight 5, sent 7 times"
    assert Dropped("record doesn't authenticate, wrong key?") in world.server_events
    assert world.server.sessions == ()


def test_a_wrong_key_can_be_answered_with_an_alert() -> None:
    world = World(client_options(key=bytes(16)), ServerOptions(wrong_key=Reaction.ALERT)).connect()
    assert AlertReceived(FATAL, AlertDescription.BAD_RECORD_MAC) in world.client_events
    assert one(Closed, world.client_events).reason == "fatal alert bad_record_mac received"


def test_an_unknown_identity_is_answered_with_alert_115() -> None:
    world = World(keys={}).connect()
    assert AlertReceived(FATAL, 115) in world.client_events
    assert AlertSent(FATAL, 115) in world.server_events
    assert one(Closed, world.server_events).reason == f"unknown identity {DEV_EUI!r}"


def test_an_unknown_identity_can_be_answered_with_silence() -> None:
    world = World(keys={}, server=ServerOptions(unknown_identity=Reaction.SILENCE)).connect()
    assert one(Closed, world.client_events).reason == "no answer to flight 5, sent 7 times"


def bent(kind: type[Part], **changes: object) -> Bend:
    def bend(message: Part) -> Part | None:
        return replace(message, **changes) if isinstance(message, kind) else message  # type: ignore[arg-type]
    return bend


def without(kind: type[Part]) -> Bend:
    return lambda message: None if isinstance(message, kind) else message


@pytest.mark.parametrize(("bend", "alert"), [
    (bent(ServerHello, version=0xFEFF), AlertDescription.PROTOCOL_VERSION),
    (bent(ServerHello, version=0xFEFC), AlertDescription.PROTOCOL_VERSION),
    (bent(ServerHello, suite=0xC0A9), AlertDescription.ILLEGAL_PARAMETER),
    (bent(ServerHello, compression=1), AlertDescription.ILLEGAL_PARAMETER),
    (bent(ServerHello, extensions=((22, b""),)), AlertDescription.UNSUPPORTED_EXTENSION),
    (bent(ServerHello, extensions=((54, b"\0"),)), AlertDescription.UNSUPPORTED_EXTENSION),
    (bent(ServerHello, extensions=((0xFF01, b"\1\0"),)), AlertDescription.HANDSHAKE_FAILURE),
    (bent(ServerHello, extensions=((23, b""), (23, b""))), AlertDescription.DECODE_ERROR),
    (bent(ServerHello, random=b"short"), AlertDescription.DECODE_ERROR),
    (without(ServerHello), AlertDescription.UNEXPECTED_MESSAGE),
    (bent(Finished, verify_data=bytes(12)), AlertDescription.DECRYPT_ERROR),
    (bent(Finished, verify_data=bytes(11)), AlertDescription.DECODE_ERROR),
])
def test_the_client_refuses_a_bent_server_with_the_right_alert(bend: Bend, alert: AlertDescription) -> None:
    world = World(server=ServerOptions(faults=Faults(bend=bend))).connect()
    assert AlertSent(FATAL, alert) in world.client_events
    assert not [event for event in world.client_events if isinstance(event, Established)]
    with pytest.raises(NotEstablished):
        world.client.send(b"data", world.now)


@pytest.mark.parametrize(("bend", "alert"), [
    (bent(ClientHello, version=0xFEFF), AlertDescription.PROTOCOL_VERSION),
    (bent(ClientHello, compression=b"\1"), AlertDescription.ILLEGAL_PARAMETER),
    (bent(ClientHello, extensions=((0xFF01, b"\1\0"),)), AlertDescription.HANDSHAKE_FAILURE),
    (bent(ClientHello, extensions=((54, b"\5abc"),)), AlertDescription.DECODE_ERROR),
    (without(ClientKeyExchange), None),
    (bent(Finished, verify_data=bytes(12)), AlertDescription.DECRYPT_ERROR),
])
def test_the_server_refuses_a_bent_client_with_the_right_alert(bend: Bend, alert: AlertDescription | None) -> None:
    world = World(client_options(faults=Faults(bend=bend)), ServerOptions(connection_id_length=8)).connect()
    if alert is not None:
        assert AlertSent(FATAL, alert) in world.server_events
        assert AlertReceived(FATAL, alert) in world.client_events
    assert world.server.sessions == ()


def test_a_client_with_a_bent_hello_gets_no_answer_when_it_is_malformed() -> None:
    world = World(client_options(faults=Faults(bend=bent(ClientHello, random=b"short")))).connect()
    assert Dropped("handshake message cut short") in world.server_events
    assert world.times("down") == []


def test_changecipherspec_left_out_stalls_the_handshake_until_the_timers_end() -> None:
    world = World(server=ServerOptions(faults=Faults(bend=without(ChangeCipherSpec)))).connect()
    assert one(Closed, world.client_events).reason == "no answer to flight 5, sent 7 times"


def test_a_client_gives_up_on_endless_hello_verify_requests() -> None:
    cookies = iter(range(100))

    def bend(message: Part) -> Part:
        return HelloVerifyRequest(bytes([next(cookies)])) if isinstance(message, HelloVerifyRequest) else message

    world = World(server=ServerOptions(faults=Faults(bend=bend))).connect()
    assert one(Closed, world.client_events).reason == "more than 5 HelloVerifyRequests"


def test_a_client_returns_the_longest_cookie_there_is() -> None:
    cookie = bytes(range(255))
    world = World(server=ServerOptions(faults=Faults(bend=bent(HelloVerifyRequest, cookie=cookie)))).connect(until=0.5)
    assert cookie in world.sent[2][2]


def test_close_notify_ends_both_ends() -> None:
    world = World().connect()
    world.from_client(world.client.close(world.now))
    world.run()
    assert one(Closed, world.client_events).reason == "closed by this end"
    assert one(Closed, world.server_events).reason == "closed by the peer"
    assert AlertReceived(AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY) in world.server_events
    assert world.server.sessions == ()
    assert world.client.close(world.now) == []


def test_the_server_can_close_too() -> None:
    world = World().connect()
    world.from_server(world.server.close(world.session, world.now))
    world.run()
    assert one(Closed, world.client_events).reason == "closed by the peer"
    assert world.server.sessions == ()


def test_a_fatal_alert_ends_a_session_and_a_warning_does_not() -> None:
    world = World().connect()
    session = world.session
    world.from_server(world.server.alert(session, AlertLevel.WARNING, AlertDescription.USER_CANCELED, world.now))
    world.run()
    world.echo()
    world.from_server(world.server.alert(session, FATAL, AlertDescription.INTERNAL_ERROR, world.now))
    world.run()
    assert one(Closed, world.client_events).reason == "fatal alert internal_error received"


def test_a_forged_plaintext_alert_does_not_end_a_session() -> None:
    world = World().connect()
    forged = bytes.fromhex("15fefd 0000 0000000000ff 0002 0250")
    world.from_client(world.client.receive(forged, world.now))
    world.from_server(world.server.receive("unit", forged, world.now))
    world.echo()


def test_an_encrypted_record_without_a_session_is_met_with_silence_or_an_alert() -> None:
    for reaction, answers in ((Reaction.SILENCE, 0), (Reaction.ALERT, 1)):
        old = World().connect()
        record = one(Send, old.client.send(b"data", old.now)).datagram
        restarted = World(server=ServerOptions(no_session=reaction))
        events = [each.event for each in restarted.server.receive("unit", record, 0)]
        assert Dropped("encrypted record without a session") in events
        assert len([event for event in events if isinstance(event, Send)]) == answers


def test_no_secret_shows_in_reprs_events_or_errors() -> None:
    secret_key = bytes.fromhex("a1b2c3d4e5f60718a1b2c3d4e5f60718")
    world = World(client_options(key=secret_key), keys={DEV_EUI: secret_key}).connect()
    world.echo()
    master = world.key_log[0].split()[2]
    shown = repr([world.client_options, world.client, world.session, world.server, world.client_events,
                  [event for event in world.server_events if not isinstance(event, Send)]])
    assert secret_key.hex() not in shown
    assert repr(secret_key)[2:-1] not in shown
    assert master not in shown
    assert repr(bytes.fromhex(master))[2:-1] not in shown
    assert f"{DEV_EUI!r}" in shown


def test_the_key_log_of_both_ends_is_the_same_line() -> None:
    world = World()
    client_log: list[str] = []
    world.client = DtlsClient(world.client_options, world.random.randbytes, client_log.append)
    world.connect()
    assert client_log == world.key_log
    label, client_random, master = client_log[0].split()
    assert (label, len(client_random), len(master)) == ("CLIENT_RANDOM", 64, 96)
    assert client_log[0].endswith("\n")


def test_equal_seeds_give_equal_bytes() -> None:
    def run(seed: int) -> list[tuple[float, str, bytes]]:
        world = World(client_options(suites=(CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256,)), seed=seed).connect()
        world.echo()
        return list(world.sent)

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_a_handshake_costs_the_octets_that_the_rfcs_say() -> None:
    """Sums written out by hand for CCM_8, a 16-character identity, no connection id."""
    world = World(client_options(identity=TEXT_IDENTITY)).connect()
    hello = 13 + 12 + 2 + 32 + 1 + 1 + (2 + 2 * 5) + 2 + (2 + 4)
    flight_5 = (13 + 12 + 2 + 16) + (13 + 1) + (13 + 8 + 12 + 12 + 8)
    flight_4 = (13 + 12 + 2 + 32 + 1 + 2 + 1 + 2 + 5 + 4) + (13 + 12)
    flight_6 = (13 + 1) + (13 + 8 + 12 + 12 + 8)
    assert [len(datagram) for _, _, datagram in world.sent] == [
        hello, 13 + 12 + 2 + 1 + 16, hello + 16, flight_4, flight_5, flight_6]


def test_data_before_the_handshake_is_refused() -> None:
    world = World()
    with pytest.raises(NotEstablished):
        world.client.send(b"data", 0)
    world.connect()
    with pytest.raises(ValueError, match="16385 octets"):
        world.client.send(bytes(16385), world.now)


def test_data_that_overtakes_the_end_of_the_handshake_is_delivered_after_it() -> None:
    """The server's Finished is late, its first data isn't."""
    world = World(network=lambda direction, number, datagram:
                  ((0.3,) if direction == "down" and number == 2 else (0.0,)))
    world.from_client(world.client.start(0))
    world.run(0.1)
    world.from_server(world.server.send(world.session, b"early", world.now))
    world.run()
    assert [type(event) for event in world.client_events if not isinstance(event, Send)] == [Established, Data]
