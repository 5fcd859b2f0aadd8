"""The gateway's state machine, fed with octets and asked for octets; expectations are from the specification 1.2."""

from __future__ import annotations

import pytest
from gateway_octets import CONNECT, REGISTER, TOPIC, UNIT, Gateway
from hypothesis import given
from hypothesis import strategies as st

from bench.backend.mqttsn_answers import MqttSnAnswers
from bench.backend.mqttsn_client import ReceivedTelegram, SessionState
from bench.protocols.mqttsn import MqttSnError, QoS, decode


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def registered(gateway: Gateway) -> Gateway:
    gateway.sent(CONNECT)
    gateway.sent(REGISTER)
    return gateway


def test_the_captured_connect_is_accepted(gateway):
    assert gateway.sent(CONNECT) == ["030500"]
    session = gateway.sessions.sessions[UNIT]
    assert (session.keep_alive_s, session.connected_at_s, session.state) == (64800, 100.0, "active")


def test_the_captured_register_gets_topic_id_1_with_its_message_id(gateway):
    gateway.sent(CONNECT)
    assert gateway.sent(REGISTER) == ["070b0001ffcb00"]


def test_a_second_topic_gets_topic_id_2(registered):
    assert registered.sent("080a0000ffcc" + b"ab".hex()) == ["070b0002ffcc00"]


def test_a_name_registered_again_keeps_its_id(registered):
    assert registered.sent("270a0000ffcd" + TOPIC.encode().hex()) == ["070b0001ffcd00"]


@pytest.mark.parametrize("name", [b"", b"mr/#", b"+/standard"])
def test_an_empty_name_or_a_wildcard_is_not_registered(registered, name):
    assert registered.sent(bytes([6 + len(name), 0x0A, 0, 0, 0, 9]).hex() + name.hex()) == ["070b0000000903"]


def test_a_publish_with_qos_1_is_acknowledged_and_kept(registered):
    registered.time_s = 131.5
    assert registered.sent("090c20" + "0001" + "c792" + "7b7d") == ["070d0001c79200"]
    assert registered.telegrams == [ReceivedTelegram(131.5, UNIT, TOPIC, QoS.ONE, False, 0xC792, b"{}")]


def test_a_publish_with_qos_0_is_kept_and_not_answered(registered):
    assert registered.sent("090c00" + "0001" + "0000" + "7b7d") == []
    assert [one.payload for one in registered.telegrams] == [b"{}"]


def test_a_repeated_publish_counts_once_and_is_acknowledged_again(registered):
    registered.sent("090c20" + "0001" + "c792" + "7b7d")
    assert registered.sent("090ca0" + "0001" + "c792" + "7b7d") == ["070d0001c79200"]
    assert len(registered.telegrams) == 1
    assert [one.dup for one in registered.sessions.repetitions] == [True]


def test_a_first_publish_that_carries_dup_counts(registered):
    registered.sent("090ca0" + "0001" + "c792" + "7b7d")
    assert [one.dup for one in registered.telegrams] == [True]


def test_dup_with_another_payload_is_another_telegram(registered):
    registered.sent("090c20" + "0001" + "c792" + "7b7d")
    registered.sent("090ca0" + "0001" + "c792" + "5b5d")
    assert [one.payload for one in registered.telegrams] == [b"{}", b"[]"]


def test_the_same_publish_without_dup_is_another_telegram(registered):
    registered.sent("090c20" + "0001" + "c792" + "7b7d")
    registered.sent("090c20" + "0001" + "c792" + "7b7d")
    assert len(registered.telegrams) == 2


def test_qos_2_takes_four_messages_and_counts_once(registered):
    publish = "090c40" + "0001" + "0007" + "7b7d"
    assert registered.sent(publish) == ["040f0007"]
    assert registered.sent("090cc0" + "0001" + "0007" + "7b7d") == ["040f0007"]
    assert registered.sent("04100007") == ["040e0007"]
    assert len(registered.telegrams) == 1


@pytest.mark.parametrize("flags", ["00", "20", "40", "a0"])
def test_a_publish_to_an_unknown_topic_id_gets_puback_02(registered, flags):
    assert registered.sent("090c" + flags + "0009" + "c792" + "7b7d") == ["070d0009c79202"]
    assert registered.telegrams == []


def test_the_reserved_topic_id_type_gets_puback_02(registered):
    assert registered.sent("090c23" + "0001" + "c792" + "7b7d") == ["070d0001c79202"]


def test_a_short_topic_name_needs_no_registration(registered):
    assert registered.sent("090c22" + b"mr".hex() + "0003" + "7b7d") == ["070d6d72000300"]
    assert registered.telegrams[0].topic == "mr"


def test_predefined_topics_are_those_the_gateway_was_given():
    gateway = Gateway({17: "mr/predefined"})
    gateway.sent(CONNECT)
    assert gateway.sent("090c21" + "0011" + "0003" + "7b7d") == ["070d0011000300"]
    assert gateway.sent("090c21" + "0012" + "0004" + "7b7d") == ["070d0012000402"]
    assert [one.topic for one in gateway.telegrams] == ["mr/predefined"]


