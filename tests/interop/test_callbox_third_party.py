"""The twin's Callbox before somebody else's eyes: another WebSocket client, and tshark on its NAS messages."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess

import pytest
from websocket import WebSocketBadStatusException, create_connection

from bench.twin.radio.nas import AirMessage, octets, udp_packet
from tests.twin.unit_lab import READY, world


def test_websocket_client_talks_to_both_components():
    """websocket-client is a WebSocket implementation of its own."""
    with world(**READY) as made:
        at = made.lab.addresses
        with pytest.raises(WebSocketBadStatusException, match="403"):
            create_connection(at.enb, timeout=5, suppress_origin=True)
        enb, mme = (create_connection(address, timeout=5, origin="test") for address in (at.enb, at.mme))
        assert [json.loads(one.recv())["type"] for one in (enb, mme)] == ["ENB", "MME"]
        made.supply()
        made.until("connected")
        for number, (socket, message, key) in enumerate((
                (enb, {"message": "ue_get"}, "ue_list"), (mme, {"message": "ue_get"}, "ue_list"),
                (enb, {"message": "config_get"}, "nb_cells"),
                (mme, {"message": "log_get", "allow_empty": True}, "logs"),
                (mme, {"message": "no such message"}, "error"), (enb, {"message": "cell_gain", "cell_id": 9}, "error"),
                (enb, {"message": "cell_gain", "cell_id": 1, "gain": 3}, "error"), (enb, {}, "error"))):
            socket.send(json.dumps({**message, "message_id": number}))
            answer = json.loads(socket.recv())
            assert key in answer, answer
            assert answer["message_id"] == number
        for bad in ("[]", "{", "[" * 100_000):
            enb.send(bad)
            assert "error" in json.loads(enb.recv())
        enb.ping(b"still there?")
        assert enb.recv_data(control_frame=True) == (0xA, b"still there?")
        for socket in (enb, mme):
            socket.close()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark")
def test_tshark_reads_the_elements_of_the_logged_messages(tmp_path):
    signals = [
        AirMessage(0.0, "NAS", True, "Attach request", {"T3324": 120, "T3412 extended": 252000, "eDRX": 0x13}),
        AirMessage(0.0, "NAS", False, "Attach accept", {"T3324": 60, "T3412 extended": 86400, "eDRX": 0x25}),
        AirMessage(0.0, "NAS", False, "Attach reject", {"cause": 19}),
        AirMessage(0.0, "NAS", False, "Detach request", {}),
        AirMessage(0.0, "NAS", True, "Tracking area update request", {"T3324": 10, "T3412 extended": 600}),
        AirMessage(0.0, "NAS", False, "Tracking area update accept", {"T3324": 10, "T3412 extended": 600}),
        AirMessage(0.0, "NAS", True, "ESM data transport", {"release assistance": 2},
               udp_packet("192.0.2.7", 1884, b"bench"))]
    capture = tmp_path / "nas.pcap"
    packets = b"".join(struct.pack("<IIII", 0, 0, len(one), len(one)) + one for one in map(octets, signals))
    capture.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 147) + packets)
    text = subprocess.run(
        ["tshark", "-r", str(capture), "-V", "-o", "nas-eps.decode_user_data_container_as:IP",
         "-o", 'uat:user_dlts:"User 0 (DLT=147)","nas-eps_plain","0","","0",""'],
        capture_output=True, text=True, check=True, timeout=60).stdout
    assert "Malformed" not in text
    messages = re.split(r"^Frame \d+:", text, flags=re.MULTILINE)[1:]
    assert len(messages) == len(signals)
    expected = [
        ("Attach request", "GPRS Timer: 2 min", "GPRS Timer: 70 hr", "NB-S1/NB-N1: 5.12 s"),
        ("Attach accept", "GPRS Timer: 60 sec", "GPRS Timer: 24 hr", "NB-S1/NB-N1: 7.68 s"),
        ("Attach reject", "ESM failure"), ("Detach request",),
        ("Tracking area update request", "GPRS Timer: 10 sec", "GPRS Timer: 600 sec"),
        ("Tracking area update accept", "GPRS Timer: 10 sec", "GPRS Timer: 600 sec"),
        ("ESM data transport", "Release assistance indication", "Only a single downlink",
         "Destination Address: 192.0.2.7", "Destination Port: 1884")]
    for message, words in zip(messages, expected, strict=True):
        for word in words:
            assert word in message, message
