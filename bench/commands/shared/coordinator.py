"""A client of ``labgrid-coordinator`` (labgrid 26.0.1), over gRPC.

The coordinator tells its own messages by server reflection, so no part of labgrid is imported or copied: labgrid brings
a module ``serial`` of its own, which must not stand in for pyserial in the bench. What is known of the calls is from
labgrid's ``remote/proto/labgrid-coordinator.proto`` and ``remote/coordinator.py``.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any

from bench.errors import BenchError
from bench.protocols.udp import refuse_public

ANSWER_S = 20.0
"""Real seconds within which the coordinator answers. It may wait ten for an exporter."""

_WAITING = 0
"""``ReservationState.waiting`` in labgrid's remote/common.py."""

_OPTIONS = (("grpc.keepalive_time_ms", 7500), ("grpc.keepalive_timeout_ms", 10000),
            ("grpc.http2.max_pings_without_data", 0))
"""As labgrid's client has them: a coordinator that is silent for so long is gone."""

ResourcePath = tuple[str, str, str]
"""Exporter, group, name."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What an exporter offers: a wire, an instrument. ``available``: whether it is there now."""

    path: ResourcePath
    kind: str
    parameters: Mapping[str, Any]
    available: bool

    def __str__(self) -> str:
        return "/".join(self.path)


@dataclass(frozen=True, slots=True)
class Match:
    """Which resources belong to a place: patterns as of a shell; ``rename`` is what the place calls it."""

    exporter: str
    group: str
    kind: str
    name: str
    rename: str

    def fits(self, resource: Resource) -> bool:
        exporter, group, name = resource.path
        return (fnmatchcase(exporter, self.exporter) and fnmatchcase(group, self.group)
                and fnmatchcase(resource.kind, self.kind) and fnmatchcase(name, self.name or "*"))

    def __str__(self) -> str:
        return "/".join((self.exporter, self.group, self.kind, *([self.name] if self.name else [])))


@dataclass(frozen=True, slots=True)
class Place:
    """A bench, or an instrument that benches share. ``owner``: its name, empty where nobody has it; ``changed``:
    seconds since 1970."""

    name: str
    tags: Mapping[str, str]
    matches: tuple[Match, ...]
    owner: str
    changed: float
    reservation: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """``place`` is empty as long as it waits."""

    token: str
    place: str


@dataclass
class _Known:
    """What the coordinator has told so far."""

    places: dict[str, Place] = field(default_factory=dict)
    resources: dict[ResourcePath, Resource] = field(default_factory=dict)
    gone: str = ""


