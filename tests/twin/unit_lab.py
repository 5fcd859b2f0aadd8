"""The twin unit in its lab, in virtual time, with a gateway of a few lines that reads and writes bytes by hand.

Nothing here uses the bench's decoders or servers: what the unit does is seen on its wires.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bench.clock import WarpClock
from bench.twin.cmi6110.settings import Value
from bench.twin.cmi6110.unit import CMi6110
from bench.twin.lab import Change, Lab

GATEWAY = ("10.0.0.1", 1884)

READY: dict[str, Value] = {"power_mode": 1, "brown_out_delay": 0, "apn_mode": 1, "utc_offset": 0}
"""Active, and on the air as soon as it is supplied; telegrams carry the meter's own time."""

JSON: dict[str, Value] = {"message_encoding": 1}

QUIET: dict[str, Value] = {"search_period": 1, "restart_backoff": "1440-1440"}
"""One short search a day: without a network the unit need not flash all day long."""

EVER = timedelta(days=1_000_000)


class PlainGateway(asyncio.DatagramProtocol):
    """Accepts whatever an MQTT-SN 1.2 client says. ``deaf``: hears and does not answer."""

    def __init__(self, clock: WarpClock) -> None:
        self.clock = clock
        self.deaf = False
        self.heard: list[tuple[float, int]] = []
        self.topics: list[str] = []
        self.telegrams: list[tuple[float, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: Any) -> None:
        body = data[3:] if data[0] == 1 else data[1:]
        self.heard.append((self.clock.time(), body[0]))
        if self.deaf:
            return
        match body[0]:
            case 0x04:                                                        # CONNECT -> CONNACK
                self.transport.sendto(b"\x03\x05\x00", address)
            case 0x0A:                                                        # REGISTER -> REGACK, topic 1
                self.topics.append(body[5:].decode())
                self.transport.sendto(b"\x07\x0b\x00\x01" + body[3:5] + b"\x00", address)
            case 0x0C:                                                        # PUBLISH -> PUBACK
                self.telegrams.append((self.clock.time(), body[6:]))
                self.transport.sendto(b"\x07\x0d" + body[2:6] + b"\x00", address)

    def count(self, kind: int) -> int:
        return sum(one == kind for _, one in self.heard)

    def stamps(self) -> list[str]:
        """The "TS" of all JSON telegrams, in the order of their arrival."""
        return [json.loads(telegram)["TS"] for _, telegram in self.telegrams]


@dataclass
class World:
    """``edges``: what the LEDs do, as (time, colour, on)."""

    clock: WarpClock
    lab: Lab
    gateway: PlainGateway
    edges: list[tuple[float, str, bool]] = field(default_factory=list)

    @property
    def unit(self) -> CMi6110:
        return self.lab.unit

    def set(self, **settings: Value) -> None:
        self.clock.call(lambda: self.unit.settings.write(settings))

    def supply(self, volts: float = 3.6) -> None:
        self.clock.call(lambda: self.unit.supply.set(volts))

    def button(self, pressed: bool) -> None:
        self.clock.call(lambda: self.unit.front.button.set(pressed))

    def press(self, held_s: float) -> float:
        """Press and let go; when that was."""
        self.button(True)
        self.clock.sleep(held_s)
        released = self.clock.time()
        self.button(False)
        return released

    def air(self, on: bool) -> None:
        self.clock.call(lambda: setattr(self.lab.cell, "power", on))

    def until(self, state: str, timeout_s: float = 86400.0) -> float:
        """When the modem got into ``state``."""
        self.clock.wait_for(lambda: self.unit.modem.state == state, timeout_s)
        return self.clock.time()

    def lit(self, colour: str, since: float = 0.0) -> list[tuple[float, float]]:
        """Pulses of an LED that began at ``since`` or later, as (start, duration), both to the millisecond."""
        moments = [moment for moment, led, _ in self.edges if led == colour]
        return [(round(on, 3), round(off - on, 3)) for on, off in zip(moments[::2], moments[1::2], strict=False)
                if on >= since]

    def readouts(self) -> list[datetime]:
        """The meter time of all readouts not yet sent, oldest first."""
        return self.clock.call(lambda: [one.time for one in self.unit.storage.unsent(
            self.lab.meter.clock_now(), EVER, 1)])


@contextmanager
def world(seed: int = 1, /, *changes: Change, **settings: Value) -> Iterator[World]:
    """A provisioned unit with ``changes`` and ``settings``, not yet supplied."""
    with WarpClock() as clock:
        assert isinstance(clock, WarpClock)
        lab = Lab.start(clock, seed, changes=changes)
        gateway = PlainGateway(clock)
        clock.run(clock.loop.create_datagram_endpoint(lambda: gateway, local_addr=("127.0.0.1", 0)))
        lab.route({GATEWAY: gateway.transport.get_extra_info("sockname")})
        made = World(clock, lab, gateway)

        def prepare() -> None:
            unit = lab.unit
            lab.cell.power = lab.cell.psm_allowed = True
            unit.servers.provisioned = True
            unit.servers.mdm_uri = "udp://{}:{}".format(*GATEWAY)
            unit.front.green.follow(lambda on: made.edges.append((clock.time(), "green", on)))
            unit.front.red.follow(lambda on: made.edges.append((clock.time(), "red", on)))
            if settings:
                unit.settings.write(settings)

        clock.call(prepare)
        yield made
        clock.call(gateway.transport.close)
        lab.stop()
