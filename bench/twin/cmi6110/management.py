"""What the device management server may do with the unit's resources, and the unit's answers.

Source: OMA LightweightM2M 1.1 core, sections 6.3 and 6.4, and transport, section 6.4 (codes).
"""

from __future__ import annotations

from collections.abc import Mapping

from aiocoap.message import Message
from aiocoap.numbers import codes

from bench.protocols import lwm2m
from bench.protocols.lwm2m import ContentFormat, Path, Type
from bench.twin.cmi6110.attributes import Attributes
from bench.twin.cmi6110.resource import BadValue, NotAllowed, NotFound, Resource
from bench.twin.cmi6110.settings import Refused, Settings
from bench.twin.cmi6110.settings import Value as Setting


class Management:
    """The operations of one server on ``tree``. ``attributes`` are those that it has written."""

    def __init__(self, settings: Settings, tree: Mapping[Path, Resource]) -> None:
        self.settings = settings
        self.tree = tree
        self.attributes = Attributes()

    def serve(self, request: Message, path: Path) -> Message:
        """Raises NotAllowed, NotFound, BadValue and Lwm2mError, which say why the unit refuses."""
        if not path and request.code == codes.FETCH:
            return self._read_composite(request)
        if not path and request.code == codes.iPATCH:
            return self._write_composite(request)
        if path[:1] == (0,) and not self._below(path):
            return Message(code=codes.UNAUTHORIZED)
        below = self._below(path)
        if not below or (len(path) == 4 and not (below[path.resource].multiple and path[3] == 0)):
            raise NotFound("not found")
        if request.code == codes.GET and request.opt.accept == ContentFormat.LINK_FORMAT:
            return self._discover(path, below)
        if request.code == codes.GET:
            return self._read(request, path, below)
        if request.code == codes.PUT or (request.code == codes.POST and len(path) == 2):
            return self._write(request, path)
        if request.code == codes.POST and len(path) == 3:
            return self._execute(request, below[path])
        raise NotAllowed(str(request.code))

    def _read(self, request: Message, path: Path, below: Mapping[Path, Resource]) -> Message:
        values = self._values(path, below)
        if not values:
            raise NotAllowed("not readable")
        chosen = request.opt.accept
        if chosen is None:
            single = len(path) >= 3 and len(values) == 1 and not below[Path(*path[:3])].multiple
            single = single or len(path) == 4
            chosen = ContentFormat.TEXT if single else ContentFormat.TLV
            if single and isinstance(next(iter(values.values())), bytes):
                chosen = ContentFormat.OPAQUE
        try:
            payload = lwm2m.encode(values, path, chosen)
        except lwm2m.Lwm2mError:
            return Message(code=codes.NOT_ACCEPTABLE)
        return Message(code=codes.CONTENT, payload=payload, content_format=chosen)

    def _values(self, path: Path, below: Mapping[Path, Resource]) -> dict[Path, lwm2m.Value]:
        """What can be read of ``below`` at and under ``path``."""
        values: dict[Path, lwm2m.Value] = {}
        for known, resource in below.items():
            if resource.read is not None:
                values[known / 0 if resource.multiple else known] = resource.read()
        return {known: value for known, value in values.items() if known.is_under(path)}

    def _read_composite(self, request: Message) -> Message:
        """What is there of the paths asked for; the rest is left out. Observe-Composite asks alike."""
        asked = request.opt.content_format
        if asked is None:
            raise BadValue("no content format")
        chosen = int(asked) if request.opt.accept is None else int(request.opt.accept)
        values: dict[Path, lwm2m.Value] = {}
        for path in lwm2m.decode_paths(request.payload, int(asked)):
            values |= self._values(path, self._below(path))
        try:
            payload = lwm2m.encode(values, Path(), chosen)
        except lwm2m.Lwm2mError:
            return Message(code=codes.NOT_ACCEPTABLE)
        return Message(code=codes.CONTENT, payload=payload, content_format=ContentFormat(chosen))

    def _write_composite(self, request: Message) -> Message:
        if request.opt.content_format not in (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON):
            return Message(code=codes.UNSUPPORTED_CONTENT_FORMAT)
        self.take(lwm2m.decode(request.payload, Path(), int(request.opt.content_format), self._type_of))
        return Message(code=codes.CHANGED)

    def _below(self, path: Path) -> dict[Path, Resource]:
        return {known: resource for known, resource in self.tree.items() if known.is_under(Path(*path[:3]))}

    def _discover(self, path: Path, below: Mapping[Path, Resource]) -> Message:
        shown = sorted({path, *below, *(Path(*known[:2]) for known in below if len(path) == 1)})
        dimensions = {known: ";dim=1" for known, resource in below.items() if resource.multiple}
        parts = [f"<{known}>{dimensions.get(known, '')}{self.attributes.at(known)}" for known in shown]
        return Message(code=codes.CONTENT, payload=",".join(parts).encode(),
                               content_format=ContentFormat.LINK_FORMAT)

    def _write(self, request: Message, path: Path) -> Message:
        """Take all of a write or nothing of it. A write without content is one of attributes."""
        if request.code == codes.PUT and request.opt.uri_query and not request.payload:
            self.attributes.write(path, request.opt.uri_query)
            return Message(code=codes.CHANGED)
        if len(path) >= 3:
            self._writable(path)
        content_format = request.opt.content_format
        self.take(lwm2m.decode(request.payload, path,
                                ContentFormat.TEXT if content_format is None else content_format, self._type_of))
        return Message(code=codes.CHANGED)

    def take(self, values: Mapping[Path, lwm2m.Value]) -> None:
        targets = [(self._writable(target), value) for target, value in values.items()]
        staged: dict[str, Setting] = {}
        for resource, value in targets:
            if resource.stage is not None:
                staged |= resource.stage(value)
            elif resource.check is not None:
                resource.check(value)
        if staged:
            try:
                self.store(staged)
            except Refused as refused:
                raise BadValue(str(refused)) from refused
        for resource, value in targets:
            if resource.stage is None and resource.write is not None:
                resource.write(value)

    def store(self, staged: Mapping[str, Setting]) -> None:
        """Settings that a write has brought."""
        self.settings.write(staged)

    def _writable(self, path: Path) -> Resource:
        resource = self.tree.get(path.resource)
        if resource is None:
            raise NotFound("not found")
        if not resource.writable:
            raise NotAllowed("not writable")
        return resource

    def _execute(self, request: Message, resource: Resource) -> Message:
        if resource.execute is None:
            raise NotAllowed("not executable")
        resource.execute(request.payload.decode("utf-8", "replace"))
        return Message(code=codes.CHANGED)

    def _type_of(self, path: Path) -> Type:
        resource = self.tree.get(Path(*path[:3]))
        return resource.type if resource is not None and resource.type is not None else Type.OPAQUE

    def value(self, path: Path) -> lwm2m.Value | None:
        """The value of one readable resource; None where there is none."""
        resource = self.tree.get(path)
        return resource.read() if resource is not None and resource.read is not None else None
