"""How defects and variants change the twin: by parts that are replaced before it is built, and never by patching."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.twin.catalogue import Catalogue, contents
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.telegram import TelegramWriter
from bench.twin.defects import DEFECTS
from bench.twin.faults import FAULTS
from bench.twin.lab import Change, Lab
from bench.twin.parts import Parts
from bench.twin.variants import VARIANTS


class Longer(Front):
    """The green light of a joined unit lasts twice as long."""

    @property
    def joined_green_s(self) -> float:
        return 2 * super().joined_green_s


class Dark(Front):
    """The red LED stays dark."""

    def light(self, green: bool, red: bool) -> None:
        super().light(green, red=False)


class Swapped(Front):
    """Red and green are swapped."""

    def light(self, green: bool, red: bool) -> None:
        super().light(red, green)


# -- parts


def test_a_part_is_itself_or_what_replaces_it() -> None:
    assert Parts().of(Front) is Front
    assert Parts([Dark]).of(Front) is Dark
    assert Parts([Dark]).of(TelegramWriter) is TelegramWriter


@pytest.fixture
def clock() -> Iterator[WarpClock]:
    with WarpClock() as clock:
        assert isinstance(clock, WarpClock)
        yield clock


@pytest.mark.parametrize(("replacements", "shown"), [
    ([Dark, Swapped], (False, False)), ([Swapped, Dark], (False, True)), ([Dark, Dark], (True, False))])
def test_replacements_of_one_part_are_layers_the_last_one_outermost(
        clock: WarpClock, replacements: list[type], shown: tuple[bool, bool]) -> None:
    """Asked for green: each layer says what the one below it hears."""
    front = Parts(replacements).of(Front)(clock)
    clock.call(lambda: front.light(green=True, red=False))
    assert (front.green.value, front.red.value) == shown


def test_a_replacement_of_nothing_in_the_twin_is_refused(clock: WarpClock) -> None:
    class NoPart(int):
        """A number."""

    with pytest.raises(TypeError, match="NoPart replaces no part of the twin: int is none"):
        Lab.start(clock, 1, changes=[Change(name="none", text="none", parts=(NoPart,))])


# -- what may be registered


def test_a_change_that_overrides_nothing_is_refused() -> None:
    class Renamed(Front):
        """The start-up indication is dark."""

        def show_begin(self) -> None: ...

    with pytest.raises(ValueError, match="Renamed overrides nothing of Front"):
        contents(Renamed)


def test_a_change_that_would_never_be_called_is_refused() -> None:
    class NotADataclass(Front):
        """The start-up indication lasts 2 s."""

        start_both_s = 2.0

        def __post_init__(self) -> None: ...

    with pytest.raises(ValueError, match="or a method that nobody calls"):
        contents(NotADataclass)


def test_a_change_says_what_is_different() -> None:
    class Mute(Front):
        joined_green_s = 1.0

    with pytest.raises(ValueError, match="does not say in a docstring"):
        contents(Mute)


def test_a_name_is_given_once_and_a_wrong_one_is_told_apart() -> None:
    changes: Catalogue[Change] = Catalogue("variant")
    changes.add(Change(name="one", **contents(Dark)))
    with pytest.raises(ValueError, match="two variants are called one"):
        changes.add(Change(name="one", **contents(Longer)))
    assert [change.text for change in changes.find(["one"])] == ["The red LED stays dark"]
    with pytest.raises(BenchError, match="variant two: expected one of one"):
        changes.find(["two"])


# -- nothing is patched


def shape(lab: Lab) -> dict[str, Any]:
    """Of each part of the unit, of meter and cell: its class, and by name what it holds that can be called."""
    parts = {**vars(lab.unit), "unit": lab.unit, "meter": lab.meter, "cell": lab.cell}
    return {name: (type(part), {attribute: getattr(held, "__name__", "") for attribute, held in vars(part).items()
                                if callable(held)})
            for name, part in parts.items() if hasattr(part, "__dict__") and type(part).__module__.startswith("bench.")}


def shadows(lab: Lab) -> list[str]:
    """Attributes of objects that hide a method of their class."""
    return [f"{name}.{held}" for name, part in vars(lab.unit).items() for held in getattr(part, "__dict__", ())
            if isinstance(getattr(type(part), held, None), FunctionType)]


@pytest.mark.parametrize("change", [*DEFECTS.values(), *VARIANTS.values(), *FAULTS.values()],
                         ids=lambda change: change.name)
def test_no_change_replaces_a_method_or_a_class_of_an_object(clock: WarpClock, change: Change) -> None:
    methods = {part: dict(vars(part)) for built in change.parts for part in built.__mro__[1:]}
    lab = clock.call(lambda: Lab(clock, 1, parts=Parts(change.parts)))
    try:
        before = shape(lab)
        clock.call(lambda: change.prepare(lab))
        assert shape(lab) == before
        assert shadows(lab) == []
        assert all(dict(vars(part)) == own for part, own in methods.items()), "a class was patched"
    finally:
        clock.run(lab._close())


def test_a_patch_would_be_seen(clock: WarpClock) -> None:
    lab = clock.call(lambda: Lab(clock, 1))
    try:
        before = shape(lab)
        lab.unit.modem.asks = lab.unit.modem.asks  # type: ignore[method-assign]
        assert shadows(lab) == ["modem.asks"]
        assert shape(lab) != before
        del lab.unit.modem.asks
        lab.unit.settings.on_change = lambda names: None
        assert shadows(lab) == []
        assert shape(lab) != before
    finally:
        clock.run(lab._close())
