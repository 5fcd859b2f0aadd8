"""LwM2M CBOR (content format 11544): nested maps whose keys are ids, or arrays of several ids on the way down.

Source: OMA LightweightM2M 1.2 core, section 7.4 (LwM2M CBOR); the forms that real clients write are those of Anjay's
tests. It has no times and no names but numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import cbor2

from bench.protocols.lwm2m_plain import cbor_item, cbor_value
from bench.protocols.lwm2m_senml import load_cbor
from bench.protocols.lwm2m_values import Lwm2mError, Path, TypeOf, Value, Values, check_under


def encode(values: Values, base: Path) -> bytes:
    """``values`` in the order of their paths: ``base`` is the key of the outer map, below it are nested maps.
    Raises Lwm2mError."""
    tree: dict[Any, Any] = {}
    for path in sorted(values):
        steps = [*_keys(base), *check_under(path, base)[len(base):]]
        level = tree
        for step in steps[:-1]:
            level = level.setdefault(step, {})
        level[steps[-1]] = cbor_item(values[path])
    return cbor2.dumps(tree)


def decode(payload: bytes, base: Path, type_of: TypeOf) -> dict[Path, Value]:
    """The values of ``payload``, which answers or writes ``base``. Raises Lwm2mError naming the path."""
    found: dict[Path, Value] = {}
    for path, item in _leaves(payload):
        check_under(path, base)
        if path in found:
            raise Lwm2mError(f"{path} occurs twice")
        try:
            found[path] = cbor_value(item, type_of(path.resource))
        except Lwm2mError as error:
            raise Lwm2mError(f"{path}: {error}") from None
    return found


def encode_paths(paths: Iterable[Path]) -> bytes:
    """What a Read-Composite asks for: each path with null for its value. (Inferred: the format has null, and nothing
    else that stands for no value; no client was found that shows it.)"""
    return cbor2.dumps({tuple(path): None for path in paths})


def decode_paths(payload: bytes) -> list[Path]:
    """The paths that are named without values. Raises Lwm2mError."""
    paths = []
    for path, item in _leaves(payload):
        if item is not None:
            raise Lwm2mError(f"{path}: a value where only names belong")
        paths.append(path)
    return paths


def _keys(base: Path) -> list[Any]:
    """The key of all that lies below ``base``: an array where it has several ids."""
    return [tuple(base)] if len(base) > 1 else list(base)


def _leaves(payload: bytes) -> Iterator[tuple[Path, Any]]:
    tree = load_cbor(payload)
    if not isinstance(tree, dict):
        raise Lwm2mError(f"LwM2M CBOR is a map, not a {type(tree).__name__}")
    return _walk(Path(), tree)


def _walk(above: Path, tree: dict[Any, Any]) -> Iterator[tuple[Path, Any]]:
    for key, content in tree.items():
        ids = key if isinstance(key, tuple) else (key,)
        if not all(isinstance(one, int) and not isinstance(one, bool) for one in ids):
            raise Lwm2mError(f"{above}: a key that is no id and no array of ids")
        if not ids and (above or isinstance(content, dict)):
            raise Lwm2mError(f"{above}: a key without ids")
        path = Path(*above, *ids)
        if isinstance(content, dict):
            yield from _walk(path, content)
        else:
            yield path, content
