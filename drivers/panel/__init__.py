"""The front of the unit: sensors on its two LEDs and an actuator on its push button (manual 5.3.5, 5.3.6)."""

from __future__ import annotations

from typing import Protocol


class Panel(Protocol):
    """What every panel instrument can do.

    It writes what it senses on the timeline, by itself and with its own time stamps: ``panel``/``led``
    (``channel``, ``on``) and ``panel``/``button`` (``pressed``, the contact as sensed). All channels count as off
    until they are seen on.
    """

    @property
    def identity(self) -> str:
        """Kind, firmware and clock of the instrument, for the record."""

    @property
    def uncertainty_s(self) -> float:
        """How far (seconds) a time on the timeline may be from the true one."""

    def interval_uncertainty_s(self, duration_s: float) -> float:
        """How far (seconds) the time between two edges ``duration_s`` apart may be from the true one."""

    def press(self, hold_s: float) -> None:
        """Begin a press of ``hold_s`` seconds and return at once; the instrument ends it by itself."""

    def hold(self) -> None:
        """Press the button until ``release``."""

    def release(self) -> None:
        """Let the button go. Harmless when it is not held."""

    @property
    def press_is_over(self) -> bool:
        """Whether the actuator has let go again, and all that it did to the contact is on the timeline."""

    def self_test(self) -> str:
        """Light each sensor with its test lamp, while the unit is dark; what was tested, in words.

        Raises ``BenchError`` for a sensor that does not see its lamp, sees another, or sees light all the time.
        """

    def check(self) -> None:
        """Raise ``BenchError`` when the instrument is dead, or has lost or garbled anything since the last call."""

    def make_safe(self) -> None:
        """Let the button go, whatever happened before. Never raises."""

    def close(self) -> None:
        """Let the button go and give the port back. Never raises."""
