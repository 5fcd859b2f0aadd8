"""The Otii at its server: licence and log-in, a device that is lost, recordings with holes, an output cut off."""

from __future__ import annotations

import pytest
from power_lab import power_lab

from bench.errors import BenchError
from drivers.supply.otii_connection import OtiiConnection


@pytest.fixture
def lab():
    with power_lab("otii") as lab:
        yield lab


def twin(lab, **faults):
    for name, value in faults.items():
        lab.truth(lambda name=name, value=value: setattr(lab.power.supply, name, value))
    return lab.power.supply


def test_the_licence_is_reserved_while_the_driver_is_open(lab):
    supply = lab.open()
    assert twin(lab).licences[0]["reserved_to"] == "me"
    supply.close()
    assert lab.truth(lambda: twin(lab).licences[0]["reserved_to"]) == ""


def test_without_a_free_licence_it_says_so(lab):
    twin(lab).licences[0]["reserved_to"] = "joe"
    with pytest.raises(BenchError, match="a free licence of the kind Automation, saw none"):
        lab.open()


def test_who_is_logged_in_nowhere_is_asked_for_user_and_password_which_are_never_shown(lab, monkeypatch):
    twin(lab, logged_in=False)
    monkeypatch.delenv("OTII_USERNAME", raising=False)
    with pytest.raises(BenchError, match="somebody to be logged in, saw nobody"):
        lab.open()
    monkeypatch.setenv("OTII_USERNAME", "ms-user")
    monkeypatch.setenv("OTII_PASSWORD", "c0ffee-secret")
    with pytest.raises(BenchError, match="saw Could not login") as caught:
        lab.open()
    error: BaseException | None = caught.value
    assert "c0ffee" not in f"{error} {error!r} {error.__cause__} {error.__cause__!r}"
    monkeypatch.setenv("OTII_USERNAME", "twin")
    monkeypatch.setenv("OTII_PASSWORD", "twin")
    assert lab.open().identity.startswith("Qoitech,Otii Arc,")


@pytest.mark.parametrize("device", ["Arc", "Arc00000000000000000000000000000001", ""])
def test_the_device_is_found_by_name_or_id(lab, device):
    assert lab.open(device=device)


def test_a_device_that_is_not_there_is_named(lab):
    with pytest.raises(BenchError, match=r"the device Ace II, saw Arc \(Arc0"):
        lab.open(device="Ace II")
    twin(lab, unplugged=True)
    with pytest.raises(BenchError, match="one device, saw none"):
        lab.open()


def test_a_device_that_is_lost_is_a_bench_error_until_it_is_back(lab):
    supply = lab.supplied()
    twin(lab, unplugged=True)
    for act in (supply.voltage, supply.make_safe, supply.check, lambda: supply.log(1.0, 0.01)):
        with pytest.raises(BenchError, match="supply at"):
            act()
    twin(lab, unplugged=False)
    supply.make_safe()
    assert lab.connector.value == 0.0


def test_a_message_that_nobody_asked_for_does_not_spoil_what_comes_after(lab):
    supply = lab.supplied()
    line = b'{"type": "information", "info": "disconnected", "data": {}}\r\n'
    lab.truth(lambda: [transport.write(line) for transport in twin(lab).connections])
    with pytest.raises(BenchError, match=r"supply at .*: expected an answer to arc_get_value"):
        supply.voltage()
    assert supply.voltage() == pytest.approx(3.6, abs=0.01)


def test_a_server_that_went_away_between_two_commands_is_found_again(lab):
    supply = lab.supplied()
    lab.truth(twin(lab).drop_connections)
    with pytest.raises(BenchError, match="supply at"):
        supply.voltage()
    assert supply.voltage() == pytest.approx(3.6, abs=0.01)
    assert lab.connector.value == 3.6


def test_a_recording_with_a_hole_is_a_bench_error_and_the_next_is_whole(lab):
    supply = lab.supplied()
    twin(lab, garbage_blocks=1)
    with pytest.raises(BenchError, match=r"samples each 0\.00025 s, saw 3"):
        supply.log(1.0, 0.01)
    assert len(supply.log(1.0, 0.01).mean_a) == 100


def test_an_output_that_the_device_cut_off_is_told(lab):
    supply = lab.supplied()
    lab.truth(lambda: twin(lab)._cut_off())
    with pytest.raises(BenchError, match="that the device has cut it off"):
        supply.check()


def test_the_limit_is_held_and_the_range_is_the_devices_own(lab):
    supply = lab.open(current_limit_a=0.8)
    assert (twin(lab).limit_held, twin(lab).max_current_a, twin(lab).range) == (True, 0.8, "low")
    for volts in (0.3, 4.5, 5.0):
        with pytest.raises(BenchError, match="a voltage from"):
            supply.set_voltage(volts)
    with pytest.raises(BenchError, match="a period from 250 us"):
        supply.log(1.0, 1e-4)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:x", "127.0.0.1:70000", ""])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(BenchError, match="HOST:PORT of the Otii server"):
        OtiiConnection(address, subject="supply", timeout_s=1.0)
