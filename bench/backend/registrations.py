"""Who is registered at the device management server, and who was.

Source: OMA LightweightM2M 1.0, section 5.3 (client registration interface), and 1.1 core, section 6.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bench.clock import Clock
from bench.journal import Journal
from bench.protocols.lwm2m_links import Link

DEFAULT_LIFETIME_S = 86400
"""What counts when a registration names no lifetime (section 5.3.1)."""


MAX_REGISTRATIONS = 10_000
"""Beyond them new ones are refused: no bench has so many units, so it is a flood."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A unit that is registered. Times in seconds since the timeline began.

    ``location`` is the path the unit updates, such as "/rd/1"; ``objects`` are the links it registered, as paths below
    its root; ``peer`` is the number of the source of its last message. ``root`` is where its objects are, () where it
    names no alternate path. ``identity`` is what it proved when it registered, None without DTLS. ``parameters`` are
    what else it said of itself: those of versions to come, such as profile ids, among them.
    """

    endpoint: str
    location: str
    lifetime_s: int
    binding: str
    lwm2m_version: str
    queue_mode: bool
    objects: tuple[Link, ...]
    registered_at: float
    updated_at: float
    peer: int
    root: tuple[str, ...] = ()
    identity: bytes | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


class Event(StrEnum):
    REGISTERED = "registered"
    UPDATED = "updated"
    DEREGISTERED = "deregistered"
    EXPIRED = "expired"
    REPLACED = "replaced"
    """The unit registered again: the old registration ended."""
    FORGOTTEN = "forgotten"
    """The server dropped it on purpose, as after a loss of its memory."""


@dataclass(frozen=True, slots=True)
class RegistrationEvent:
    """``registration`` as it was afterwards, or at its end. ``changed`` names what an update announced as changed."""

    time_s: float
    event: Event
    registration: Registration
    changed: tuple[str, ...] = ()


class Registrations:
    """The registrations by endpoint, with their expiry on the clock's loop. Locations count up from "/rd/1".

    ``on_event`` is told of each event after it has been written to ``history``.
    """

    def __init__(self, clock: Clock, on_event: Callable[[RegistrationEvent], None]) -> None:
        self.current: dict[str, Registration] = {}
        self.history: Journal[RegistrationEvent] = Journal()
        self._clock = clock
        self._on_event = on_event
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._by_location: dict[str, Registration] = {}
        self._by_peer: dict[int, str] = {}
        self._by_identity: dict[bytes, str] = {}
        self._count = 0

    def register(self, peer: int, endpoint: str, *, lifetime_s: int, binding: str, lwm2m_version: str,
                 queue_mode: bool, objects: tuple[Link, ...], root: tuple[str, ...] = (),
                 identity: bytes | None = None, parameters: Mapping[str, str] | None = None) -> Registration:
        """A new registration; one that ``endpoint`` already has ends."""
        if endpoint in self.current:
            self._end(endpoint, Event.REPLACED)
        self._count += 1
        now = self._clock.time()
        registration = Registration(endpoint, f"/rd/{self._count}", lifetime_s, binding, lwm2m_version, queue_mode,
                                    objects, now, now, peer, root, identity, parameters or {})
        self._keep(registration)
        self._note(Event.REGISTERED, registration)
        return registration

    def at(self, location: str) -> Registration | None:
        """The registration with that location."""
        return self._by_location.get(location)

    def of_peer(self, peer: int) -> Registration | None:
        """The registration whose last message came from there."""
        return self.current.get(self._by_peer.get(peer, ""))

    def meet(self, peer: int, identity: bytes) -> Registration | None:
        """Whoever has proved ``identity`` is at ``peer`` from now on. Its registration, if it has one: that is the
        unit's, not an address's."""
        registration = self.current.get(self._by_identity.get(identity, ""))
        if registration is not None and registration.peer != peer:
            self._leave_peer(registration)
            registration = replace(registration, peer=peer)
            self._enter(registration)
        return registration

    def update(self, registration: Registration, peer: int, *, lifetime_s: int | None = None,
               binding: str | None = None, queue_mode: bool = False, objects: tuple[Link, ...] | None = None,
               root: tuple[str, ...] | None = None) -> Registration:
        """The lifetime begins anew; what is None stays. ``queue_mode``: the update says so by itself (Q).

        Queue mode is a part of the binding in LwM2M 1.0. In 1.1 it is no parameter of an update (core, table 6.2.2.-1),
        though there is room for it (transport, table 6.4.3.-1): so it can be begun, and ends with the registration.
        """
        news = {name: value for name, value in (("lifetime_s", lifetime_s), ("binding", binding),
                                                ("objects", objects)) if value is not None}
        self._leave_peer(registration)
        updated = replace(registration, updated_at=self._clock.time(), peer=peer,
                          root=registration.root if root is None else root, **news)  # type: ignore[arg-type]
        if queue_mode or (binding is not None and "Q" in binding):
            updated = replace(updated, queue_mode=True)
        elif binding is not None and registration.lwm2m_version == "1.0":
            updated = replace(updated, queue_mode=False)
        self._keep(updated)
        self._note(Event.UPDATED, updated, tuple(news))
        return updated

    def deregister(self, registration: Registration) -> None:
        self._end(registration.endpoint, Event.DEREGISTERED)

    def forget(self, registration: Registration) -> None:
        self._end(registration.endpoint, Event.FORGOTTEN)

    def stop(self) -> None:
        """No registration expires any more."""
        for timer in self._expiries.values():
            timer.cancel()
        self._expiries.clear()

    def _enter(self, registration: Registration) -> None:
        self.current[registration.endpoint] = self._by_location[registration.location] = registration
        self._by_peer[registration.peer] = registration.endpoint
        if registration.identity is not None:
            self._by_identity[registration.identity] = registration.endpoint

    def _keep(self, registration: Registration) -> None:
        endpoint = registration.endpoint
        self._enter(registration)
        if endpoint in self._expiries:
            self._expiries[endpoint].cancel()
        self._expiries[endpoint] = self._clock.loop.call_later(registration.lifetime_s, self._end, endpoint,
                                                               Event.EXPIRED)

    def _end(self, endpoint: str, event: Event) -> None:
        self._expiries.pop(endpoint).cancel()
        ended = self.current.pop(endpoint)
        del self._by_location[ended.location]
        self._leave_peer(ended)
        if ended.identity is not None and self._by_identity.get(ended.identity) == endpoint:
            del self._by_identity[ended.identity]
        self._note(event, ended)

    def _leave_peer(self, registration: Registration) -> None:
        if self._by_peer.get(registration.peer) == registration.endpoint:
            del self._by_peer[registration.peer]

    def _note(self, event: Event, registration: Registration, changed: tuple[str, ...] = ()) -> None:
        note = RegistrationEvent(self._clock.time(), event, registration, changed)
        self.history.append(note)
        self._on_event(note)
