"""What a fault of an instrument is, and the list of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.twin.catalogue import Catalogue, Made, contents
from bench.twin.lab import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Change):
    """``text`` says what is wrong with ``instrument``, in a few words. ``suites``: the files of certification in which
    it is met; without them it is met in acceptance."""

    instrument: str
    suites: tuple[str, ...] = ()


FAULTS: Catalogue[Fault] = Catalogue("fault")


def fault(name: str, *, instrument: str, suites: tuple[str, ...] = ()) -> Callable[[Made], Made]:
    """Register the decorated class or function as the fault ``name``; its docstring says what is wrong. A class
    replaces the part of the lab that it is a subclass of, a function gets the lab before it is switched on."""
    def register(made: Made) -> Made:
        FAULTS.add(Fault(name=name, instrument=instrument, suites=suites, **contents(made)))
        return made
    return register
