"""A Qoitech Otii Arc behind the TCP server of Otii: JSON objects, each ended by CR LF.

Source: otii-tcp-client 1.0.13, which names the commands, their data and the errors, and was tried against a socket: the
greeting, ``trans_id`` in each reply, ``recording_id`` -1 for none. What the server's ``type`` of a good reply is nobody
says; the client takes any but "error".
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.signal import Signal
from bench.twin.supply.measuring import CurrentInput, InputRange
from bench.twin.wires.tcp import TcpConnection, TcpServer

RANGES = (InputRange(19e-3, 0.1e-2, 50e-9, 60e-9), InputRange(5.0, 0.1e-2, 150e-6, 20e-6))
"""Error of the low range from Qoitech's data sheet (+-(0.1 % + 50 nA)), that of the high one and noise from memory."""
SAMPLE_RATE = 4000
"""Samples per second of an Arc's main current; of its voltage a quarter."""
_VOLT_RATE = 1000
_MOST_VALUES = 40_000
_LINE_LIMIT = 1 << 20
_CHANNELS = ("mc", "mv", "mp", "me")
_HIGHEST_V = 5.0


class OtiiError(Exception):
    """An error answer. ``data`` is what the client looks for in it."""

    def __init__(self, code: str, **data: Any) -> None:
        super().__init__(code)
        self.code = code
        self.data = data


@dataclass
class Recording:
    start_s: float
    end_s: float | None = None


