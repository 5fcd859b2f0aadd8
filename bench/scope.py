"""One test's part of the bench's life: where it began, and what it must put back.

A bench lives as long as its run, and so does the unit. Whatever looks back begins at the test's scope, unless it is
told otherwise; whatever a test changes is taken back at its end, the latest first: what stands on the bench's side
(servers, network, meter simulator) before what only the unit itself can take back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator


class Scope:
    """Began at ``began_s`` (bench time, s), when the timeline had ``mark`` observations.

    ``settings_changed``: the test wrote settings of the unit. ``judges_what_was_watched``: in an earlier test.
    """

    def __init__(self, began_s: float, mark: int) -> None:
        self.began_s = began_s
        self.mark = mark
        self.settings_changed = False
        self.judges_what_was_watched = False
        self._bench_side: dict[str, Callable[[], object]] = {}
        self._over_dm: dict[str, Callable[[], object]] = {}

    def put_back_later(self, what: str, action: Callable[[], object], *, over_dm: bool = False) -> None:
        """At the end of the test do ``action``, before what was named earlier. The same ``what`` counts once.

        ``over_dm``: it is a request to the unit, which must be joined for it.
        """
        (self._over_dm if over_dm else self._bench_side).setdefault(what, action)

    def put_back_bench_side(self) -> list[str]:
        """Take back all that doesn't need the unit. A put-back that fails keeps none of the others from being tried:
        what went wrong comes back as sentences."""
        problems: list[str] = []
        for what, action in _latest_first(self._bench_side):
            try:
                action()
            except Exception as error:    # whatever it is, the rest has to be put back, too
                problems.append(f"{what}: {str(error) or type(error).__name__}")
        return problems

    @property
    def needs_dm(self) -> bool:
        """Whether there is anything to take back over device management."""
        return bool(self._over_dm)

    def put_back_over_dm(self) -> None:
        """Take back what the unit was told over device management. Raises what the first that fails raises."""
        for _, action in _latest_first(self._over_dm):
            action()


def _latest_first(stack: dict[str, Callable[[], object]]) -> Iterator[tuple[str, Callable[[], object]]]:
    while stack:
        yield stack.popitem()
