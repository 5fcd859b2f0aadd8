"""Which fields telegrams have, in which units and resolutions, in which order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields

import cbor2

from bench.analysis.shown.fact import Area, Seen
from bench.payload.decode import decode
from bench.payload.readout import PayloadError, Quantity, Readout, Telegram
from bench.timeline import Observation

_NAMES = tuple(field.name for field in fields(Readout) if field.name not in ("records", "time_valid", "tariffs"))


def telegrams(observations: Iterable[Observation]) -> Iterator[Seen]:
    """Of each PUBLISH that is a telegram."""
    for one in observations:
        if one.source in ("mdm", "mdm-2") and one.kind == "message" and one.data.get("type") == "PUBLISH":
            payload = bytes.fromhex(one.data.get("data") or "")
            try:
                telegram = decode(payload)
            except PayloadError:
                yield Seen(Area.TELEGRAM, "a telegram", "can't be decoded")
            else:
                yield from fields_of(telegram, payload)


def fields_of(telegram: Telegram, payload: bytes) -> Iterator[Seen]:
    """The fields, by encoding and message format: the extended one has tariffs."""
    for readout in telegram.readouts:
        extended = any(readout.tariffs) or readout.missing_time is not None
        name = f"{telegram.encoding} {'extended' if extended else 'standard'}"
        for field in _NAMES:
            yield Seen(Area.TELEGRAM, f"{name}, {field}", _shape(getattr(readout, field)))
        for register, tariff in enumerate(readout.tariffs, start=1):
            yield Seen(Area.TELEGRAM, f"{name}, tariff {register}", _shape(tariff))
        if readout.records:
            yield Seen(Area.TELEGRAM, f"{name}, records", " ".join(record.header for record in readout.records))
    if telegram.encoding == "json":
        yield from _json(payload)
    elif telegram.encoding == "senml-cbor":
        yield from _senml(payload, len(telegram.readouts))


def _shape(value: object) -> str:
    if isinstance(value, Quantity):
        return value.unit
    return "missing" if value is None else "there"


def _json(payload: bytes) -> Iterator[Seen]:
    text = payload.decode("utf-8", errors="replace")
    try:
        content = json.loads(text)
    except ValueError:
        return
    rows = content if isinstance(content, list) else [content]
    for row in rows:
        if isinstance(row, dict):
            yield Seen(Area.TELEGRAM, "json, keys in order", " ".join(row))
            for key in ("EF", "MU", "EU", "PU"):
                if isinstance(row.get(key), str):
                    yield Seen(Area.TELEGRAM, f"json, {key}", row[key])
    yield Seen(Area.TELEGRAM, "json, form", ("a list" if isinstance(content, list) else "an object")
               + (", with blanks" if any(blank in text for blank in (" \"", ": ", "\n")) else ""))


def _senml(payload: bytes, readouts: int) -> Iterator[Seen]:
    try:
        pack = cbor2.loads(payload)
    except ValueError:
        return
    if not isinstance(pack, list) or not all(isinstance(record, dict) for record in pack):
        return
    labels = ["+".join(map(str, record)) for record in pack]
    yield Seen(Area.TELEGRAM, f"senml-cbor, labels of {'one readout' if readouts == 1 else 'several readouts'}",
               " ".join(dict.fromkeys(labels)))
    yield Seen(Area.TELEGRAM, "senml-cbor, version", "at the end" if len(pack) > 1 and len(pack[-1]) <= 3 and len(
        pack[0]) > 3 else "elsewhere")
