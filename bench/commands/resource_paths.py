"""The module ``bench/manual/paths.py``: the path of each resource of the manual, by the names that the manual prints.

``python -m bench.commands.resource_paths`` writes it anew from ``resources.toml``; a test holds one to the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from bench.manual import resources

TARGET = Path(__file__).parents[1] / "manual/paths.py"

_HEAD = '''"""The path of each resource of the manual, by its names in ``resources.toml``.

A class is an object as the manual names it, without the maker's name in front. An object with two instances has a class
for each; ``INSTANCE`` is the instance itself. A multiple resource has its own path here: ``/ 0`` is its instance 0.
Type checkers and Python refuse a name that is not here. What the manual does not list is written as a path.

>>> str(Device.FIRMWARE_VERSION)
'/3/0/3'

Written by ``python -m bench.commands.resource_paths``: correct ``resources.toml``, not this.
"""

from typing import Final

from bench.protocols.lwm2m_values import Path
'''


def module() -> str:
    """The text of ``bench/manual/paths.py``."""
    listed = sorted(resources.load().values(), key=lambda resource: resource.path)
    instances = [list(rows) for _, rows in groupby(listed, lambda resource: resource.path[:2])]
    objects = [rows[0].path[0] for rows in instances]
    return _HEAD + "".join(
        line for rows in instances for line in _class(rows, numbered=objects.count(rows[0].path[0]) > 1))


def _class(rows: list[resources.Resource], *, numbered: bool) -> Iterator[str]:
    object_id, instance_id, _ = rows[0].path
    words = re.sub("^(LwM2M|Elvaco) ", "", rows[0].object_name)
    name = "".join(word.capitalize() for word in re.findall(r"[A-Za-z]+", words))
    yield f"\n\nclass {name}{instance_id if numbered else ''}:\n"
    yield f"    INSTANCE: Final = Path({object_id}, {instance_id})\n"
    for resource in rows:
        constant = re.sub("[^A-Z0-9]+", "_", resource.name.upper())
        yield f"    {constant}: Final = Path({', '.join(map(str, resource.path))})\n"


if __name__ == "__main__":
    TARGET.write_text(module(), encoding="utf-8")
