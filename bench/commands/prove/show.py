"""How far ``prove`` is, on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

T = TypeVar("T")


class Show:
    """A bar for what goes on, with the time that it has taken and may still take, and lines above it. Where there is no
    terminal there are the lines alone."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=console, transient=True,
            disable=not console.is_terminal)
        self._console = console

    def __enter__(self) -> Show:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def each(self, what: str, those: Iterable[T], count: int) -> Iterator[T]:
        """Those, one after the other, of which there will be ``count``."""
        task = self._progress.add_task(what, total=count)
        for one in those:
            yield one
            self._progress.advance(task)
        self._progress.remove_task(task)

    def line(self, good: bool, text: str) -> None:
        self._console.print(Text.assemble((" ✔ ", "green") if good else (" ✘ ", "bold red"), text), soft_wrap=True)
