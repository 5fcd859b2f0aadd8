"""The N6700's protections as its guide has them: remote over-voltage of the N678x, latched trips, the mainframe's
watchdog, and channels that slots share."""

from __future__ import annotations

import random

import pytest
from power_lab import power_lab

from bench.errors import BenchError
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.signal import Signal
from bench.twin.supply.n6700_module import CP_PLUS, INH, OSC, OV_MINUS, PROT
from drivers.supply.keysight_n6700 import KeysightN6700


@pytest.fixture
def lab():
    with power_lab("n6705") as lab:
        yield lab


def refusal(lab, *messages):
    """What the error queue holds after ``messages``."""
    def send():
        for message in messages:
            assert lab.power.supply.execute(message) is None
        return lab.power.supply.execute("SYST:ERR?").decode()
    return lab.truth(send)


def module(lab):
    return lab.power.supply.module(1)


def test_the_protection_command_of_535c861_is_refused_by_an_n678x_and_todays_gets_through(lab):
    assert refusal(lab, "VOLT:PROT 4.5,(@1)") == '-113,"Undefined header"'
    lab.open()
    assert module(lab).remote_protection_v == 4.5
    assert lab.truth(lambda: lab.power.supply.execute("SYST:ERR?")) == b'+0,"No error"'


def test_a_plain_module_has_the_other_protection_command_and_no_remote_one(lab):
    lab.truth(lambda: lab.power.supply.add_module(2, Signal(0.0), CurrentTrace(lab.clock, Signal(0.0)),
                                                  random.Random(2), "N6775A"))
    assert refusal(lab, "VOLT:PROT 4.5,(@2)") == '+0,"No error"'
    assert refusal(lab, "VOLT:PROT:REM 4.5,(@2)").startswith("-113")
    assert refusal(lab, "CURR:LIM 1,(@2)").startswith("-113")
    with pytest.raises(BenchError, match="an N678x source/measure unit in channel 2"):
        lab.open(channel=2)


def test_a_protection_that_does_not_hold_is_a_bench_error(lab):
    module(lab).remote_protection_v = 22.0
    type(module(lab)).remote_protection_v.high = 4.0          # a module that takes no more
    try:
        with pytest.raises(BenchError, match="-222"):
            lab.open()
    finally:
        type(module(lab)).remote_protection_v.high = 22.0


@pytest.mark.parametrize(("bit", "told"), [(CP_PLUS, "positive power limit"), (OV_MINUS, "negative over-voltage"),
                                           (INH, "inhibit"), (PROT, "watchdog"), (OSC, "oscillation")])
def test_each_protection_of_an_n678x_is_told_with_its_cause(lab, bit, told):
    supply = lab.supplied()
    lab.truth(lambda: module(lab).trip(bit))
    assert lab.connector.value == 0.0
    with pytest.raises(BenchError, match=told):
        supply.check()


def test_after_a_trip_the_output_is_still_programmed_on_and_clearing_alone_would_switch_it_on(lab):
    supply = lab.supplied()
    lab.truth(lambda: module(lab).trip(OSC))
    assert lab.truth(lambda: lab.power.supply.execute("OUTP? (@1)")) == b"1"
    supply.make_safe()
    lab.truth(lambda: lab.power.supply.execute("OUTP:PROT:CLE (@1)"))
    assert lab.connector.value == 0.0                          # switched off before: nothing comes back
    supply.output_on()
    assert lab.connector.value == 3.6
    lab.truth(lambda: module(lab).trip(OSC))
    lab.truth(lambda: lab.power.supply.execute("OUTP:PROT:CLE (@1)"))
    assert lab.connector.value == 3.6                          # the guide's trap


def test_a_cause_that_lasts_can_not_be_cleared(lab):
    supply = lab.supplied()
    module(lab).causes = INH
    lab.truth(lambda: module(lab).trip(INH))
    with pytest.raises(BenchError, match="inhibit"):
        supply.output_on()
    assert lab.connector.value == 0.0


def test_switching_on_after_a_trip_gives_no_pulse_before_the_protection_is_cleared(lab):
    supply = lab.supplied()
    lab.truth(lambda: module(lab).trip(OSC))
    seen = []
    lab.truth(lambda: lab.connector.follow(seen.append))
    supply.output_on()
    assert seen == [3.6]


def test_the_watchdog_disables_all_outputs_when_nothing_comes_and_any_message_feeds_it(lab):
    supply = lab.supplied()
    assert supply.supports_watchdog
    supply.arm_watchdog(30)
    for _ in range(5):
        lab.clock.sleep(20)
        supply.feed_watchdog()
    assert lab.connector.value == 3.6
    lab.clock.sleep(29)
    supply._visa.write("NOSUCH")                               # even that
    lab.clock.sleep(29)
    assert lab.connector.value == 3.6
    lab.clock.sleep(2)
    assert lab.connector.value == 0.0
    with pytest.raises(BenchError, match="the watchdog"):
        supply.check()
    assert lab.truth(lambda: lab.power.supply.execute("OUTP? (@1)")) == b"1"
    supply.make_safe()
    supply.output_on()
    assert lab.connector.value == 3.6
    supply.disarm_watchdog()
    lab.clock.sleep(1000)
    assert lab.connector.value == 3.6
    with pytest.raises(BenchError, match="the output watchdog to be armed"):
        supply.feed_watchdog()


