"""The front of the unit: sensors on its two LEDs and an actuator on its push button (manual 5.3.5, 5.3.6)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


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

    def raise_if_gone(self) -> None:
        """Raise ``BenchError`` when nothing more will come from the instrument. Asks nothing of it: callable from any
        thread."""


@runtime_checkable
class SupplyRelay(Protocol):
    """A panel whose relay stands between the supply's output and the unit, and opens when the bench is silent."""

    @property
    def has_relay(self) -> bool: ...

    def connect_supply(self) -> None:
        """Close the relay, its watchdog off. Harmless where there is none."""

    def arm_watchdog(self, after_s: float) -> None:
        """Close the relay; it opens when the bench has been silent for ``after_s`` real seconds."""

    def cut_supply(self) -> None:
        """Open the relay now. Raises ``BenchError`` where there is none."""


@runtime_checkable
class ReferenceLoads(Protocol):
    """A panel that can put one of two reference resistors in the place of the unit."""

    @property
    def has_loads(self) -> bool: ...

    def connect_load(self, number: int) -> None:
        """Disconnect the unit and connect resistor ``number`` (1 or 2) in its place; 0 disconnects that, too."""
