"""tshark dissects every MQTT-SN frame of a run of the twin, healthy and with all that can go wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fixtures.bench import Bench
from fixtures.bootstrap import Bootstrap
from fixtures.dm import Dm
from fixtures.gateway import (
    RSMB,
    Connack,
    Flags,
    Gateway,
    Pingreq,
    Puback,
    Publish,
    QoS,
    RawMessage,
    Regack,
    Register,
    ReturnCode,
)
from fixtures.panel import Panel
from fixtures.unit import Unit

TRIGGER = "/33906/0/10"
MQTTSN = ["-d", "udp.port==1884,mqttsn"]


@pytest.fixture
def tshark() -> str:
    program = shutil.which("tshark")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing: apt-get install tshark")
        pytest.skip("tshark is missing (apt-get install tshark): OUR CAPTURES ARE NOT CHECKED BY A THIRD PARTY")
    return program


def columns(program: str, capture: Path, *fields: str) -> list[list[str]]:
    """Of all frames from and to the gateway."""
    wanted = [word for field in fields for word in ("-e", field)]
    done = subprocess.run([program, "-n", "-r", str(capture), *MQTTSN, "-Y", "udp.port == 1884", "-T", "fields",
                           *wanted], capture_output=True, text=True, timeout=60, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def a_run(capture: Path) -> tuple[int, int]:
    """An eventful one; how many messages and how many malformed datagrams the bench itself saw in it."""
    bench = Bench.on_twin(3, pcap=capture)
    try:
        gateway, dm = Gateway(bench), Dm(bench)
        unit = Unit(bench, Panel(bench), dm, gateway, Bootstrap(bench))
        unit.make_joined({"mqtt_sn_connection": "Compliant"})

        def sends() -> None:
            count = gateway.count
            dm.execute(TRIGGER)
            gateway.wait_for_telegram(30 * 60, after=count)

        for kind in (Connack, Regack, Puback):
            gateway.next(kind).drop()
            sends()
            dm.stay_in_touch(4 * 60)
        gateway.next(Publish).refuse(ReturnCode.INVALID_TOPIC_ID)
        sends()
        gateway.next(Puback).follow_with(Register(7, 1, "bench/downlink"), Pingreq(),
                                         Publish(Flags(qos=QoS.ONE), 7, 2, bytes(700)), RawMessage(b"\xff\x0d"))
        sends()
        gateway.restart()
        sends()
        gateway.behave_like(RSMB)
        sends()
        bench.clock.sleep(60)
        seen = bench.timeline.select("mdm")
        return (sum(one.kind == "message" for one in seen), sum(
            one.data["direction"] == "out" and len(one.data["hex"]) == 4 and one.data["hex"].startswith("ff")
            for one in seen if one.kind == "datagram"))
    finally:
        assert bench.close() == []


def test_tshark_takes_every_frame_of_a_run_for_mqtt_sn_and_none_for_malformed(tmp_path: Path, tshark: str) -> None:
    capture = tmp_path / "run.pcapng"
    messages, spoiled = a_run(capture)
    assert spoiled == 1, "the run has one frame that is malformed on purpose"
    frames = columns(tshark, capture, "frame.protocols", "mqttsn.msg.type", "mqttsn.msg.len", "_ws.malformed",
                     "udp.payload")
    on_purpose = [frame for frame in frames if frame[4] == "ff0d"]
    sound = [frame for frame in frames if frame[4] != "ff0d"]
    assert len(on_purpose) == 1
    assert len(sound) == messages > 30
    assert all(protocols.endswith(":mqttsn") for protocols, *_ in sound)
    assert not [frame for frame in sound if frame[3]], "malformed"
    assert {int(kind, 16) for _, kind, *_ in sound} >= {0x04, 0x05, 0x0A, 0x0B, 0x0C, 0x0D, 0x16, 0x18}
    assert all(int(length) == len(payload) // 2 for _, _, length, _, payload in sound)
