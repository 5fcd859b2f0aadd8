"""The twin's conversation with its gateway, which here is a script that reads and writes bytes by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from unit_lab import JSON, READY, PlainGateway, World, world

CONNECT, REGISTER, PUBLISH, DISCONNECT = 0x04, 0x0A, 0x0C, 0x18
Answer = Callable[[bytes], list[bytes]]
"""What is answered to a message, given from its type on."""


class Script(PlainGateway):
    """Answers as ``answers`` says, one after the other, and then as a plain gateway does."""

    def __init__(self, plain: PlainGateway) -> None:
        super().__init__(plain.clock)
        self.transport = plain.transport
        self.answers: list[tuple[int, Answer]] = []
        self.bodies: list[bytes] = []

    def datagram_received(self, data: bytes, address: Any) -> None:
        body = data[3:] if data[0] == 1 else data[1:]
        self.bodies.append(body)
        if self.answers and self.answers[0][0] == body[0]:
            self.heard.append((self.clock.time(), body[0]))
            for answer in self.answers.pop(0)[1](body):
                self.transport.sendto(answer, address)
        else:
            super().datagram_received(data, address)

    def kinds(self) -> list[int]:
        return [body[0] for body in self.bodies]


def code(value: int) -> Answer:
    """The acknowledgement of that message, with a return code."""
    def answer(body: bytes) -> list[bytes]:
        tail = bytes([value])
        return [{CONNECT: b"\x03\x05" + tail, REGISTER: b"\x07\x0b\x00\x00" + body[3:5] + tail,
                 PUBLISH: b"\x07\x0d" + body[2:6] + tail}[body[0]]]
    return answer


def silence(body: bytes) -> list[bytes]:
    return []


@contextmanager
def scripted(**settings: Any) -> Iterator[tuple[World, Script]]:
    """A unit that has joined, and reported once."""
    with world(**READY, **JSON, **settings) as made:
        script = Script(made.gateway)
        made.clock.call(lambda: made.gateway.transport.set_protocol(script))
        made.supply()
        made.until("psm")
        assert made.unit.mdm.status == 7
        script.bodies.clear()
        script.heard.clear()
        script.telegrams.clear()
        yield made, script


def trigger(made: World, wait_s: float) -> None:
    made.clock.call(made.unit.life.trigger_readout)
    made.clock.sleep(wait_s)


def test_message_ids_wrap_from_ffff_to_1() -> None:
    with scripted() as (made, script):
        made.unit.mdm._message_id = 0xFFFD
        for _ in range(3):
            trigger(made, 60)
        assert [body[4:6].hex() for body in script.bodies] == ["fffe", "ffff", "0001"]


@pytest.mark.parametrize(("refused", "expected"), [
    (CONNECT, [CONNECT, CONNECT, REGISTER, PUBLISH]), (REGISTER, [CONNECT, REGISTER, REGISTER, PUBLISH]),
    (PUBLISH, [CONNECT, REGISTER, PUBLISH, PUBLISH])])
def test_congestion_is_waited_out_for_more_than_5_minutes(refused: int, expected: list[int]) -> None:
    with scripted() as (made, script):
        made.clock.call(made.unit.mdm.forget)
        script.answers = [(refused, code(1))]
        trigger(made, 900)
        assert script.kinds() == expected
        times = [moment for moment, kind in script.heard if kind == refused]
        assert 300 < times[1] - times[0] < 360
        assert len(script.telegrams) == 1
        assert made.unit.mdm.failures == 0


def test_a_gateway_that_stays_congested_is_left_alone_after_three_rounds() -> None:
    with scripted() as (made, script):
        script.answers = [(PUBLISH, code(1))] * 3
        trigger(made, 3600)
        assert script.kinds() == [PUBLISH] * 3
        assert (made.unit.mdm.status, made.unit.mdm.failures, script.telegrams) == (4, 1, [])


def test_an_invalid_topic_id_leads_to_register_and_publish_at_once() -> None:
    with scripted() as (made, script):
        script.answers = [(PUBLISH, code(2))]
        trigger(made, 30)
        assert script.kinds() == [PUBLISH, REGISTER, PUBLISH]
        first, _, second = script.bodies
        assert first[6:] == second[6:] and first[4:6] != second[4:6]


@pytest.mark.parametrize(("kind", "value"), [(CONNECT, 3), (REGISTER, 2), (REGISTER, 3), (PUBLISH, 3), (PUBLISH, 9)])
def test_another_refusal_ends_the_attempt_and_is_counted(kind: int, value: int) -> None:
    with scripted() as (made, script):
        made.clock.call(made.unit.mdm.forget)
        script.answers = [(kind, code(value))]
        trigger(made, 900)
        assert script.kinds()[-1] == kind
        assert (made.unit.mdm.status, made.unit.mdm.failures, script.telegrams) == (4, 1, [])
        trigger(made, 60)
        assert made.unit.mdm.failures == 0
        assert script.telegrams


def test_a_puback_with_topic_id_0_is_taken() -> None:
    with scripted() as (made, script):
        script.answers = [(PUBLISH, lambda body: [b"\x07\x0d\x00\x00" + body[4:6] + b"\x00"])]
        trigger(made, 300)
        assert script.kinds() == [PUBLISH]


def test_the_puback_of_another_message_is_not_taken() -> None:
    with scripted() as (made, script):
        script.answers = [(PUBLISH, lambda body: [b"\x07\x0d" + body[2:4] + bytes(2) + b"\x00"])]
        trigger(made, 300)
        assert script.kinds() == [PUBLISH, PUBLISH]
        assert [body[1] for body in script.bodies] == [0x20, 0xA0], "QoS 1, and DUP the second time"


@pytest.mark.parametrize("beside", [b"", b"\xff", b"\x02\x17", b"\x03\x05\x00", b"\x05\x1e\x00\x00\x00"])
def test_what_nobody_asked_for_changes_nothing(beside: bytes) -> None:
    with scripted() as (made, script):
        script.answers = [(PUBLISH, lambda body: [*([beside] if beside else []), *code(0)(body)])]
        trigger(made, 300)
        assert script.kinds() == [PUBLISH]
        assert made.unit.mdm.failures == 0


def test_disconnect_in_answer_to_a_publish_leads_to_a_new_session_at_once() -> None:
    with scripted() as (made, script):
        script.answers = [(PUBLISH, lambda body: [b"\x02\x18"])]
        trigger(made, 60)
        assert script.kinds() == [PUBLISH, CONNECT, REGISTER, PUBLISH]


def test_a_gateway_that_always_says_disconnect_is_left_alone_after_three_rounds() -> None:
    with scripted() as (made, script):
        script.answers = [(PUBLISH, lambda body: [b"\x02\x18"])] * 3
        trigger(made, 3600)
        assert script.kinds() == [PUBLISH, CONNECT, REGISTER, PUBLISH, CONNECT, REGISTER, PUBLISH]
        assert made.unit.mdm.status == 4


def test_what_a_gateway_asks_is_answered() -> None:
    asked = [b"\x02\x16", b"\x07\x0a\x00\x07\x00\x01a", b"\x08\x0c\x20\x00\x07\x00\x02x"]
    with scripted() as (made, script):
        script.answers = [(PUBLISH, lambda body: [*code(0)(body), *asked])]
        trigger(made, 30)
        assert [body.hex() for body in script.bodies[1:]] == ["17", "0b0007000103", "0d0007000202"]


def test_failures_in_a_row_are_counted_and_a_success_ends_the_row() -> None:
    with scripted(mdm_communication_timeout=5) as (made, script):
        made.set(mdm_communication_failures=255)
        made.gateway.deaf = script.deaf = True
        for expected in (1, 2):
            trigger(made, 60)
            assert made.unit.mdm.failures == expected
        script.deaf = False
        trigger(made, 60)
        assert made.unit.mdm.failures == 0


def test_a_socket_that_can_not_be_opened_is_told() -> None:
    with scripted() as (made, _):
        async def no_socket(_: object) -> None:
            raise OSError("no more sockets")

        def spoil() -> None:
            made.unit.mdm.close()
            made.unit.modem.open = no_socket  # type: ignore[assignment]
        made.clock.call(spoil)
        trigger(made, 10)
        assert (made.unit.mdm.status, made.unit.mdm.failures) == (6, 1)


def test_a_compliant_unit_says_good_bye_and_an_optimized_one_does_not() -> None:
    for mode, expected in ((0, [PUBLISH, PUBLISH]), (1, [CONNECT, REGISTER, PUBLISH, DISCONNECT] * 2)):
        with scripted(mqttsn_connection=mode) as (made, script):
            trigger(made, 120)
            trigger(made, 120)
            assert script.kinds() == expected


def test_the_first_message_id_is_arbitrary() -> None:
    """As the captured frames of real units have it: FFCB, 0CD3, C792."""
    ids: set[int] = set()
    for seed in (1, 2, 3):
        with world(seed, **READY, **JSON) as made:
            ids.add(made.unit.mdm.next_message_id())
    assert len(ids) == 3
