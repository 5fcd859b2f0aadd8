"""How a difference between unit and twin becomes a number or a word of the unit file.

A difference has the unit as its old side and the twin as its new one. ``fit`` gives a draft that is nearer to the unit,
or None where no field of the file can say it: then a reading of an open place may (``candidates``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench.analysis.shown.fact import Area
from bench.commands.compare.comparison import Difference
from bench.commands.compare.statistics import Judged
from bench.manual import settings
from bench.twin.cmi6110.current import REFERENCE_V, Waveform
from bench.twin.cmi6110.settings import BY_OTC_ID
from bench.twin.like import CURRENTS, Like
from bench.twin.variants import VARIANTS, Variant

Table = dict[str, Any]

_LIGHTS = {
    "flash while joining, length": "flash_s", "flash while joining, from one to the next": "flash_period_s",
    "green when joined, length": "joined_green_s", "start-up, green": "start_both_s",
    "start-up, red after green": "red_late_s", "press to green": "reboot_from_s", "press to red": "off_from_s",
    "press, green to red": "change_over_s"}

_DELAYS = (
    (r"release to start-up", "start"),
    (r"(release|settings|supply) to (bootstrap POST /bs|dm POST /rd)", "search"),
    (r"bootstrap answer to POST to dm POST /rd", "registration"),
    (r"dm answer to POST to mdm CONNECT", "connect"),
    (r"mdm CONNACK to mdm REGISTER", "register"),
    (r"mdm REGACK to mdm PUBLISH", "publish"),
    (r"dm (GET|PUT|POST|DELETE|FETCH|iPATCH) to dm answer", "answer"),
    (r"bootstrap (GET|PUT|POST|DELETE) to bootstrap answer", "bootstrap_answer"))

_MESSAGES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "mdm CONNECT, duration": ("keep_alive_s", int), "mdm CONNECT, clean_session": ("clean_session", "True".__eq__),
    "mdm REGISTER, topic_name": ("topic", str)}

_ORDERS = {"joining": "meter data first but after a bootstrap", "joining with a bootstrap": "meter data first"}

_RATIOS = {"transmit, energy of a block": "transmit_a", "readout, energy": "readout_s", "search, energy": "receive_a",
           "wake, energy": "wake_a"}
_SHIFTS = {"sleep, power": "floor_a", "transmit, peak power": "transmit_peak_a", "connected, power": "connected_a",
           "idle, power": "idle_a"}
"""Energies grow with a field of the waveform, powers by one."""


def fit(draft: Like, one: Difference) -> Like | None:
    """The draft with what makes the twin show the unit's value."""
    judged = one.judged
    match one.area:
        case Area.LIGHT | Area.TIMING if judged is not None:
            return _light(draft, one.name, judged) or _delay(draft, one.name, judged)
        case Area.ENERGY if judged is not None:
            return _energy(draft, one.name, judged)
        case Area.DEFAULT:
            return _default(draft, one)
        case Area.MESSAGE:
            return _message(draft, one)
        case Area.ORDER if one.name in _ORDERS and _gateway_first(one.old) and not _gateway_first(one.new):
            both = draft.order.joining != "device management first"
            return _with(draft, order={"joining": "meter data first" if both else _ORDERS[one.name]})
        case Area.TREE if one.name.startswith("resources of "):
            return _absent(draft, one)
    return None


def _with(draft: Like, **tables: Mapping[str, Any]) -> Like:
    """The draft with more in some of its tables."""
    content = draft.model_dump()
    for name, table in tables.items():
        content[name] = {**content[name], **table}
    return Like.model_validate(content)


def _light(draft: Like, name: str, judged: Judged) -> Like | None:
    field = _LIGHTS.get(name)
    if field is None or judged.old < 0:
        return None
    return _with(draft, lights={field: round(judged.old, 4)})


def _delay(draft: Like, name: str, judged: Judged) -> Like | None:
    """What passes longer than with the twin, and how much less certainly."""
    field = next((field for pattern, field in _DELAYS if re.fullmatch(pattern, name)), None)
    if field is None:
        return None
    more_s = -judged.shift
    half_s = math.sqrt(3 * max(judged.spreads[0] ** 2 - judged.spreads[1] ** 2, 0.0))
    half_s = half_s if half_s > 0.1 * abs(more_s) else 0.0
    low, high = draft.delays.get(field, (0.0, 0.0))
    span = max(low + more_s - half_s, 0.0), low / 2 + high / 2 + more_s + half_s
    return _with(draft, delays={field: (round(span[0], 4), round(max(span), 4))}) if span[1] > 0 else None


def is_after(whole: Like, draft: Like, fitted: Like) -> bool:
    """Whether ``fitted`` says of ``draft`` a delay that is measured from where one begins that ``draft`` has beyond
    ``whole``: from a hand to the search the start-up passes, too."""
    return whole.delays.get("start") != draft.delays.get("start") and (
        fitted.delays.get("search") != draft.delays.get("search"))


