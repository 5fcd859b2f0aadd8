"""placeholder until the resources are data: types of the resources of Tables 1 and 2"""

from __future__ import annotations

from bench.protocols.lwm2m import Path, Type

_TEXT = {(3, 0), (3, 1), (3, 2), (3, 3), (3, 14), (3, 18), (4, 7), (11, 0), (11, 1), (33905, 0), (33905, 11),
         (33906, 40), (33906, 41), (33906, 42), (33906, 53), (33908, 0), (33909, 1), (33909, 4), (33909, 5), (5, 1)}
_FLAGS = {(11, 2), (33906, 3), (33906, 4), (33906, 5), (33906, 16)}
_OCTETS = {(10, 9), (33905, 5), (33908, 3), (33911, 2)}


def type_of(path: Path) -> Type:
    key = (path[0], path[2])
    if key == (3, 13):
        return Type.TIME
    if key in _TEXT:
        return Type.STRING
    if key in _FLAGS:
        return Type.BOOLEAN
    return Type.OPAQUE if key in _OCTETS else Type.INTEGER
