"""An append-only sequence for what grows as long as a bench lives: the newest in memory, the older ones on disk."""

from __future__ import annotations

import os
import pickle
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice, takewhile
from typing import BinaryIO, Generic, TypeVar, overload

from bench.errors import BenchError

T = TypeVar("T")


class Journal(Sequence[T], Generic[T]):
    """A list that is only appended to. Indices count from its first item, for ever.

    The ``newest`` items at least, twice as many at most, are in memory; the others are in a temporary file that has no
    name, in ``TMPDIR`` or else /var/tmp, and eight octets of memory say where each of them begins. Items are pickled:
    what is read back from disk is equal to what was appended, not the same object, so an item is a value that nobody
    changes any more. Any thread may append and read.

    Raises BenchError from ``append`` when there is no room on the disk. Nothing is lost then: the item has been
    appended, all that found no room stays in memory, and room is looked for again when as much has come anew.
    """

    def __init__(self, newest: int = 256) -> None:
        self._newest = newest
        self._limit = 2 * newest
        self._recent: list[T] = []
        self._starts = array("Q", [0])
        """Where each item on disk begins, and last where the next one will."""
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()

    def append(self, item: T) -> None:
        with self._lock:
            self._recent.append(item)
            if len(self._recent) >= self._limit:
                self._spill()

    def __len__(self) -> int:
        with self._lock:
            return self._on_disk + len(self._recent)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        with self._lock:
            count = self._on_disk + len(self._recent)
            if isinstance(index, slice):
                begin, end, step = index.indices(count)
                if step == 1 and begin >= self._on_disk:
                    return self._recent[begin - self._on_disk:end - self._on_disk]
                return self._read(range(begin, end, step))
            if not -count <= index < count:
                raise IndexError(f"item {index} of {count}")
            return self._read((index % count,))[0]

    def __iter__(self) -> Iterator[T]:
        return self.since(0)

    def since(self, begin: int) -> Iterator[T]:
        """The items from that index on, those too that are appended meanwhile; a few at a time are in memory."""
        while part := self[begin:begin + self._newest]:
            yield from part
            begin += len(part)

    def __eq__(self, other: object) -> bool:
        """A journal equals each sequence of the same items, as a list would."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == yours for mine, yours in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Journal of {len(self)}: {[*self[:3]]!r}{', ...' if len(self) > 3 else ''}"

    def tail(self, belongs: Callable[[T], bool]) -> list[T]:
        """The last items that belong, back to one that does not: what came lately costs no more after a long life."""
        found = list(takewhile(belongs, reversed(self)))
        return found[::-1]

    def at(self, indices: Iterable[int]) -> list[T]:
        """The items at these indices, none of them negative."""
        with self._lock:
            return self._read(indices)

    @property
    def _on_disk(self) -> int:
        return len(self._starts) - 1

    def _read(self, indices: Iterable[int]) -> list[T]:
        on_disk, recent, starts = self._on_disk, self._recent, self._starts
        if not on_disk:
            return [recent[index] for index in indices]
        assert self._file is not None
        number, load, read = self._file.fileno(), pickle.loads, os.pread
        return [recent[index - on_disk] if index >= on_disk else
                load(read(number, starts[index + 1] - starts[index], starts[index])) for index in indices]

    def _spill(self) -> None:
        """Move all but the newest items to the disk."""
        older = [pickle.dumps(item, pickle.HIGHEST_PROTOCOL) for item in self._recent[:-self._newest]]
        try:
            if self._file is None:
                directory = os.environ.get("TMPDIR", "/var/tmp")    # /tmp may be memory
                self._file = tempfile.TemporaryFile(dir=directory, buffering=0)    # noqa: SIM115 - lives as we do
            self._write(b"".join(older))
        except OSError as error:
            self._limit = len(self._recent) + self._newest
            raise BenchError("what has been seen", expected="room for it on the disk", seen=str(error),
                             do="make room there, or name another directory in TMPDIR") from error
        self._limit = 2 * self._newest
        ends = array("Q", islice(accumulate(map(len, older), initial=self._starts[-1]), 1, None))
        self._starts += ends
        del self._recent[:len(older)]

    def _write(self, data: bytes) -> None:
        """Behind what is there. What a failed attempt has left is overwritten."""
        assert self._file is not None
        place, rest = self._starts[-1], memoryview(data)
        while rest:
            written = os.pwrite(self._file.fileno(), rest, place)
            place, rest = place + written, rest[written:]
