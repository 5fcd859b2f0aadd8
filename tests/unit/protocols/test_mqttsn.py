"""The MQTT-SN codec against frames of real units, written-out frames and random ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols import mqttsn
from bench.protocols.mqttsn import Flags, Message, MqttSnError, QoS, ReturnCode, TopicIdType, decode, describe

FRAMES = Path(__file__).parents[2] / "data" / "elvaco" / "mqttsn_cmi6110_frames.json"

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
text = st.text(max_size=40)
octets = st.binary(max_size=600)
flags = st.builds(Flags, st.booleans(), st.sampled_from(QoS), st.booleans(), st.booleans(), st.booleans(),
                  st.sampled_from(TopicIdType))
code = u8.map(lambda octet: ReturnCode(octet) if octet < 4 else octet)
filters = st.one_of(
    st.tuples(flags.filter(lambda f: f.topic_id_type is not TopicIdType.PREDEFINED), u16, text),
    st.tuples(flags.map(lambda f: replace(f, topic_id_type=TopicIdType.PREDEFINED)), u16, u16))
will_topics = st.one_of(st.just(()), st.tuples(flags, text))
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(mqttsn.Advertise, u8, u16), st.builds(mqttsn.Searchgw, u8), st.builds(mqttsn.Gwinfo, u8, octets),
    st.builds(mqttsn.Connect, flags, u8, u16, text), st.builds(mqttsn.Connack, code),
    st.just(mqttsn.Willtopicreq()), will_topics.map(lambda a: mqttsn.Willtopic(*a)), st.just(mqttsn.Willmsgreq()),
    st.builds(mqttsn.Willmsg, octets), st.builds(mqttsn.Register, u16, u16, text),
    st.builds(mqttsn.Regack, u16, u16, code), st.builds(mqttsn.Publish, flags, u16, u16, octets),
    st.builds(mqttsn.Puback, u16, u16, code), st.builds(mqttsn.Pubcomp, u16), st.builds(mqttsn.Pubrec, u16),
    st.builds(mqttsn.Pubrel, u16), filters.map(lambda a: mqttsn.Subscribe(*a)),
    st.builds(mqttsn.Suback, flags, u16, u16, code), filters.map(lambda a: mqttsn.Unsubscribe(*a)),
    st.builds(mqttsn.Unsuback, u16), st.builds(mqttsn.Pingreq, text), st.just(mqttsn.Pingresp()),
    st.builds(mqttsn.Disconnect, st.none() | u16), will_topics.map(lambda a: mqttsn.Willtopicupd(*a)),
    st.builds(mqttsn.Willtopicresp, code), st.builds(mqttsn.Willmsgupd, octets),
    st.builds(mqttsn.Willmsgresp, code))
encapsulated = st.builds(mqttsn.Encapsulated, u8, st.binary(max_size=252), octets)


@given(messages, st.booleans())
def test_every_message_survives_both_length_forms(message: Message, long_length: bool) -> None:
    datagram = message.encode(long_length=long_length)
    assert decode(datagram) == message
    assert decode(datagram).encode(long_length=datagram[0] == 1) == datagram


@given(encapsulated)
def test_a_forwarders_frame_survives(message: mqttsn.Encapsulated) -> None:
    assert decode(message.encode()) == message


@given(st.binary(max_size=80))
def test_no_datagram_raises_anything_but_a_codec_error(datagram: bytes) -> None:
    try:
        message = decode(datagram)
    except MqttSnError:
        return
    assert message.encode(long_length=datagram[0] == 1) == datagram


@given(messages | encapsulated)
def test_descriptions_are_one_line_and_fields_are_json(message: Message) -> None:
    assert len(describe(message).splitlines()) == 1
    assert json.loads(json.dumps(mqttsn.fields(message)))["type"] == describe(message).split()[0]


@pytest.mark.parametrize("frame", json.loads(FRAMES.read_text(encoding="utf-8"))["frames"],
                         ids=lambda frame: frame["hex"][:8])
def test_frames_of_real_units_come_back_byte_for_byte(frame: dict[str, str]) -> None:
    datagram = bytes.fromhex(frame["hex"])
    message = decode(datagram)
    assert message.encode() == datagram
    assert type(message).__name__.upper() == frame["name"]
    assert mqttsn.deviations(message) == []


def test_the_connect_of_a_real_unit_says_what_it_says() -> None:
    assert decode(bytes.fromhex("16040401fd2039343139334130343031303032304238")) == mqttsn.Connect(
        Flags(clean_session=True), protocol_id=1, duration=64800, client_id="94193A04010020B8")


def test_the_repeated_publish_of_a_real_unit_is_marked_dup_with_qos_1() -> None:
    frame = json.loads(FRAMES.read_text(encoding="utf-8"))["frames"][5]
    message = decode(bytes.fromhex(frame["hex"]))
    assert isinstance(message, mqttsn.Publish)
    assert message.flags == Flags(dup=True, qos=QoS.ONE)
    assert (message.topic_id, message.message_id, len(message.data)) == (1, 0xC792, 155)
    assert describe(message) == "PUBLISH QoS 1 DUP topic 1 message 51090 155 B"


# Written out by hand from the tables of the specification, section 5.4.
@pytest.mark.parametrize(("datagram", "message"), [
    ("05 00 2A 0384", mqttsn.Advertise(42, 900)),
    ("03 01 00", mqttsn.Searchgw(0)),
    ("03 02 2A", mqttsn.Gwinfo(42)),
    ("05 02 2A 0102", mqttsn.Gwinfo(42, b"\x01\x02")),
    ("09 04 08 01 003C 646576", mqttsn.Connect(Flags(will=True), 1, 60, "dev")),
    ("03 05 02", mqttsn.Connack(ReturnCode.INVALID_TOPIC_ID)),
    ("02 06", mqttsn.Willtopicreq()),
    ("02 07", mqttsn.Willtopic()),
    ("05 07 30 6C77", mqttsn.Willtopic(Flags(qos=QoS.ONE, retain=True), "lw")),
    ("02 08", mqttsn.Willmsgreq()),
    ("04 09 FF00", mqttsn.Willmsg(b"\xff\x00")),
    ("07 0B 0001 FFCB 00", mqttsn.Regack(1, 0xFFCB, ReturnCode.ACCEPTED)),
    ("09 0C 62 6162 0000 6869", mqttsn.Publish(Flags(qos=QoS.MINUS_ONE, topic_id_type=TopicIdType.SHORT_NAME),
                                               0x6162, 0, b"hi")),
    ("04 0E 0102", mqttsn.Pubcomp(0x0102)),
    ("04 0F 0102", mqttsn.Pubrec(0x0102)),
    ("04 10 0102", mqttsn.Pubrel(0x0102)),
    ("08 12 40 0007 612F62", mqttsn.Subscribe(Flags(qos=QoS.TWO), 7, "a/b")),
    ("07 12 21 0007 0009", mqttsn.Subscribe(Flags(qos=QoS.ONE, topic_id_type=TopicIdType.PREDEFINED), 7, 9)),
    ("08 13 20 0001 0007 00", mqttsn.Suback(Flags(qos=QoS.ONE), 1, 7, ReturnCode.ACCEPTED)),
    ("07 14 02 0007 6162", mqttsn.Unsubscribe(Flags(topic_id_type=TopicIdType.SHORT_NAME), 7, "ab")),
    ("04 15 0007", mqttsn.Unsuback(7)),
    ("02 16", mqttsn.Pingreq()),
    ("05 16 646576", mqttsn.Pingreq("dev")),
    ("02 17", mqttsn.Pingresp()),
    ("02 18", mqttsn.Disconnect()),
    ("04 18 000A", mqttsn.Disconnect(10)),
    ("02 1A", mqttsn.Willtopicupd()),
    ("03 1B 00", mqttsn.Willtopicresp(ReturnCode.ACCEPTED)),
    ("03 1C 21", mqttsn.Willmsgupd(b"!")),
    ("03 1D 03", mqttsn.Willmsgresp(ReturnCode.NOT_SUPPORTED)),
    ("05 FE 01 0A0B 02 16", mqttsn.Encapsulated(1, b"\x0a\x0b", b"\x02\x16")),
])
def test_each_message_type_stands_on_the_wire_as_the_specification_draws_it(
        datagram: str, message: Message) -> None:
    assert message.encode() == bytes.fromhex(datagram)
    assert decode(bytes.fromhex(datagram)) == message


def test_256_octets_take_the_long_length() -> None:
    assert mqttsn.Publish(Flags(), 1, 0, bytes(248)).encode()[:2] == b"\xff\x0c"
    assert mqttsn.Publish(Flags(), 1, 0, bytes(249)).encode()[:4] == b"\x01\x01\x02\x0c"


def test_a_short_message_in_the_long_form_is_taken() -> None:
    assert decode(bytes.fromhex("01 000B 0C 20 0001 0009 6869")) == mqttsn.Publish(
        Flags(qos=QoS.ONE), 1, 9, b"hi")


@pytest.mark.parametrize(("datagram", "complaint"), [
    ("", "octet 0: the datagram is empty"),
    ("02", "octet 1: MsgType needs 1 octet(s), 0 left"),
    ("00 16", "octet 0: Length 0 leaves no room for a message type"),
    ("01 00", "octet 1: 3-octet Length needs 2 octet(s), 1 left"),
    ("01 0003 16", "octet 0: Length 3 leaves no room for a message type"),
    ("03 16", "octet 0: Length says 3 octets, the datagram has 2"),
    ("02 16 00", "octet 0: Length says 2 octets, the datagram has 3"),
    ("02 03", "octet 1: message type 0x03 is reserved"),
    ("01 0004 FF", "octet 3: message type 0xFF is reserved"),
    ("04 0D 0001", "octet 4: Puback.message_id needs 2 octet(s), 0 left"),
    ("08 0D 0001 0002 00 00", "octet 7: 1 octet(s) too many in PUBACK"),
    ("03 18 00", "octet 2: Disconnect.duration needs 2 octet(s), 1 left"),
    ("09 0A 0000 0001 6DFF61", "octet 7: Register.topic_name is not UTF-8"),
    ("09 12 01 0007 00090000", "octet 7: 2 octet(s) too many in SUBSCRIBE"),
    ("09 FE 00 0A", "octet 0: Length 9 of a forwarder's frame is not 3 to 4"),
    ("01 0006 FE 00 0A", "octet 3: message type 0xFE is not allowed with a 3-octet Length"),
])
def test_an_error_says_what_is_wrong_and_where(datagram: str, complaint: str) -> None:
    with pytest.raises(MqttSnError) as error:
        decode(bytes.fromhex(datagram))
    assert str(error.value) == complaint


@pytest.mark.parametrize("message", [
    mqttsn.Puback(0x10000, 1, 0), mqttsn.Puback(-1, 1, 0), mqttsn.Connack(256),
    mqttsn.Register(0, 1, "\ud800"), mqttsn.Willmsg(bytes(65533)),
    mqttsn.Subscribe(Flags(), 1, 5), mqttsn.Encapsulated(0, bytes(253), b""),
])
def test_what_no_frame_can_hold_is_refused(message: Message) -> None:
    with pytest.raises(MqttSnError):
        message.encode()


def test_the_longest_will_message_fills_65535_octets() -> None:
    assert len(mqttsn.Willmsg(bytes(65531)).encode()) == 65535


def test_raw_octets_go_out_as_they_are() -> None:
    assert mqttsn.RawMessage(b"\x00\xff").encode() == b"\x00\xff"
    assert describe(mqttsn.RawMessage(b"\x00\xff")) == "raw octets, 2 B"


@pytest.mark.parametrize(("message", "words"), [
    (mqttsn.Connect(Flags(), 2, 0, "x"), "protocol id 2"),
    (mqttsn.Connect(Flags(), 1, 0, ""), "client id of 0"),
    (mqttsn.Connect(Flags(), 1, 0, "x" * 24), "client id of 24"),
    (mqttsn.Publish(Flags(qos=QoS.ONE), 1, 0, b""), "message id 0 with QoS 1"),
    (mqttsn.Publish(Flags(), 1, 7, b""), "message id 7 with QoS 0"),
    (mqttsn.Publish(Flags(), 0, 0, b""), "topic id 0x0000"),
    (mqttsn.Publish(Flags(topic_id_type=TopicIdType.RESERVED), 1, 0, b""), "topic id type"),
    (mqttsn.Publish(Flags(qos=QoS.MINUS_ONE), 1, 0, b""), "QoS -1"),
    (mqttsn.Register(0, 1, ""), "empty topic name"),
    (mqttsn.Puback(1, 1, 0x42), "return code 0x42"),
])
def test_a_deviation_from_the_specification_is_named(message: Message, words: str) -> None:
    assert decode(message.encode()) == message
    assert [words in found for found in mqttsn.deviations(message)] == [True]


def test_payloads_do_not_appear_in_descriptions() -> None:
    assert "secret" not in describe(mqttsn.Publish(Flags(), 1, 0, b"secret"))
