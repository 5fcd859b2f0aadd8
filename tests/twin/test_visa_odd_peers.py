"""The VISA layer against peers that answer late, in pieces, with the wrong length, with NUL, CRLF and blanks, or not:
one BenchError within the time-out, and the next command works."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_peer import OddHislipPeer, OddPeer, message

from bench.errors import BenchError
from drivers.visa import VisaInstrument, is_reading

IDENTITY = b"Twin,Odd,1,1"
DATA = struct.pack("<3d", 1.0, 2.0, struct.unpack("<d", b"\n" * 7 + b"\x01")[0])      # line feeds inside
LONG = b"1" * 2000                                                          # 100 s, at an octet each 50 ms


@pytest.fixture
def peer_of():
    peers = []

    def make(answers, kind=OddPeer, timeout_s=0.3):
        """A peer that gives ``answers`` (octets, or a function of the peer) by the line, and the client of it."""
        def answer(line, *_):
            given = answers.get(line, b"1\n" if line.endswith("?") else b"")
            if line == "*IDN?" and line not in answers:
                given = IDENTITY + b"\n"
            if line == "SYST:ERR?" and line not in answers:
                given = b'0,"No error"\n'
            if given is None:
                return None
            return given(peers[-1]) if callable(given) else iter([given])
        peers.append(kind(answer))
        return peers[-1], VisaInstrument(peers[-1].address, subject="meter", timeout_s=timeout_s)

    yield make
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \n", b"  \t\r\n", b"\r\n\r\n", b"\n\r", b"\n \n"])
def test_line_ends_and_blanks_are_no_part_of_an_answer_and_do_not_wait_for_the_next(peer_of, end):
    peer, visa = peer_of({"V?": b" 1.5" + end, "*IDN?": IDENTITY + end, "SYST:ERR?": b'+0,"No error"' + end})
    assert visa.identity == IDENTITY.decode()
    for _ in range(3):
        assert visa.query("V?") == "1.5"
        visa.check_errors()
    assert peer.lines.count("*IDN?") == 1        # the same session all the time


@pytest.mark.parametrize("answer", [b"\n", b"\r\n", b"  \n", b"1\x002\n", b"\x00\n", b"1.5\x00\n", b"\xff\xfe\n",
                                    b"\x1b[2J\n"])
def test_an_answer_without_text_is_a_bench_error_and_the_next_command_works(peer_of, answer):
    _, visa = peer_of({"V?": answer})
    with pytest.raises(BenchError, match=r"an answer to V\?"):
        visa.query("V?")
    assert visa.query("*OPC?") == "1"


@pytest.mark.parametrize("answer", [b"nan\n", b"NAN\n", b"inf\n", b"-INF\n", b"9.9E37\n", b"-9.9E37\n", b"9.91E37\n",
                                    b"-9.91E+37\n", b"1e999\n", b"--1\n", b"ON\n", b"1,2\n", b"VOLT 3.6\n", b"#0\n"])
def test_what_is_no_reading_is_a_bench_error(peer_of, answer):
    _, visa = peer_of({"V?": answer})
    with pytest.raises(BenchError, match=r"a number in answer to V\?"):
        visa.query_float("V?")
    assert visa.query("*OPC?") == "1"


def test_readings_are_told_from_what_is_none():
    values = np.array([0.0, -3.0, 8.9e37, np.nan, np.inf, -np.inf, 9.9e37, -9.9e37, 9.91e37])
    assert is_reading(values).tolist() == [True] * 3 + [False] * 6
    assert is_reading(values.astype(">f4")).tolist() == [True] * 3 + [False] * 6


@pytest.mark.parametrize(("answer", "on"), [(b"1\n", True), (b"+1\n", True), (b"ON\n", True), (b"on\r\n", True),
                                            (b"0\n", False), (b"OFF\n", False), (b"+0\n", False)])
def test_on_and_off_are_read_as_each_maker_writes_them(peer_of, answer, on):
    assert peer_of({"OUTP?": answer})[1].query_switch("OUTP?") is on


@pytest.mark.parametrize("answer", [b"2\n", b"YES\n", b"1.0\n", b"0,1\n"])
def test_what_is_neither_on_nor_off_is_a_bench_error(peer_of, answer):
    with pytest.raises(BenchError, match="ON, OFF, 1 or 0"):
        peer_of({"OUTP?": answer})[1].query_switch("OUTP?")


@pytest.mark.parametrize(("answer", "told"), [(b'-113,"Undefined header"\n', "-113 Undefined header"),
                                              (b"-113 Undefined header\r\n", "-113 Undefined header"),
                                              (b"-113\n", "-113")])
def test_error_queues_are_read_as_each_maker_writes_them(peer_of, answer, told):
    def answers(peer):
        yield answer if peer.lines.count("SYST:ERR?") == 1 else b"0 No Error\n"
    _, visa = peer_of({"SYST:ERR?": answers})
    with pytest.raises(BenchError, match=told):
        visa.check_errors()
    visa.check_errors()


@pytest.mark.parametrize(("head", "count"), [(b"#0", 3), (b"#224", 3), (b"#224", None), (b"#3024", 3)])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \n"])
def test_definite_and_indefinite_blocks_arrive_whole(peer_of, head, count, end):
    _, visa = peer_of({"D?": head + DATA + end})
    for _ in range(2):
        assert visa.query_block("D?", "<f8", count=count).tobytes() == DATA
        assert visa.query("*OPC?") == "1"


@pytest.mark.parametrize(("answer", "count", "told"), [
    (b"#0" + DATA + b"\n", None, "of a stated length"), (b"#216" + DATA[:16] + b"\n", 3, "of 24 octets"),
    (b"#216" + DATA + b"\n", None, "that ends where it should"), (b"#0" + DATA + b"\n", 2, "that ends where it should"),
    (b"#9999999999", None, "of a possible length"), (b"#1x", None, "of a possible length"),
    (b"1.5,2.5\n", 3, "in binary"),
    (b"#0" + DATA[:16] + b"\n", 3, "a part of one within"), (b"#232" + DATA + b"\n", None, "a part of one within"),
    (b"#2", 3, "a part of one within"), (b"", 3, "none within")])
def test_a_wrong_block_is_a_bench_error_and_the_next_command_works(peer_of, answer, count, told):
    _, visa = peer_of({"D?": answer})
    with pytest.raises(BenchError, match=told):
        visa.query_block("D?", "<f8", count=count)
    assert visa.query("*OPC?") == "1"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("ask", [
    lambda visa: visa.query("V?"), lambda visa: visa.query_float("V?"), lambda visa: visa.check_errors(),
    lambda visa: visa.query_block("D?", "<f8", count=250), lambda visa: visa.query_block("D?", "<f8")],
    ids=["text", "number", "errors", "block #0", "block"])
@pytest.mark.parametrize("head", [b"", b"#0", b"#42000"])
def test_an_answer_that_drips_is_not_waited_for_without_end(peer_of, ask, head):
    def dripping(peer):
        return peer.drip(head + LONG)
    peer, visa = peer_of({"V?": dripping, "D?": dripping, "SYST:ERR?": dripping})
    with pytest.raises(BenchError, match=r"a part of one within 0\.3 s|a block"):
        ask(visa)
    assert peer.sent < 200
    peer.ended.set()


@pytest.mark.timeout(30)
def test_an_answer_in_pieces_that_come_in_time_is_one_answer(peer_of):
    _, visa = peer_of({"V?": lambda peer: peer.drip(b"1.5\r\n", 0.01),
                       "D?": lambda peer: peer.drip(b"#0" + DATA + b"\n", 0.002)}, timeout_s=20.0)
    assert visa.query("V?") == "1.5"
    assert visa.query_block("D?", "<f8", count=3).tobytes() == DATA


def test_a_session_that_dies_in_the_middle_is_one_bench_error_and_the_next_command_works(peer_of):
    peer, visa = peer_of({"V?": None, "W 1": None})
    with pytest.raises(BenchError, match=r"an answer to V\?"):
        visa.query("V?")
    assert visa.query("*OPC?") == "1"
    # The peer took "W 1" and died: nobody knows what it did with it, and its error queue died too.
    with pytest.raises(BenchError, match=r"the connection to hold|an instrument that takes|an answer to SYST:ERR"):
        visa.configure("W 1", "W 2")
    visa.configure("W 2")
    assert peer.lines[-2:] == ["W 2", "SYST:ERR?"]


def test_a_new_session_begins_with_an_empty_error_queue(peer_of):
    peer, visa = peer_of({"V?": None})
    for _ in range(2):
        with pytest.raises(BenchError):
            visa.query("V?")
    visa.query("*OPC?")
    assert peer.lines == ["*IDN?", "*CLS", "V?", "*IDN?", "*CLS", "V?", "*IDN?", "*CLS", "*OPC?"]


def test_the_self_test_may_take_longer_than_an_answer(peer_of):
    _, visa = peer_of({"*TST?": lambda peer: peer.drip(b"+0\n", 0.2)}, timeout_s=0.3)
    visa.self_test()


def hislip(answer_to):
    def answer(line, number):
        if line == "*IDN?":
            yield message(7, number, IDENTITY + b"\n")
        elif line.endswith("?"):
            yield from answer_to(line, number)
    return answer


@pytest.fixture
def hislip_of():
    peers = []

    def make(answer_to, timeout_s=0.3):
        def with_working(line, number):
            return iter([message(7, number, b"1\n")]) if line == "*OPC?" else answer_to(line, number, peers[-1])
        peers.append(OddHislipPeer(hislip(with_working)))
        return peers[-1], VisaInstrument(peers[-1].address, subject="meter", timeout_s=timeout_s)

    yield make
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("size", [1, 3, 100])
def test_hislip_fragments_are_one_answer(hislip_of, size):
    def answer(line, number, peer):
        whole = b"#0" + DATA + b"\n" if line == "D?" else b" 1.5\r\n"
        parts = [whole[i:i + size] for i in range(0, len(whole), size)]
        yield b"".join([*(message(6, number, part) for part in parts[:-1]), message(7, number, parts[-1])])
    _, visa = hislip_of(answer)
    assert visa.query("V?") == "1.5"
    assert visa.query_block("D?", "<f8", count=3).tobytes() == DATA
    assert visa.query("*OPC?") == "1"


def test_hislip_messages_of_another_id_are_dropped(hislip_of):
    _, visa = hislip_of(lambda line, number, peer: iter([message(7, number - 2, b"9\n"), message(7, number, b"1.5\n")]))
    assert visa.query("V?") == "1.5"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["foreign ids", "empty fragments", "dripped header", "dripped payload"])
def test_hislip_messages_without_end_are_not_waited_for(hislip_of, kind):
    def answer(line, number, peer):
        while not peer.ended.wait(0.05):
            if kind == "foreign ids":
                yield message(7, number - 2, b"9\n")
            elif kind == "empty fragments":
                yield message(6, number, b"")
            elif kind == "dripped header":
                yield b"H" if peer.sent < 20 else b""
            else:
                yield message(6, number, b"9" * 1000)[:17] if peer.sent < 200 else b"9"
    peer, visa = hislip_of(answer)
    with pytest.raises(BenchError, match=r"an answer to V\?"):
        visa.query("V?")
    assert peer.sent < 2000
    peer.ended.set()


@pytest.mark.parametrize("octets", [b"HS\x63\x00" + bytes(12), b"XX" + bytes(14), b"HS\x07\x05" + bytes(12),
                                    message(2, 0, b"fatal", 0)])
def test_hislip_messages_that_are_none_are_a_bench_error_and_the_next_command_works(hislip_of, octets):
    _, visa = hislip_of(lambda line, number, peer: iter([octets]))
    with pytest.raises(BenchError, match=r"an answer to V\?"):
        visa.query("V?")
    assert visa.query("*OPC?") == "1"


def test_a_hislip_answer_that_ends_too_early_is_a_bench_error(hislip_of):
    _, visa = hislip_of(lambda line, number, peer: iter([message(7, number, b"#0" + DATA[:9])]))
    with pytest.raises(BenchError, match="octets early"):
        visa.query_block("D?", "<f8", count=3)
    assert visa.query("*OPC?") == "1"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40), st.sampled_from(["text", "number", "block"]))
def test_any_answer_is_an_answer_or_one_bench_error_and_the_next_command_works(octets, kind):
    def answer(line):
        known = {"V?": octets, "*IDN?": IDENTITY + b"\n"}
        return iter([known.get(line, b"1\n" if "?" in line else b"")])
    peer = OddPeer(answer)
    try:
        visa = VisaInstrument(peer.address, subject="meter", timeout_s=0.02)
        try:
            ask = {"text": lambda: visa.query("V?"), "number": lambda: visa.query_float("V?"),
                   "block": lambda: visa.query_block("V?", "<f4", count=3)}[kind]
            ask()
        except BenchError:
            pass
        assert visa.query("*OPC?", timeout_s=20.0) == "1"
    finally:
        peer.close()
