"""The journal: a list that is only appended to, of which the older part is on disk."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.journal import Journal


def journal_of(count: int, newest: int = 10) -> Journal[str]:
    journal: Journal[str] = Journal(newest)
    for number in range(count):
        journal.append(f"item {number}")
    return journal


@given(items=st.lists(st.one_of(st.integers(), st.text(), st.binary()), max_size=60), newest=st.integers(1, 12),
       begin=st.integers(-70, 70) | st.none(), end=st.integers(-70, 70) | st.none(),
       step=st.integers(-5, 5).filter(bool) | st.none())
def test_it_is_read_like_a_list(items: list[object], newest: int, begin: int | None, end: int | None,
                                step: int | None) -> None:
    journal: Journal[object] = Journal(newest)
    for item in items:
        journal.append(item)
    assert journal == items
    assert list(journal) == items
    assert len(journal) == len(items)
    assert journal[begin:end:step] == items[begin:end:step]
    assert list(reversed(journal)) == items[::-1]
    for index in range(-len(items), len(items)):
        assert journal[index] == items[index]
    for index in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            journal[index]


def test_only_the_newest_are_in_memory() -> None:
    journal = journal_of(1000)
    newest, older = journal[-10:], journal[:10]
    assert all(one is other for one, other in zip(newest, journal[-10:], strict=True))
    assert not any(one is other for one, other in zip(older, journal[:10], strict=True))     # read from disk each time
    assert older == [f"item {number}" for number in range(10)]


def test_the_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert journal_of(100)[0] == "item 0"
    assert list(tmp_path.iterdir()) == []


def test_what_is_appended_while_somebody_reads_is_read_too() -> None:
    journal = journal_of(25)
    seen = []
    for item in journal:
        seen.append(item)
        if len(journal) < 60:
            journal.append("late")
    assert seen == list(journal)
    assert len(seen) == 60


def test_several_threads_append_and_read() -> None:
    journal: Journal[tuple[int, int]] = Journal(10)

    def write(name: int) -> None:
        for number in range(500):
            journal.append((name, number))
            assert journal[len(journal) // 2][1] < 500

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in range(4):
        assert [number for writer, number in journal if writer == name] == list(range(500))


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may be longer than 2000 octets: a write beyond that fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: None) -> None:
    journal: Journal[str] = Journal(10)
    said = []
    for number in range(300):
        try:
            journal.append(f"item {number}")
        except BenchError as error:
            said.append(error)
    assert 10 <= len(said) <= 30     # when it is full, and each time that as much has come anew
    assert "room" in str(said[0])
    assert journal == [f"item {number}" for number in range(300)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    for number in range(300, 330):
        journal.append(f"item {number}")     # there is room again
    assert journal == [f"item {number}" for number in range(330)]


def test_a_directory_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with pytest.raises(BenchError, match="name another directory in TMPDIR"):
        journal_of(20)


def test_the_tail_is_what_came_lately() -> None:
    journal = journal_of(1000)
    assert journal.tail(lambda item: item > "item 994") == [f"item {number}" for number in range(995, 1000)]
    assert journal.tail(lambda item: False) == []
    assert journal.tail(lambda item: True) == journal


def test_it_equals_a_list_of_the_same_and_nothing_else() -> None:
    assert journal_of(30) == [f"item {number}" for number in range(30)]
    assert journal_of(30) != [f"item {number}" for number in range(29)]
    assert journal_of(30) == journal_of(30, newest=3)
    assert journal_of(0) == []
    assert journal_of(1) != 1
    assert repr(journal_of(30, newest=3)) == "Journal of 30: ['item 0', 'item 1', 'item 2'], ..."