def test_qos_minus_1_needs_no_connection_and_gets_no_answer():
    gateway = Gateway({17: "mr/predefined"})
    assert gateway.sent("090c61" + "0011" + "0000" + "7b7d") == []
    assert gateway.sent("090c61" + "0012" + "0000" + "7b7d") == []
    assert gateway.sent("090c60" + "0001" + "0000" + "7b7d") == []
    assert gateway.telegrams == [ReceivedTelegram(100.0, None, "mr/predefined", QoS.MINUS_ONE, False, 0, b"{}")]


@pytest.mark.parametrize("message", [
    REGISTER, "090c20" + "0001" + "c792" + "7b7d", "090c00" + "0001" + "0000" + "7b7d", "0216", "0218", "04180064",
    "04100007", "0712000007" + "6162"])
def test_an_unknown_source_is_answered_with_disconnect(gateway, message):
    assert gateway.sent(message) == ["0218"]
    assert gateway.telegrams == []


@pytest.mark.parametrize("message", ["030500", "070d0001c79200", "070b0001ffcb00", "0217", "040f0007", "040e0007"])
def test_acknowledgements_are_never_answered(gateway, registered, message):
    assert registered.sent(message) == []
    assert registered.sent(message, peer=99) == []


def test_ping_is_answered(registered):
    assert registered.sent("0216") == ["0217"]


def test_after_disconnect_the_source_is_unknown(registered):
    assert registered.sent("0218") == ["0218"]
    assert registered.sent("0216") == ["0218"]
    assert registered.sessions.sessions[UNIT].state is SessionState.DISCONNECTED


def test_a_sleeping_client_stays_known(registered):
    assert registered.sent("041800b4") == ["0218"]
    assert registered.sessions.sessions[UNIT].state is SessionState.ASLEEP
    assert registered.sent("1216" + UNIT.encode().hex()) == ["0217"]


def test_nothing_expires_a_session(registered):
    registered.time_s = 30 * 86400.0
    assert registered.sent("090c20" + "0001" + "c792" + "7b7d") == ["070d0001c79200"]


def test_a_connect_with_clean_session_forgets_the_topics(registered):
    registered.sent(CONNECT)
    assert registered.sent("090c20" + "0001" + "c792" + "7b7d") == ["070d0001c79202"]


def test_a_connect_without_clean_session_keeps_the_topics(registered):
    assert registered.sent("16040001fd20" + UNIT.encode().hex()) == ["030500"]
    assert registered.sent("090c20" + "0001" + "c792" + "7b7d") == ["070d0001c79200"]


@pytest.mark.parametrize("flags", ["00", "04"])
def test_a_client_that_connects_from_elsewhere_leaves_its_old_place(registered, flags):
    assert registered.sent("1604" + flags + "01fd20" + UNIT.encode().hex(), peer=2) == ["030500"]
    assert registered.sent("0216", peer=1) == ["0218"]
    assert registered.sent("0216", peer=2) == ["0217"]


def test_a_second_client_id_from_one_source_ends_the_first(registered):
    registered.sent("080404010064" + b"ab".hex())
    assert registered.sessions.sessions[UNIT].state is SessionState.DISCONNECTED
    assert registered.sessions.sessions["ab"].state is SessionState.ACTIVE


def test_clients_have_topic_ids_of_their_own(registered):
    registered.sent("080404010064" + b"ab".hex(), peer=2)
    assert registered.sent("080a00000001" + b"t2".hex(), peer=2) == ["070b0001000100"]
    registered.sent("090c20" + "0001" + "0002" + "7b7d", peer=2)
    assert (registered.telegrams[0].client_id, registered.telegrams[0].topic) == ("ab", "t2")


def test_another_protocol_is_refused(gateway):
    assert gateway.sent("080404020064" + "6162") == ["030503"]
    assert gateway.sessions.sessions == {}


def test_a_search_is_answered_with_the_gateways_id(gateway):
    assert gateway.sent("030100") == ["030201"]


def test_the_last_topic_id_is_fffe_and_then_there_is_congestion(registered):
    registered.sessions.sessions[UNIT].last_topic_id = 0xFFFD
    assert registered.sent("080a00000001" + b"t1".hex()) == ["070bfffe000100"]
    assert registered.sent("080a00000002" + b"t2".hex()) == ["070b0000000201"]


@given(st.lists(st.tuples(st.integers(1, 3), st.one_of(
    st.binary(max_size=40),
    # Something that gets past the Length field.
    st.tuples(st.sampled_from(range(0x1E)), st.binary(max_size=30)).map(lambda m: bytes([len(m[1]) + 2, m[0]]) + m[1]),
    st.sampled_from([bytes.fromhex(CONNECT), bytes.fromhex(REGISTER)]))), max_size=30))
def test_whatever_arrives_is_answered_with_messages_that_can_be_sent(datagrams):
    sessions = MqttSnAnswers()
    for peer, datagram in datagrams:
        try:
            message = decode(datagram)
        except MqttSnError:
            continue
        for answer in sessions.handle(peer, message, 0.0):
            assert decode(answer.encode()) == answer