class OtiiArc(TcpServer):
    """Drives ``connector``, measures ``current``. Faults: ``dead``, ``late_replies`` (so many answers are held back
    until the next request), ``garbage_blocks`` (so many answers have fewer values than were asked for), ``unplugged``,
    ``range_locked``, ``input.offset_a``, ``licences`` taken by others, ``logged_in``."""

    device_id = "Arc00000000000000000000000000000001"

    def __init__(self, clock: Clock, connector: Signal[float], current: CurrentTrace, rng: random.Random) -> None:
        super().__init__()
        self.dead = False
        self.late_replies = 0
        self.garbage_blocks = 0
        self.unplugged = False
        self.range_locked = False
        self.logged_in = True
        self.licences = [{"id": 1234, "type": "Automation", "available": True, "reserved_to": "", "hostname": ""}]
        self.input = CurrentInput(RANGES, noise_time_s=1 / SAMPLE_RATE, sample_s=1 / SAMPLE_RATE, overrange=1.0,
                                  rng=rng)
        self.main = False
        self.main_v = 3.0
        self.max_current_a = 0.5
        self.limit_held = False
        self.range = "high"
        self.four_wire = False
        self.regulation = "voltage"
        self.channels: set[str] = set()
        self.projects = 0
        self.recordings: dict[int, Recording] = {}
        self.commands: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            name.removeprefix("_cmd_"): getattr(self, name) for name in dir(self) if name.startswith("_cmd_")}
        self._volt_offset = rng.uniform(-1.5e-3, 1.5e-3)
        self._clock = clock
        self._connector = connector
        self._current = current
        current.follow(self._loaded)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def connection(self) -> asyncio.Protocol:
        return _Connection(self)

    def answer(self, request: Any) -> dict[str, Any]:
        """The reply to one request."""
        if not isinstance(request, dict) or not isinstance(request.get("cmd"), str):
            return {"type": "error", "errorcode": "Missing key in request", "data": {"key": "cmd"}}
        head = {"cmd": request["cmd"], "trans_id": request.get("trans_id", "")}
        try:
            if request["cmd"] not in self.commands:
                raise OtiiError("Invalid command")
            data = request.get("data", {})
            self._admit(request["cmd"], data)
            return {"type": "response", **head, "data": self.commands[request["cmd"]](data)}
        except KeyError as error:
            return {"type": "error", "errorcode": "Missing key in request", **head, "data": {"key": error.args[0]}}
        except OtiiError as error:
            return {"type": "error", "errorcode": error.code, **head, "data": error.data}

    def _admit(self, command: str, data: dict[str, Any]) -> None:
        if command.startswith("otii_"):
            return
        if not self.logged_in:
            raise OtiiError("Not logged in")
        if not any(licence["reserved_to"] == "me" for licence in self.licences):
            raise OtiiError("No license")
        names_device = "device_id" in data or command.startswith("arc_")
        if names_device and (data["device_id"] != self.device_id
                             or (self.unplugged and command != "arc_is_connected")):
            raise OtiiError("Device not connected", device_id=data["device_id"])

    # -- the application

    def _cmd_otii_is_logged_in(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"logged_in": self.logged_in}

    def _cmd_otii_login(self, data: dict[str, Any]) -> dict[str, Any]:
        if (data["username"], data["password"]) != ("twin", "twin"):
            raise OtiiError("Could not login", message="wrong user or password")
        self.logged_in = True
        return {}

    def _cmd_otii_logout(self, data: dict[str, Any]) -> dict[str, Any]:
        self.logged_in = False
        return {}

    def _cmd_otii_get_licenses(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"licenses": self.licences}

    def _cmd_otii_has_license(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"has_license": any(licence["type"] == data["license_type"] and licence["reserved_to"] == "me"
                                   for licence in self.licences)}

    def _cmd_otii_reserve_license(self, data: dict[str, Any]) -> dict[str, Any]:
        for licence in self.licences:
            if licence["id"] == data["license_id"] and licence["reserved_to"] == "":
                licence["reserved_to"] = "me"
                return {}
        raise OtiiError("License could not be reserved")

    def _cmd_otii_return_license(self, data: dict[str, Any]) -> dict[str, Any]:
        for licence in self.licences:
            if licence["id"] == data["license_id"] and licence["reserved_to"] == "me":
                licence["reserved_to"] = ""
                return {}
        raise OtiiError("License could not be returned")

    def _cmd_otii_get_devices(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"devices": [] if self.unplugged else [{"device_id": self.device_id, "name": "Arc", "type": "Arc"}]}

    def _cmd_otii_create_project(self, data: dict[str, Any]) -> dict[str, Any]:
        self.projects += 1
        return {"project_id": self.projects}

    def _cmd_otii_get_active_project(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"project_id": self.projects or -1}

    def _cmd_otii_set_all_main(self, data: dict[str, Any]) -> dict[str, Any]:
        self.main = bool(data["enable"])
        self._drive()
        return {}

    # -- the Arc

    def _cmd_arc_add_to_project(self, data: dict[str, Any]) -> dict[str, Any]:
        if not self.projects:
            raise OtiiError("Project does not exist")
        return {}

    def _cmd_arc_is_connected(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"connected": not self.unplugged}

    def _cmd_arc_get_version(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"hw_version": "Arc 1.0", "fw_version": "1.1.6"}

    def _cmd_arc_set_main(self, data: dict[str, Any]) -> dict[str, Any]:
        self.main = bool(data["enable"])
        self._drive()
        return {}

    def _cmd_arc_get_main(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"value": self.main}

    def _cmd_arc_set_main_voltage(self, data: dict[str, Any]) -> dict[str, Any]:
        self.main_v = _number(data, 0.5, _HIGHEST_V)
        self._drive()
        return {}

    def _cmd_arc_get_main_voltage(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"value": self.main_v}

    def _cmd_arc_set_max_current(self, data: dict[str, Any]) -> dict[str, Any]:
        self.max_current_a = _number(data, 0.001, 5.0)
        self._loaded()
        return {}

    def _cmd_arc_get_max_current(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"value": self.max_current_a}

    def _cmd_arc_set_src_cur_limit_enabled(self, data: dict[str, Any]) -> dict[str, Any]:
        self.limit_held = bool(data["enable"])
        return {}

    def _cmd_arc_get_src_cur_limit_enabled(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"enabled": self.limit_held}

    def _cmd_arc_set_range(self, data: dict[str, Any]) -> dict[str, Any]:
        self.range = _word(data, "range", ("low", "high"))
        return {}

    def _cmd_arc_get_range(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"range": "high" if self.range_locked else self.range}

    def _cmd_arc_set_4wire(self, data: dict[str, Any]) -> dict[str, Any]:
        self.four_wire = bool(data["enable"])
        return {}

    def _cmd_arc_set_power_regulation(self, data: dict[str, Any]) -> dict[str, Any]:
        self.regulation = _word(data, "mode", ("voltage", "current", "inline", "off"))
        self._drive()
        return {}

    def _cmd_arc_enable_channel(self, data: dict[str, Any]) -> dict[str, Any]:
        channel = _word(data, "channel", _CHANNELS)
        (self.channels.add if data["enable"] else self.channels.discard)(channel)
        return {}

    def _cmd_arc_get_value(self, data: dict[str, Any]) -> dict[str, Any]:
        channel = _word(data, "channel", ("mc", "mv"))
        return {"value": self._connector.value + self._volt_offset if channel == "mv"
                else self._current.at(self._clock.time())}

    # -- recordings

    def _cmd_project_start_recording(self, data: dict[str, Any]) -> dict[str, Any]:
        if data["project_id"] != self.projects:
            raise OtiiError("Project does not exist")
        self.recordings[max(self.recordings, default=0) + 1] = Recording(self._clock.time())
        return {}

    def _cmd_project_stop_recording(self, data: dict[str, Any]) -> dict[str, Any]:
        running = [one for one in self.recordings.values() if one.end_s is None]
        if not running:
            raise OtiiError("Command failure", message="no recording is running")
        running[-1].end_s = self._clock.time()
        return {}

    def _cmd_project_get_last_recording(self, data: dict[str, Any]) -> dict[str, Any]:
        number = max(self.recordings, default=-1)
        return {"recording_id": number, "name": f"Recording {number}", "start-time": self._clock.utc().isoformat(),
                "measurements": []}

    def _cmd_recording_delete(self, data: dict[str, Any]) -> dict[str, Any]:
        self._recording(data)
        del self.recordings[data["recording_id"]]
        return {}

    def _cmd_recording_get_channel_data_count(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"count": self._count(data)[1]}

    def _cmd_recording_get_channel_info(self, data: dict[str, Any]) -> dict[str, Any]:
        rate, count = self._count(data)
        return {"offset": 0.0, "from": 0.0, "to": count / rate, "sample_rate": rate}

    def _cmd_recording_get_channel_data(self, data: dict[str, Any]) -> dict[str, Any]:
        recording, (rate, there) = self._recording(data), self._count(data)
        first, count = int(data["index"]), min(int(data["count"]), _MOST_VALUES)
        count = min(count, there - first)
        if first < 0 or count < 1:
            raise OtiiError("Invalid key value", key="index", value=first)
        if self.garbage_blocks:
            self.garbage_blocks -= 1
            count = max(1, count - 1)
        begin = recording.start_s + first / rate
        if data["channel"] == "mv":
            values = np.full(count, self._connector.value + self._volt_offset)
        else:
            values = self._measure(begin, count)
        return {"data_type": "analog", "timestamp": first / rate, "interval": 1 / rate,
                "values": [float(f"{value:.7g}") for value in values]}

    def _measure(self, begin: float, count: int) -> Any:
        mean, _, maximum = self._current.render(begin, begin + (count + 0.5) / SAMPLE_RATE, 1 / SAMPLE_RATE)
        mean, maximum = mean[:count], maximum[:count]
        high = self.range_locked or self.range == "high"
        index = self.input.fixed(5.0, count) if high else self.input.finest(maximum)
        return self.input.means(mean, maximum, index, 1 / SAMPLE_RATE)

    def _recording(self, data: dict[str, Any]) -> Recording:
        number = data["recording_id"]
        if number not in self.recordings:
            raise OtiiError("Invalid key value", key="recording_id", value=number)
        return self.recordings[number]

    def _count(self, data: dict[str, Any]) -> tuple[int, int]:
        """Samples per second of a channel, and how many there are."""
        recording = self._recording(data)
        if data["channel"] not in self.channels:
            raise OtiiError("Invalid key value", key="channel", value=data["channel"])
        rate = SAMPLE_RATE if data["channel"] == "mc" else _VOLT_RATE
        end_s = self._clock.time() if recording.end_s is None else recording.end_s
        return rate, int((end_s - recording.start_s) * rate + 1e-6)

    # -- power

    def _drive(self) -> None:
        self._connector.set(self.main_v if self.main and self.regulation == "voltage" else 0.0)

    def _loaded(self) -> None:
        """More than the limit cuts the output off, unless the limit is to be held."""
        if self.main and not self.limit_held and self._current.at(self._clock.time()) > self.max_current_a:
            self._clock.loop.call_soon(self._cut_off)

    def _cut_off(self) -> None:
        self.main = False
        self._drive()


