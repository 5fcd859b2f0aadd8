"""Each supply with a TCP port, and a peer that answers in pieces, too short, with NUL, late, not at all, or dies in the
middle: one BenchError within the time-out, the next command works, and the supply is off in the end."""

from __future__ import annotations

import pytest
from odd_relay import OddRelay
from power_lab import power_lab

from bench import instruments
from bench.errors import BenchError

NAMES = ["n6705", "ngu", "dmm6500", "e36312", "dp832", "spd3303x", "hmp4040", "mx180", "otii"]
TIMEOUT_S = 0.6

HARMLESS = {
    "pieces": lambda data: [data[place:place + 1] for place in range(len(data))],
    "CR LF": lambda data: [data.rstrip(b"\r\n") + b"\r\n"],
}
SPOILED = {
    "half": lambda data: [data[:len(data) // 2]],
    "NUL": lambda data: [data[:1] + b"\0" + data[1:]],
    "nothing": lambda data: [],
    "other": lambda data: [b"garbage\r\n"],
    "dies": lambda data: None,
    "dies in the middle": lambda data: half_and_die(data),
}


def half_and_die(data):
    yield data[:len(data) // 2]
    raise OSError("the relay dies")


@pytest.fixture
def opened():
    """The supply of a lab behind a relay."""
    labs, relays = [], []

    def make(name):
        context = power_lab(name)
        labs.append(context)
        lab = context.__enter__()
        relays.append(OddRelay(lab.servers[0].port))
        address = f"127.0.0.1:{relays[-1].port}" if name == "otii" else f"TCPIP0::127.0.0.1::{relays[-1].port}::SOCKET"
        supply = instruments.find("supply", lab.power.supply_driver).open(
            {"address": address, "timeout_s": TIMEOUT_S}, lab.clock, lab.timeline)
        supply.set_voltage(3.6)
        supply.output_on()
        assert lab.connector.value == pytest.approx(3.6)
        return lab, relays[-1], supply

    yield make
    for relay in relays:
        relay.close()
    for context in labs:
        context.__exit__(None, None, None)


@pytest.mark.parametrize("how", HARMLESS)
@pytest.mark.parametrize("name", NAMES)
def test_what_only_looks_odd_is_taken(opened, name, how):
    _, relay, supply = opened(name)
    for _ in range(3):
        relay.spoil = HARMLESS[how]
        assert supply.voltage() == pytest.approx(3.6, abs=0.02)


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("name", NAMES)
def test_a_spoiled_answer_is_one_bench_error_and_the_next_command_works(opened, name, how):
    lab, relay, supply = opened(name)
    relay.spoil = SPOILED[how]
    with pytest.raises(BenchError, match="supply at"):
        supply.voltage()
    assert supply.voltage() == pytest.approx(3.6, abs=0.02)
    relay.spoil = SPOILED[how]
    supply.make_safe()
    assert lab.connector.value == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_a_late_answer_does_not_answer_the_next_question(opened, name):
    lab, _, supply = opened(name)
    lab.truth(lambda: setattr(lab.power.supply, "late_replies", 1))
    with pytest.raises(BenchError, match="supply at"):
        supply.set_voltage(3.3)
    supply.set_voltage(3.0)
    assert supply.voltage() == pytest.approx(3.0, abs=0.02)
    supply.make_safe()
    assert lab.connector.value == 0.0
