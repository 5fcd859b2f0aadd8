"""Deliberate faults of the twin. The bench must catch every one of them (``mcm-bench prove``).

A defect is a name, the wire on which it shows, the requirements that it breaks, and what is different: a class that
replaces a part of the unit before it is built (a subclass of the part, with the one method or number that is wrong), or
a function that is given a healthy lab before it is switched on, and writes, sets or plans something in it. One module
for each topic; importing it registers its defects.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from bench.twin.defects.registry import DEFECTS, Defect

__all__ = ["DEFECTS", "Defect"]

for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)
