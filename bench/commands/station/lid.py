"""The lid contacts of places: who closes a lid starts the unit that waits there."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bench.errors import BenchError
from bench.station_file import LidTable
from drivers.panel.lid_contact import LidContact

LOOK_S, BACK_S = 0.05, 2.0
"""Real seconds: between two looks at the contact, which must say the same; until a lost port is opened again."""


class Lid:
    """Looks at one contact from construction to ``stop``. ``closed`` is called when the lid was open and is closed,
    ``lost`` with a sentence when the contact can't be read, and with an empty one when it can again; both in the thread
    of this lid."""

    def __init__(self, table: LidTable, closed: Callable[[], object], lost: Callable[[str], object]) -> None:
        self._table, self._closed, self._lost = table, closed, lost
        self.is_closed: bool | None = None    # None: not looked at yet, or lost
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"lid at {table.port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._ends.is_set():
            try:
                self._look()
            except BenchError as error:
                self.is_closed = None
                self._lost(str(error))
                self._ends.wait(BACK_S)

    def _look(self) -> None:
        """A lid that is closed when the port is opened starts nothing: nobody has closed it."""
        contact = LidContact(self._table.port, self._table.line, closed=self._table.closed)
        try:
            before = self.is_closed = contact.is_closed()
            self._lost("")
            while not self._ends.wait(LOOK_S):
                now = contact.is_closed()
                if now is before and now is not self.is_closed:
                    self.is_closed = now
                    if now:
                        self._closed()
                before = now
        finally:
            contact.close()
