"""A store in a file: its ledger, from which all else follows. From either kind of database into either."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, insert, select

from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.anchor import Head
from bench.store.canonical import canonical, link
from bench.store.files import sync_folder
from bench.store.rows import rows_of
from bench.store.store import BATCH, Store, add_rows, begin, emptied
from bench.store.tables import LEDGER

_COLUMNS = [column.name for column in LEDGER.columns]


def back_up(store: Store, path: Path) -> Head:
    """Write all that is in the store now to a new file, while others go on storing; its newest entry. The file is there
    when it is whole and on the disk. Raises ``BenchError``."""
    draft = path.with_name(path.name + ".part")
    try:
        if path.exists():
            raise FileExistsError(None, "a file of that name")
        with draft.open("xb") as raw, store.reading() as connection:
            with gzip.open(raw, "wt", compresslevel=1, encoding="ascii") as file:
                head = _write(file, connection.execute(select(LEDGER).order_by(LEDGER.c.sequence).execution_options(
                    yield_per=BATCH)))
            raw.flush()
            os.fsync(raw.fileno())
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise BenchError(f"backup {path}", expected="to write it", seen=(error.strerror or str(error)).lower(),
                         do="choose another place") from error
    finally:
        draft.unlink(missing_ok=True)
    return head


def _write(file: IO[str], entries: Iterable[Any]) -> Head:
    head = Head(0, "")
    for entry in entries:
        file.write(canonical(dict(zip(_COLUMNS, entry, strict=True))) + "\n")
        head = Head(entry.sequence, entry.hash)
    file.write(canonical({"end": str(head)}) + "\n")    # or something is missing
    return head


def restore(path: Path, address: StoreAddress) -> Head:
    """Make a store at ``address``, where there is none, of the backup at ``path``; its newest entry. Raises
    ``BenchError`` for a file that is not as it was written; then there is still none."""
    with emptied(address) as connection:
        batch: list[dict[str, Any]] = []
        last = Head(0, "")
        for entry in _read(path):
            if entry["kind"] == "created":
                begin(connection, json.loads(entry["body"]))
            batch.append(entry)
            last = Head(entry["sequence"], entry["hash"])
            if len(batch) == BATCH:
                _add(connection, batch)
                batch = []
        _add(connection, batch)
    return last


def _add(connection: Connection, batch: list[dict[str, Any]]) -> None:
    if batch:
        connection.execute(insert(LEDGER), batch)
        add_rows(connection, [rows_of(one["sequence"], one["kind"], json.loads(one["body"])) for one in batch])


def _read(path: Path) -> Iterator[dict[str, Any]]:
    last = Head(0, "")
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            for line in file:
                entry = json.loads(line)
                if "end" in entry:
                    if entry["end"] != str(last) or not last.sequence:
                        break
                    return
                content = {name: entry[name] for name in _COLUMNS}
                if content["sequence"] != last.sequence + 1 or content["prev_hash"] != last.hash or (
                        link(*(content[name] for name in _COLUMNS if name != "hash")) != content["hash"]):
                    break
                last = Head(content["sequence"], content["hash"])
                yield content
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise _broken(path, last, ascii(str(error))[1:-1][:80]) from error
    raise _broken(path, last, "something else, or the end")


def _broken(path: Path, last: Head, seen: str) -> BenchError:
    return BenchError(f"backup {path}", expected=f"entry {last.sequence + 1} as it was written", seen=seen,
                      do="take another backup")
