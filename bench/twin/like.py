"""A twin like a unit that was recorded: what ``mcm-bench learn`` found, as a file, and the change of the twin that it
is.

The file is TOML and may be corrected by hand::

    readings = ["flashes-each-2-s"]     # legal variants that the unit is like
    [lights]                            # seconds: fields of Front, and red_late_s, change_over_s
    joined_green_s = 7.6
    [delays]                            # seconds added before what the unit does, from and to
    connect = [0.4, 0.6]
    [messages]                          # fields of MdmClient; topic; what a registration says beside name and lifetime
    keep_alive_s = 3600
    registers_with = ["lwm2m=1.1", "b=U"]
    [currents]                          # amperes at 3.6 V, and seconds: fields of Waveform
    floor_a = 3.1e-6
    [settings]                          # as delivered
    transmit_interval = 720
    [ordered]                           # the same as a station file says it of what was ordered otherwise than printed
    transmit_interval = 720
    [resources]                         # that always read so
    "/3/0/18" = "1C"
    [tree]
    absent = ["/33907/0/11"]
    [order]
    joining = "meter data first"        # or "... but after a bootstrap", or "device management first"

Everything goes the way of defects and variants: parts in the place of parts, and a function that gets the lab.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.errors import BenchError
from bench.protocols.lwm2m import Path
from bench.protocols.mqttsn import Message
from bench.toml_file import read_toml
from bench.twin.cmi6110.accounts import DmAccount
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.current import Waveform
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient, Site
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.uri import address_of
from bench.twin.lab import Lab

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Span = tuple[Seconds, Seconds]

LIGHTS = ("start_both_s", "flash_s", "flash_period_s", "joined_green_s", "reboot_from_s", "off_from_s", "red_late_s",
          "change_over_s")
DELAYS = ("start", "search", "registration", "connect", "register", "publish", "answer", "bootstrap_answer")
"""Before the start-up lights, the search, the registration after a bootstrap, CONNECT, REGISTER, the first PUBLISH, and
answers to the two LwM2M servers."""
CURRENTS = tuple(name for name in Waveform.__annotations__ if name not in ("synchronise_s", "block_s"))


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    joining: Literal["device management first", "meter data first", "meter data first but after a bootstrap"] = (
        "device management first")


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    absent: tuple[str, ...] = ()


class Like(BaseModel):
    """The file. ``learned`` says of which runs; ``cannot``: what of them the twin can't be made to show;
    ``undecided``: what looks different there, with too few samples to say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learned: Mapping[str, Any] = Field(default_factory=dict)
    readings: tuple[str, ...] = ()
    lights: Mapping[str, Seconds] = Field(default_factory=dict)
    delays: Mapping[str, Span] = Field(default_factory=dict)
    messages: Mapping[Literal["keep_alive_s", "clean_session", "topic", "registers_with"],
                      bool | int | str | tuple[str, ...]] = Field(default_factory=dict)
    currents: Mapping[str, Annotated[float, Field(ge=0, le=3600)]] = Field(default_factory=dict)
    settings: Mapping[str, int | str] = Field(default_factory=dict)
    ordered: Mapping[str, int | str] = Field(default_factory=dict)
    resources: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    tree: Tree = Tree()
    order: Order = Order()
    cannot: tuple[Mapping[str, Any], ...] = ()
    undecided: tuple[Mapping[str, Any], ...] = ()

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Like:
        for table, known in ((self.lights, LIGHTS), (self.delays, DELAYS), (self.currents, CURRENTS)):
            for name in table:
                if name not in known:
                    raise ValueError(f"{name} is none of {', '.join(known)}")
        if any(low > high for low, high in self.delays.values()):
            raise ValueError("a delay from its shorter to its longer end")
        for path in (*self.resources, *self.tree.absent):
            Path.parse(path)
        return self

    @classmethod
    def load(cls, path: FilePath) -> Like:
        """Read a file. Raises ``BenchError``."""
        content = read_toml(path, f"unit file {path.name}", "name a file that mcm-bench learn has written")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            raise BenchError(f"unit file {path.name}, {' '.join(map(str, first['loc'])) or 'as a whole'}",
                             expected="what mcm-bench learn writes", seen=str(first["msg"]),
                             do="correct the file, or learn it again") from error

    @property
    def parts(self) -> tuple[type, ...]:
        """In the place of which parts of the twin."""
        lights: dict[str, object] = dict(self.lights)
        red_late_s, change_over_s = lights.pop("red_late_s", 0.0), lights.pop("change_over_s", 0.0)
        messages: dict[str, object] = {name: value for name, value in self.messages.items() if name != "registers_with"}
        registers_with = self.messages.get("registers_with")
        pauses = {name: span for name, span in self.delays.items() if span[1] > 0}
        wanted: dict[type, dict[str, object]] = {
            Front: lights, LateRed: {"red_late_s": red_late_s} if red_late_s else {},
            ChangeOver: {"change_over_s": change_over_s} if change_over_s else {}, Waveform: dict(self.currents),
            Presenting: {"registers_with": registers_with} if isinstance(registers_with, tuple) else {}}
        order: dict[str, object] = {"order": self.order.joining} if self.order != Order() else {}
        rest: tuple[tuple[type, set[str], dict[str, object]], ...] = (
                (PausingLife, {"start", "publish"}, order),
                (PausingJoining, {"search"}, {}), (PausingConnection, {"registration"}, {}),
                (PausingMdm, {"connect", "register"}, messages), (PausingSite, {"answer", "bootstrap_answer"}, {}))
        for part, names, more in rest:
            mine = {name: span for name, span in pauses.items() if name in names}
            wanted[part] = {"pauses": mine, **more} if mine or more else {}
        return tuple(_made(part, **fields) for part, fields in wanted.items() if fields)

    def prepare(self, lab: Lab) -> None:
        """What the lab has otherwise before it is switched on. Raises ``BenchError`` for what the twin has not."""
        unit = lab.unit
        for name in self.settings:
            if name not in unit.settings.rules:
                raise BenchError(f"setting {name} of the unit file", expected="one that the twin has", seen="none",
                                 do="take it out of the file")
        unit.settings.put(dict(self.settings))
        for text in self.tree.absent:
            path = Path.parse(text)
            for known in [one for one in unit.tree if one.is_under(path)]:
                del unit.tree[known]
        for text, value in self.resources.items():
            _set_resource(lab, Path.parse(text), value)


