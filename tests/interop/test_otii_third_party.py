"""Qoitech's own client, unmodified, drives the twin of an Otii Arc from log-in to the samples of a recording."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest

from bench.clock import WallClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.signal import Signal
from bench.twin.supply.otii import OtiiArc

otii_client = pytest.importorskip("otii_tcp_client.otii_client")
otii_exception = pytest.importorskip("otii_tcp_client.otii_exception")


@pytest.fixture
def server():
    with WallClock() as clock:
        connector = Signal(0.0)
        unit = CurrentTrace(clock, connector)
        server = clock.call(lambda: OtiiArc(clock, connector, unit, random.Random(3)))
        clock.run(server.start())
        server.clock, server.connector, server.unit = clock, connector, unit
        yield server
        clock.run(server.stop())


def test_the_makers_client_records_what_the_unit_draws(server, monkeypatch):
    monkeypatch.setenv("OTII_USERNAME", "twin")
    monkeypatch.setenv("OTII_PASSWORD", "twin")
    server.logged_in = False
    client = otii_client.OtiiClient()
    otii = client.connect(host="127.0.0.1", port=server.port, credentials="no such file")
    assert server.licences[0]["reserved_to"] == "me"
    (arc,) = otii.get_devices()
    assert (arc.type, arc.is_connected(), arc.get_version()["fw_version"]) == ("Arc", True, "1.1.6")
    project = otii.create_project()
    arc.add_to_project()
    arc.set_main_voltage(3.6)
    arc.set_max_current(1.0)
    arc.set_src_cur_limit_enabled(True)
    arc.set_range("low")
    arc.enable_channel("mc", True)
    arc.enable_channel("mv", True)
    arc.set_main(True)
    assert (arc.get_main(), arc.get_main_voltage(), arc.get_range()) == (True, 3.6, "low")
    assert server.connector.value == 3.6
    assert arc.get_value("mv") == pytest.approx(3.6, abs=0.01)
    server.clock.call(lambda: server.unit.set("floor", 6e-6))
    project.start_recording()
    begun = time.monotonic()
    while time.monotonic() < begun + 0.4:       # a recording is as long as it is watched
        server.clock.call(lambda: None)
    project.stop_recording()
    recording = project.get_last_recording()
    count = recording.get_channel_data_count(arc.id, "mc")
    info = recording.get_channel_info(arc.id, "mc")
    assert count == pytest.approx((info["to"] - info["from"]) * info["sample_rate"], abs=1)
    data = recording.get_channel_data(arc.id, "mc", 0, count)
    assert len(data["values"]) == count
    assert abs(np.mean(data["values"]) - 6e-6) < 0.1e-2 * 6e-6 + 50e-9 + 3 * 60e-9 / np.sqrt(count)
    recording.delete()
    assert project.get_last_recording() is None
    otii.set_all_main(False)
    assert server.connector.value == 0.0
    client.disconnect()
    assert server.licences[0]["reserved_to"] == ""


def test_every_command_of_the_twin_is_in_the_makers_package():
    package = Path(otii_client.__file__).parent
    known = "".join(file.read_text("utf-8") for file in package.glob("*.py"))
    commands = [name.removeprefix("_cmd_") for name in vars(OtiiArc) if name.startswith("_cmd_")]
    assert len(commands) > 30
    assert [command for command in commands if f'"{command}"' not in known] == []


@pytest.mark.parametrize(("act", "says"), [
    (lambda arc: arc.set_main_voltage(9.0), "Invalid key value"),
    (lambda arc: arc.enable_channel("xx", True), "Invalid key value"),
    (lambda arc: arc.set_uart_baudrate(9600), "Invalid command"),
])
def test_the_makers_client_understands_what_the_twin_refuses(server, act, says):
    client = otii_client.OtiiClient()
    otii = client.connect(host="127.0.0.1", port=server.port)
    (arc,) = otii.get_devices()
    with pytest.raises(otii_exception.Otii_Exception) as caught:
        act(arc)
    assert caught.value.type == says
    server.unplugged = True
    with pytest.raises(otii_exception.Otii_Exception) as caught:
        arc.set_main(True)
    assert caught.value.type == "Device not connected"
    client.disconnect()