def _number(data: dict[str, Any], low: float, high: float) -> float:
    value = data["value"]
    if not isinstance(value, int | float):
        raise OtiiError("Invalid key type", key="value", expected_type="number", received_type=type(value).__name__)
    if not low <= value <= high:
        raise OtiiError("Invalid key value", key="value", value=value)
    return float(value)


def _word(data: dict[str, Any], key: str, words: tuple[str, ...]) -> str:
    if data[key] not in words:
        raise OtiiError("Invalid key value", key=key, value=data[key])
    return str(data[key])


class _Connection(TcpConnection):
    def __init__(self, server: OtiiArc) -> None:
        super().__init__(server)
        self._server = server
        self._heard = b""
        self._held: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._server.dead:
            self._say({"type": "information", "info": "connected", "data": {
                "otii_version": "3.5.5", "protocol_version": "0.1", "server": "otii-server"}})

    def data_received(self, data: bytes) -> None:
        self._heard += data
        *lines, self._heard = self._heard.split(b"\r\n")
        if len(self._heard) > _LINE_LIMIT:
            self._transport.abort()
        for line in lines:
            self._serve(line)

    def _serve(self, line: bytes) -> None:
        if self._server.dead:
            return
        try:
            request = json.loads(line)
        except ValueError as error:
            self._say({"type": "error", "errorcode": "Not able to parse request", "cmd": "", "trans_id": "",
                       "data": {"parse_error": str(error), "data": line.decode("utf-8", "replace")[:200]}})
            return
        answer = self._server.answer(request)
        held, self._held = self._held, []
        for one in held:
            self._transport.write(one)
        if self._server.late_replies > 0:
            self._server.late_replies -= 1
            self._held.append(_line(answer))
        else:
            self._say(answer)

    def _say(self, message: dict[str, Any]) -> None:
        self._transport.write(_line(message))


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\r\n"