def _set_resource(lab: Lab, path: Path, value: object) -> None:
    known = lab.unit.tree.get(path)
    if known is None:
        raise BenchError(f"resource {path} of the unit file", expected="one that the twin has", seen="none",
                         do="take it out of the file")
    lab.unit.tree[path] = replace(known, read=lambda: value)


Pauses = Mapping[str, Span]


async def _wait(pauses: Pauses, name: str, chance: random.Random) -> None:
    if name in pauses:
        await asyncio.sleep(chance.uniform(*pauses[name]))


# -- parts: a field of each says how much


class LateRed(Front):
    """At start-up red follows green."""

    red_late_s = 0.0

    async def _start(self) -> None:
        self.light(True, False)
        await asyncio.sleep(self.red_late_s)
        self.red.set(True)
        await asyncio.sleep(self.start_both_s - self.red_late_s)
        self.green.set(False)
        await asyncio.sleep(self.red_late_s)
        self.red.set(False)


class ChangeOver(Front):
    """Between the zones of the button it is dark for a while."""

    change_over_s = 0.0

    def _zone(self, green: bool, red: bool) -> None:
        super()._zone(green, False)
        if red:
            self.clock.loop.call_later(self.change_over_s, self._red_if_held)

    def _red_if_held(self) -> None:
        self.red.set(self._pressed_at is not None)


class PausingLife(Life):
    """Takes its time before the start-up lights, and before the readout after joining."""

    pauses: Pauses = {}
    order = "device management first"

    async def install_firmware(self) -> None:
        await super().install_firmware()
        await _wait(self.pauses, "start", self.modem.rng)

    async def _work(self) -> None:
        bootstraps = self._bootstrap_due
        if bootstraps and self.order == "meter data first":
            await self.connection.bootstrap_until_done()
            self._bootstrap_due = False
        if self.order == "meter data first" or (self.order != Order().joining and not bootstraps):
            self.mdm.server = address_of(self.servers.mdm_uri)
            if self.settings.number("upload_protocol") == 0:
                await self.mdm.connect()
        await super()._work()

    async def read(self, *, extra: bool) -> None:
        if self._readout_due:
            await _wait(self.pauses, "publish", self.modem.rng)
        await super().read(extra=extra)


class PausingJoining(Joining):
    """Takes its time before it searches."""

    pauses: Pauses = {}

    async def join(self, started: bool = True) -> None:
        if started:
            await _wait(self.pauses, "search", self.modem.rng)
        await super().join(started)


class PausingConnection(Connection):
    """Takes its time between bootstrap and registration."""

    pauses: Pauses = {}

    async def bootstrap_once(self) -> bool:
        done = await super().bootstrap_once()
        if done:
            await _wait(self.pauses, "registration", self.modem.rng)
        return done


class PausingMdm(MdmClient):
    """Takes its time before it connects, and before it registers a topic."""

    pauses: Pauses = {}
    topic = ""

    def usual_topic(self) -> str:
        formats = {"(unit)": self.deveui}
        usual = super().usual_topic()
        formats["(format)"], formats["(encoding)"] = usual.split("/")[-2:]
        topic = self.topic or usual
        for word, value in formats.items():
            topic = topic.replace(word, value)
        return topic

    async def say_hello(self) -> Message | None:
        await _wait(self.pauses, "connect", self.modem.rng)
        return await super().say_hello()

    async def _register(self) -> Message | None:
        await _wait(self.pauses, "register", self.modem.rng)
        return await super()._register()


class Presenting(Lwm2mClient):
    """Presents itself otherwise when it registers."""

    registers_with: tuple[str, ...] = ()

    def presents(self, account: DmAccount) -> list[str]:
        return list(self.registers_with)


class PausingSite(Site):
    """Takes its time to answer."""

    pauses: Pauses = {}

    async def render(self, request: Any) -> Any:
        is_bootstrap = self.client.draft is not None
        await _wait(self.pauses, "bootstrap_answer" if is_bootstrap else "answer", self.client.modem.rng)
        return await super().render(request)


def _made(part: type, **fields: object) -> type:
    return type(f"Learned{part.__name__}", (part,), fields)
