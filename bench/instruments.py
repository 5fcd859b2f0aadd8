"""The drivers there are: classes that installed packages offer as entry points of the group ``mcm_bench.instruments``.

The bench's own are offered the same way (pyproject.toml)::

    [project.entry-points."mcm_bench.instruments"]
    rigol-dp800 = "lab_supplies.rigol:RigolDp800"

The entry's name is what a station file calls the driver. The class says what it is and what it can do::

    class RigolDp800:
        kind = "supply"                                # the station file's table that it belongs in
        abilities = frozenset({"supply.voltage"})      # the words of ``needs``

        def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1) -> None: ...

All parameters of the constructor but ``clock`` and ``timeline`` are keys of the table, with their types and defaults;
pydantic's ``Field`` may bound them. See docs/how-to/write-a-driver.md.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from bench import installed
from bench.clock import Clock
from bench.errors import BenchError, unknown
from bench.timeline import Timeline
from drivers.assumption import Assumption

GROUP = "mcm_bench.instruments"

_GIVEN = frozenset({"clock", "timeline"})
"""The parameters that the bench gives."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One driver. ``options`` is the model of its keys in the station file, ``kind`` the table that it belongs in.
    ``ports``: which of the keys are serial ports, and whether they may be remote ones (the class's ``ports``)."""

    name: str
    kind: str
    abilities: frozenset[str]
    options: type[BaseModel]
    build: Any
    ports: Mapping[str, bool]

    def abilities_with(self, options: Mapping[str, Any]) -> frozenset[str]:
        """What the instrument can do with ``options``; a class with whom it depends on them has a function of this name
        that tells it."""
        depends = getattr(self.build, "abilities_with", None)
        return self.abilities if depends is None else frozenset(depends(options))

    def assumptions_with(self, options: Mapping[str, Any], identity: str = "") -> tuple[Assumption, ...]:
        """What the driver has from memory; with some it depends on ``options`` and on the answer to *IDN?."""
        depends = getattr(self.build, "assumptions_with", None)
        return tuple(getattr(self.build, "assumptions", ()) if depends is None else depends(options, identity))

    def open(self, options: Mapping[str, Any], clock: Clock, timeline: Timeline) -> Any:
        """The instrument, opened. Raises ``BenchError`` when it does not answer as it should."""
        return self.build(**options, clock=clock, timeline=timeline)


def find(kind: str, name: str) -> Driver:
    """The driver ``name`` for the table ``kind``. Raises ``BenchError`` that lists what there is."""
    if name not in _offered():
        raise unknown(f"driver of the table [{kind}]", name, names(kind), "install the package that offers it")
    driver = _load(name)
    if driver.kind != kind:
        raise BenchError(f"driver of the table [{kind}]", expected=f"one of {', '.join(names(kind))}",
                         seen=f"{name!r}, a driver of the table [{driver.kind}]", do="name it in its own table")
    return driver


def names(kind: str) -> list[str]:
    """The drivers for the table ``kind``; those that can't be loaded are left out."""
    return [name for name in sorted(_offered()) if _is_of(kind, name)]


def _is_of(kind: str, name: str) -> bool:
    try:
        return _load(name).kind == kind
    except BenchError:
        return False


@functools.cache
def _offered() -> set[str]:
    return installed.offered(GROUP)


@functools.cache
def _load(name: str) -> Driver:
    return installed.load(GROUP, name, then=functools.partial(_driver, name))


def _driver(name: str, build: Any) -> Driver:
    kind, abilities = getattr(build, "kind", None), getattr(build, "abilities", None)
    if not isinstance(kind, str) or not isinstance(abilities, frozenset):
        raise _bad(name, "a class with kind (str) and abilities (frozenset)", repr(build)[:80])
    assumptions = getattr(build, "assumptions", ())
    if not isinstance(assumptions, tuple) or not all(isinstance(one, Assumption) for one in assumptions):
        raise _bad(name, "a tuple of Assumption as assumptions", repr(assumptions)[:80])
    return Driver(name, kind, abilities, _options(name, build), build, getattr(build, "ports", {}))


def _options(name: str, build: Any) -> type[BaseModel]:
    """The model of the constructor's parameters that a station file gives."""
    try:
        parameters = inspect.signature(build).parameters
        types = get_type_hints(build.__init__, include_extras=True)
        fields: dict[str, Any] = {
            key: (types[key], ... if parameter.default is parameter.empty else parameter.default)
            for key, parameter in parameters.items() if key not in _GIVEN}
    except (TypeError, NameError, KeyError, ValueError) as error:
        raise _bad(name, "a constructor with a type for each parameter", str(error)) from error
    missing = sorted(_GIVEN - parameters.keys())
    if missing:
        raise _bad(name, "a constructor that takes clock and timeline", f"none for {', '.join(missing)}")
    return create_model(f"Options of {name}", __config__=ConfigDict(extra="forbid", frozen=True, strict=True), **fields)


def _bad(name: str, expected: str, seen: str) -> BenchError:
    return BenchError(f"driver {name}", expected=expected, seen=seen, do="read docs/how-to/write-a-driver.md")
