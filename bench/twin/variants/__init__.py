"""Legal variants of the twin's unit: different from the usual one, and right. The bench must pass every one of them.

A variant is a name, the open place of the manual or the tolerance that it stands for, and what is different: as with a
defect, a class that replaces a part before the twin is built, or a function that gets the healthy lab.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from bench.twin.variants.registry import VARIANTS, Variant

__all__ = ["VARIANTS", "Variant"]

for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
