"""What any DTLS client with a pre-shared key owes itself, whoever speaks with it: RFC 6347, RFC 5246, RFC 7925.

Of a CMi6110 the connection for device management is looked at; of any other unit its handshakes are all that there is
(docs/foreign-units.md). What a record carries is not looked at here: a unit says something when it is spoken to.
"""

import pytest

from fixtures.dtls_numbers import NOT_OFFERED, SIGNALS, WEAK, encrypted_records
from fixtures.judging import first_of
from fixtures.words import device_time, needs, profile, req, s

pytestmark = [profile("certification", "client"), needs("dtls.handshakes")]

FORGED = {"a fatal alert": b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\x28",
          "a goodbye": b"\x15\xfe\xfd" + bytes(8) + b"\0\2\1\0",
          "data": b"\x17\xfe\xfd" + bytes(8) + b"\0\4\x40\0\0\1", "no record": b"\x40\0\0\1",
          "a record of the next epoch": b"\x17\xfe\xfd\0\2" + bytes(6) + b"\0\x20" + bytes(32)}


@req("SEC-01", "SEC-11")
@device_time("5 min")
def test_a_client_hello_offers_nothing_weak(handshakes):
    handshakes.ready()
    hello = first_of(handshakes.hellos(handshakes.begin()), "a ClientHello").message
    assert hello.version == 0xFEFD, f"version 0x{hello.version:04x} is not DTLS 1.2"
    assert set(hello.compression) == {0}, "compression is offered"
    weak = [f"0x{suite:04x}" for suite in hello.suites if suite in WEAK and suite not in SIGNALS]
    assert not weak, f"weak suites are offered: {', '.join(weak)}"


@req("SEC-01", "SEC-11")
@device_time("10 min")
@pytest.mark.parametrize("suite", NOT_OFFERED)
def test_a_suite_that_was_not_offered_is_not_gone_on_with(handshakes, attacks, suite):
    handshakes.ready()
    attacks.choose("dm", NOT_OFFERED[suite])
    begun = handshakes.begin()
    handshakes.give_up(begun)
    offered = {number for hello in handshakes.hellos(begun) for number in hello.message.suites}
    assert NOT_OFFERED[suite] not in offered, f"{suite} is offered"
    assert not handshakes.took_the_servers_hello(begun), f"the unit goes on with {suite}, which it did not offer"


@req("SEC-01", "SEC-11")
@device_time("10 min")
def test_a_server_that_speaks_dtls_1_0_is_not_gone_on_with(handshakes, security):
    handshakes.ready()
    security.offer_only_dtls_1_0("dm")
    begun = handshakes.begin()
    handshakes.give_up(begun)
    assert not handshakes.took_the_servers_hello(begun), "the unit goes on with DTLS 1.0"


@req("SEC-01", "SEC-04")
@device_time("10 min")
@pytest.mark.parametrize("key", ["zeros", "another", "last bit"])
def test_a_server_with_another_key_gets_no_session(handshakes, security, key):
    handshakes.ready()
    security.server_knows("dm", security.wrong_key("dm", key))
    begun = handshakes.begin()
    handshakes.give_up(begun)
    assert not security.sessions("dm", begun), f"a session with a key that is not the unit's ({key})"


@req("SEC-04")
@device_time("10 min")
@pytest.mark.parametrize("what", FORGED)
def test_what_anybody_can_forge_is_nothing(handshakes, bench, attacks, what):
    handshakes.ready()
    handshakes.connect()
    assert handshakes.answers(), "the unit says nothing in its session"
    bench.clock.sleep(2 * s)    # the unit has said all that it has to say
    said = bench.clock.time()
    attacks.send("dm", FORGED[what], secure=True)
    bench.clock.sleep(2 * s)
    assert not handshakes.pongs(said), f"the unit answers {what}, which anybody can forge"
    assert handshakes.answers(), f"{what}, which anybody can forge, has ended the session"
    assert not handshakes.begun_anew(said), f"after {what} the unit begins anew"


@req("SEC-04", "SEC-13")
@device_time("10 min")
def test_a_record_that_was_bent_or_sent_twice_is_nothing(handshakes, bench, attacks):
    handshakes.ready()
    handshakes.connect()
    with attacks.bending("dm", lambda datagram: datagram[:-1] + bytes((datagram[-1] ^ 1,))):
        assert handshakes.is_silent(), "the unit answers a record that was bent"
    begun = bench.clock.time()
    assert handshakes.answers(), "a bent record has ended the session"
    recorded = attacks.sent("dm", begun)
    bench.clock.sleep(2 * s)    # the unit has said all that it has to say
    said = bench.clock.time()
    for datagram in recorded:
        attacks.send("dm", datagram, secure=True)
    bench.clock.sleep(2 * s)
    assert not handshakes.pongs(said), "the unit answers a record that it had before"
    assert handshakes.answers(), "a record sent twice has ended the session"


@req("SEC-04", "SEC-05")
@device_time("10 min")
def test_no_record_has_the_number_of_another(handshakes, bench, attacks):
    """Epoch and number are the nonce of an AEAD: one used twice gives the plain text away (RFC 6655, 3)."""
    handshakes.ready()
    begun = handshakes.connect().time
    for _ in range(5):
        assert handshakes.answers(), "the unit says nothing in its session"
    seen = {}
    for datagram in attacks.records_of_unit("dm", begun):
        for number, octets in encrypted_records(datagram):
            assert seen.setdefault(number, octets) == octets, f"record {number.hex()} was sent twice with other content"
    assert seen, "no encrypted record"


@req("SEC-04", "SEC-05")
@device_time("15 min")
def test_a_recorded_handshake_played_again_makes_no_session(handshakes):
    """Who recorded what a server said is not taken for it the next time: the unit's own random makes it worthless."""
    handshakes.ready()
    handshakes.connect()
    begun = handshakes.play_again(handshakes.flights())
    assert not handshakes.sent_data(begun), "the unit sends data to whoever plays a recorded handshake"


@req("SEC-01", "SEC-04")
@device_time("10 min")
@pytest.mark.parametrize("how", ["in clear", "in its session"])
def test_a_request_to_renegotiate_is_not_followed(handshakes, bench, how):
    """RFC 7925, section 17, has renegotiation switched off. Silence is an answer, and so is an alert no_renegotiation.
    """
    handshakes.ready()
    handshakes.connect()
    assert handshakes.answers(), "the unit says nothing in its session"
    asked = bench.clock.time()
    if how == "in clear":
        handshakes.ask_to_renegotiate_in_clear()
    else:
        handshakes.ask_to_renegotiate()
    bench.clock.sleep(2 * s)
    begun = handshakes.begun_anew(asked)
    assert not begun, f"the unit begins a new handshake: {', '.join(begun)}"
    assert handshakes.answers(), "a request to renegotiate has ended the session"