def test_the_watchdog_guards_a_bench_that_is_gone(lab):
    supply = lab.supplied()
    supply.arm_watchdog(10)
    supply.close()
    lab.clock.sleep(11)
    assert lab.connector.value == 0.0


@pytest.mark.parametrize("seconds", [0, -1, 3601, 1.5, float("nan")])
def test_an_impossible_watchdog_is_refused(lab, seconds):
    with pytest.raises(BenchError, match="1 to 3600 whole seconds"):
        lab.open().arm_watchdog(seconds)


def test_two_slots_log_at_once_on_two_channels_each_with_its_own_session(lab):
    terminals = Signal(0.0)
    neighbour = CurrentTrace(lab.clock, terminals)
    lab.truth(lambda: lab.power.supply.add_module(2, terminals, neighbour, random.Random(2)))
    common = {"clock": lab.clock, "timeline": lab.timeline, "timeout_s": 20.0, "slots": 2}
    supplies = [KeysightN6700(lab.servers[0].address, channel=channel, **common) for channel in (1, 2)]
    for supply in supplies:
        supply.set_voltage(3.6)
        supply.output_on()
    lab.truth(lambda: lab.unit.set("modem", 0.05))
    lab.truth(lambda: neighbour.set("modem", 0.02))
    # The other slot has a log running all the time.
    supplies[1]._visa.configure("SENS:SWE:TINT:RES RES40", "FORM REAL", "SENS:ELOG:FUNC:CURR:MINM ON,(@2)",
                                "SENS:ELOG:PER 0.1,(@2)", "TRIG:ELOG:SOUR IMM,(@2)", "INIT:ELOG (@2)")
    assert supplies[0].log(2.0, 0.001).mean_a.mean() == pytest.approx(0.05, rel=1e-3)
    with pytest.raises(BenchError, match=r"a period from 0\.6144 ms"):
        supplies[0].log(1.0, 0.0004)
    supplies[1]._visa.write("ABOR:ELOG (@2)")
    assert supplies[1].mean_current(2.0).mean_a == pytest.approx(0.02, rel=1e-3)
    supplies[0].make_safe()
    assert (lab.connector.value, terminals.value) == (0.0, 3.6)


def test_the_log_of_535c861_beside_another_slot_is_refused(lab):
    terminals = Signal(0.0)
    lab.truth(lambda: lab.power.supply.add_module(2, terminals, CurrentTrace(lab.clock, terminals), random.Random(2)))
    assert refusal(lab, "FORM REAL", *(f"SENS:ELOG:FUNC:CURR:MINM ON,(@{n})" for n in (1, 2)),
                   *(f"SENS:ELOG:PER 1.024ms,(@{n})" for n in (1, 2)), "INIT:ELOG (@1)") == '+0,"No error"'
    assert refusal(lab, "SENS:SWE:TINT:RES RES20", "INIT:ELOG (@2)").startswith("-221")


def test_what_is_the_mainframes_is_refused_where_slots_share_it(lab):
    supply = lab.open(slots=2)
    assert not supply.supports_watchdog
    for forbidden in (supply.self_test, lambda: supply.arm_watchdog(30)):
        with pytest.raises(BenchError, match="a mainframe of its own"):
            forbidden()
    with pytest.raises(BenchError, match="slots from 1 to 4"):
        lab.open(slots=5)


def test_opening_a_channel_leaves_the_other_slots_errors_in_the_queue(lab):
    lab.truth(lambda: lab.power.supply.execute("NOSUCH"))
    with pytest.raises(BenchError, match="-113"):
        lab.open(slots=2)
    lab.truth(lambda: lab.power.supply.execute("NOSUCH"))
    lab.open()


def test_a_voltage_that_is_not_taken_is_a_bench_error_whoever_took_the_error(lab):
    supply = lab.open(slots=2)
    old = lab.power.supply.execute

    def deaf(message):
        return None if message.startswith("VOLT 3.6") else old(message)
    lab.power.supply.execute = deaf
    with pytest.raises(BenchError, match=r"a voltage of 3\.6 V to be set, saw 0 V"):
        supply.set_voltage(3.6)


def test_after_a_reset_the_watchdog_is_off_and_disables_nothing(lab):
    for text in ("OUTP:PROT:WDOG ON", "*RST", "VOLT 3.6,(@1);:OUTP ON,(@1)"):
        lab.truth(lambda text=text: lab.power.supply.execute(text))
    lab.clock.sleep(7200)
    assert lab.connector.value == 3.6


def test_protection_and_limit_that_the_supply_has_forgotten_are_set_before_the_output_goes_on(lab):
    supply = lab.supplied()
    supply.output_off()
    lab.truth(lambda: lab.power.supply.execute("*RST"))       # as after a power cut
    assert module(lab).remote_protection_v != 4.5
    supply.output_on()
    assert module(lab).remote_protection_v == 4.5
    assert module(lab).limit_a == pytest.approx(supply.current_limit_a)
