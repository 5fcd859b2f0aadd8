"""Under which licence each package is that the bench stands on, as the packages themselves say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires

from packaging.requirements import Requirement

US = "mcm-bench"


@dataclass(frozen=True, slots=True)
class Licence:
    """``extras``: the ways to ask for the package (``pip install mcm-bench[extra]``); empty where the core needs it.
    ``licence``: SPDX where the package says it so, else its own words; empty for a package that is not installed."""

    package: str
    version: str
    licence: str
    extras: tuple[str, ...] = ()

    @property
    def is_gpl(self) -> bool:
        """Whoever hands on a program together with the package must hand on all of it under the GPL."""
        words = self.licence.replace("GNU General Public License", "GPL").replace("(", " ").split()
        return any(word.startswith(("GPL", "AGPL")) for word in words)


def licences() -> list[Licence]:
    """Of the core and of every extra but ``test``, whole, in the packages' order."""
    extras = [extra for extra in metadata(US).get_all("Provides-Extra") or [] if extra != "test"]
    core = set(_needed(US, ""))
    only = {extra: set(_needed(US, extra)) - core for extra in extras}
    return [_licence(name, tuple(extra for extra in extras if name in only[extra]))
            for name in sorted(core.union(*only.values()))]


def _needed(package: str, extra: str, seen: set[str] | None = None) -> Iterator[str]:
    """The names (PEP 503) of what ``package`` needs, whatever that needs, and so on."""
    seen = set() if seen is None else seen
    try:
        wanted = [Requirement(text) for text in requires(package) or []]
    except PackageNotFoundError:
        return
    for one in wanted:
        name = one.name.lower().replace("_", "-").replace(".", "-")
        if name in seen or (one.marker is not None and not one.marker.evaluate({"extra": extra})):
            continue
        seen.add(name)
        yield name
        for inner in ("", *one.extras):
            yield from _needed(one.name, inner, seen)


def _licence(name: str, extras: tuple[str, ...]) -> Licence:
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return Licence(name, "", "", extras)
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or []
                   if line.startswith("License ::") and not line.lower().endswith("approved")]
    said = (about["License"] or "").strip().partition("\n")[0]
    return Licence(name, about["Version"], about["License-Expression"] or " and ".join(classifiers) or said, extras)