class Coordinator:
    """A connection in the name of ``owner``. What there is, and each change of it, is told by the coordinator.

    Raises ``BenchError`` where there is none at ``address``, or one that does not speak as labgrid's does.
    """

    def __init__(self, address: str, owner: str) -> None:
        try:
            import grpc
            from google.protobuf.descriptor_pool import DescriptorPool
            from google.protobuf.message_factory import GetMessageClass
            from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
        except ImportError as error:
            raise BenchError("shared benches", expected="the extra of this project that speaks to labgrid",
                             seen=f"no module {error.name}", do="pip install 'mcm-bench[labgrid]'") from None
        self.subject = f"coordinator at {address}"
        host = address.rpartition(":")[0]
        if not host or not address.rpartition(":")[2].isdigit():
            raise BenchError(self.subject, expected="HOST:PORT", seen=address, do="correct --coordinator")
        try:
            refuse_public(host.strip("[]"), ())
        except BenchError as error:
            raise BenchError(self.subject, expected="an address of the lab", seen=error.seen,
                             do="correct --coordinator") from None
        self._grpc = grpc
        self._known = _Known()
        self._lock = threading.Lock()
        self._said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._synced = threading.Condition(self._lock)
        self._asked = self._answered = 0
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        try:
            grpc.channel_ready_future(self._channel).result(timeout=ANSWER_S / 2)
            service = DescriptorPool(ProtoReflectionDescriptorDatabase(self._channel)).FindServiceByName(
                "labgrid.Coordinator")
            self._methods = {one.name: one for one in service.methods}
            self._message: Callable[[Any], Any] = GetMessageClass
            self._subscribe(owner)
        except BaseException as error:
            self.close()
            if isinstance(error, grpc.FutureTimeoutError):
                seen = "nobody there"
            elif isinstance(error, KeyError | grpc.RpcError):
                seen = "something else there"
            else:
                raise
            raise BenchError(self.subject, expected="labgrid-coordinator", seen=seen,
                             do="start it, or say where it is with --coordinator") from None

    def _subscribe(self, owner: str) -> None:
        method = self._methods["ClientStream"]
        ask = self._message(method.input_type)
        for message in (ask(startup={"version": "26.0.1", "name": owner}), ask(subscribe={"all_places": True}),
                        ask(subscribe={"all_resources": True})):
            self._said.put(message)
        call = self._channel.stream_stream(f"/{method.containing_service.full_name}/{method.name}",
                                           request_serializer=ask.SerializeToString,
                                           response_deserializer=self._message(method.output_type).FromString)
        self._answers = call(iter(self._said.get, None))
        threading.Thread(target=self._listen, daemon=True).start()
        self.catch_up()

    def catch_up(self) -> None:
        """Wait until all is known that the coordinator has told before now. Raises ``BenchError``."""
        with self._synced:
            self._asked += 1
            wanted = self._asked
            self._said.put(self._ask_for_sync(wanted))
            is_there = self._synced.wait_for(lambda: self._answered >= wanted or bool(self._known.gone), ANSWER_S)
            if not is_there or self._known.gone:
                raise BenchError(self.subject, expected="to tell of its places", seen=self._known.gone or "silence",
                                 do="look at its log, and whether it is labgrid 26.0.1")

    def _ask_for_sync(self, number: int) -> Any:
        return self._message(self._methods["ClientStream"].input_type)(sync={"id": number})

    def _listen(self) -> None:
        why = "it has closed the connection"
        try:
            for message in self._answers:
                with self._lock:
                    for update in message.updates:
                        self._note(update)
                    if message.HasField("sync"):
                        self._answered = message.sync.id
                        self._synced.notify_all()
        except self._grpc.RpcError as error:
            why = _reason(error)
        with self._lock:
            self._known.gone = why
            self._synced.notify_all()

    def _note(self, update: Any) -> None:
        places, resources = self._known.places, self._known.resources
        match update.WhichOneof("kind"):
            case "place":
                places[update.place.name] = _place(update.place)
            case "del_place":
                places.pop(update.del_place, None)
            case "resource":
                found = update.resource
                path = (found.path.exporter_name, found.path.group_name, found.path.resource_name)
                parameters = {key: _value(value) for key, value in found.params.items()}
                resources[path] = Resource(path, found.cls, parameters, found.avail)
            case "del_resource":
                gone = update.del_resource
                resources.pop((gone.exporter_name, gone.group_name, gone.resource_name), None)

    @property
    def gone(self) -> str:
        """Why nothing is heard any more, or empty."""
        with self._lock:
            return self._known.gone

    @property
    def places(self) -> dict[str, Place]:
        with self._lock:
            return dict(self._known.places)

    @property
    def resources(self) -> dict[ResourcePath, Resource]:
        with self._lock:
            return dict(self._known.resources)

    def acquire(self, place: str) -> None:
        """Take ``place`` and its resources. Raises ``BenchError`` with the coordinator's reason."""
        self._call("AcquirePlace", f"place {place}", self._ask("AcquirePlace", placename=place))
        self.catch_up()

    def release(self, place: str, owner: str) -> None:
        """Let go of ``place`` if it is ``owner``'s; else nothing happens."""
        self._call("ReleasePlace", f"place {place}", self._ask("ReleasePlace", placename=place, fromuser=owner))
        self.catch_up()

    def tag(self, place: str, tags: Mapping[str, str]) -> None:
        """Set tags of ``place``; the others stay, and an empty value takes one away."""
        self._call("SetPlaceTags", f"place {place}", self._ask("SetPlaceTags", placename=place, tags=dict(tags)))

    def reserve(self, wanted: Mapping[str, str]) -> Reservation:
        """Ask for any place with all the tags; ``{"name": NAME}`` is one place. First come, first served."""
        ask = self._ask("CreateReservation")
        ask.filters["main"].filter.update(wanted)
        return _reservation(self._call("CreateReservation", "reservation", ask).reservation)

    def poll(self, token: str) -> Reservation:
        """What has become of a reservation. One that nobody asks after for a minute is no more."""
        told = self._call("PollReservation", "reservation", self._ask("PollReservation", token=token))
        return _reservation(told.reservation)

    def cancel(self, token: str) -> None:
        """Give a reservation back."""
        self._call("CancelReservation", "reservation", self._ask("CancelReservation", token=token))

    def _ask(self, name: str, /, **values: Any) -> Any:
        return self._message(self._methods[name].input_type)(**values)

    def _call(self, name: str, subject: str, ask: Any) -> Any:
        method = self._methods[name]
        call = self._channel.unary_unary(f"/{method.containing_service.full_name}/{name}",
                                         request_serializer=type(ask).SerializeToString,
                                         response_deserializer=self._message(method.output_type).FromString)
        try:
            return call(ask, timeout=ANSWER_S)
        except self._grpc.RpcError as error:
            raise BenchError(subject, expected=f"the {self.subject} to do {name}", seen=_reason(error),
                             do="look at mcm-bench benches") from None

    def close(self) -> None:
        """End the connection. Idempotent. Places stay as they are."""
        self._said.put(None)
        self._channel.close()

    def __enter__(self) -> Coordinator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()


def resources_of(place: Place, resources: Mapping[ResourcePath, Resource]) -> Iterator[tuple[str, Resource]]:
    """The resources of ``place``, each by what the place calls it."""
    for path, resource in sorted(resources.items()):
        fitting = next((match for match in place.matches if match.fits(resource)), None)
        if fitting is not None:
            yield fitting.rename or path[2], resource


def since(place: Place) -> str:
    """When ``place`` was taken or last changed, local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(place.changed))


def _reason(error: Any) -> str:
    """What a gRPC error says, in one line."""
    return " ".join(str(error.details()).split())


def _place(told: Any) -> Place:
    matches = tuple(Match(one.exporter, one.group, one.cls, one.name, one.rename) for one in told.matches)
    return Place(told.name, dict(told.tags), matches, told.acquired, told.changed, told.reservation, told.comment)


def _reservation(told: Any) -> Reservation:
    place = told.allocations.get("main", "") if told.state != _WAITING else ""
    return Reservation(told.token, place)


def _value(told: Any) -> Any:
    kind = told.WhichOneof("kind")
    return None if kind is None else getattr(told, kind)