def _energy(draft: Like, name: str, judged: Judged) -> Like | None:
    field = _RATIOS.get(name) or _SHIFTS.get(name)
    if field is None:
        return None
    now = draft.currents.get(field, getattr(Waveform, field))
    value = now * judged.old / judged.new if name in _RATIOS else now - judged.shift * 1e-3 / REFERENCE_V
    return _with(draft, currents={field: value}) if field in CURRENTS and value >= 0 else None


def _default(draft: Like, one: Difference) -> Like | None:
    kind, _, name = one.name.partition(" ")
    if kind == "resource":
        value = one.old
        return _with(draft, resources={name: int(value) if value.lstrip("-").isdigit() else value})
    name, _, over_lwm2m = name.partition(", ")
    known = settings.find(name)
    twins = BY_OTC_ID.get(known.number)
    if twins is None:
        return None
    value_of: int | str = int(one.old) if one.old.lstrip("-").isdigit() else one.old
    value_of = known.decode(value_of) if over_lwm2m else value_of
    raw = known.encode(value_of)
    return _with(draft, settings={twins: raw}, ordered={name: value_of})


def _message(draft: Like, one: Difference) -> Like | None:
    if one.name in _MESSAGES:
        field, read = _MESSAGES[one.name]
        return _with(draft, messages={field: read(one.old)}) if one.old.isprintable() else None
    found = re.fullmatch(r"dm POST /rd, (lwm2m|b)", one.name)
    if found is None:
        return None
    says = dict(part.partition("=")[::2] for part in ("lwm2m=1.1", "b=U"))
    says |= dict(str(part).partition("=")[::2] for part in _texts(draft.messages.get("registers_with", ())))
    says[found[1]] = one.old
    return _with(draft, messages={"registers_with": tuple(f"{key}={value}" for key, value in says.items())})


def _texts(value: object) -> Iterator[str]:
    return iter(value) if isinstance(value, tuple | list) else iter(())


def _gateway_first(order: str) -> bool:
    words = order.split(", ")
    return "dm POST /rd" in words and "mdm CONNECT" in words and words.index("mdm CONNECT") < words.index("dm POST /rd")


def _absent(draft: Like, one: Difference) -> Like | None:
    """Resources that the twin has and the unit has not. What the unit has beyond the twin can't be made up."""
    base = one.name.removeprefix("resources of ")
    gone = [f"{base}/{number}" for number in one.new.split() if number not in one.old.split()]
    return _with(draft, tree={"absent": (*draft.tree.absent, *gone)}) if gone else None


# -- readings


_PARTS: Mapping[Area, tuple[str, ...]] = {
    Area.LIGHT: ("front", "joining", "life", "power"),
    Area.TIMING: ("life", "joining", "power", "modem", "connection", "lwm2m_client", "mdm_client", "readouts",
                  "transmissions", "otc", "schedule", "backoff", "meter_time"),
    Area.ENERGY: ("current", "consumption", "modem", "readouts"),
    Area.TELEGRAM: ("telegram", "storage", "transmissions", "readouts"),
    Area.TREE: ("", "management", "lwm2m_client"), Area.DEFAULT: ("", "settings", "otc_settings", "management"),
    Area.ANSWER: ("management", "lwm2m_client", "settings", "otc_settings", "", "accounts"),
    Area.MESSAGE: ("mdm_client", "lwm2m_client", "uplink", "connection", "modem", "transmissions", "life"),
    Area.ORDER: ("life", "mdm_client", "connection", "transmissions", "lwm2m_client"),
    Area.MEASUREMENT: ("", "life", "front", "modem", "schedule", "readouts", "meter_time")}
"""By the module of the part that they replace ("": none, but something in the lab) readings are tried that may explain
a difference of an area."""


def candidates(one: Difference, draft: Like) -> list[Variant]:
    """Readings that may explain ``one``, the likeliest first."""
    free = [variant for variant in VARIANTS.values() if variant.name not in draft.readings]
    if one.area is Area.READING:
        return [variant for variant in free if one.name in variant.place]
    modules = _PARTS.get(one.area, ())
    words = set(re.findall(r"[a-z0-9]{3,}", f"{one.name} {one.old}".lower()))

    def rank(variant: Variant) -> tuple[int, int]:
        own = set(re.findall(r"[a-z0-9]{3,}", f"{variant.name} {variant.text} {variant.place}".lower()))
        return min(modules.index(module) for module in _modules(variant) if module in modules), -len(words & own)

    fitting = [variant for variant in free if set(_modules(variant)) & set(modules)]
    return sorted(fitting, key=lambda variant: (-_likeness(words, variant), rank(variant)))


def _likeness(words: set[str], variant: Variant) -> int:
    own = set(re.findall(r"[a-z0-9]{3,}", f"{variant.name} {variant.text}".lower()))
    return len(words & own)


def _modules(variant: Variant) -> list[str]:
    if not variant.parts:
        return [""]
    return [base.__module__.rpartition(".")[2] for part in variant.parts for base in part.__mro__
            if base.__module__.startswith("bench.twin.cmi6110.")]


