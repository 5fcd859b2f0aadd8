"""Faults of the edge box: light sensors, button, supply relay, clock, wire."""

from __future__ import annotations

from bench.twin.faults.registry import fault
from bench.twin.lab import Lab
from bench.twin.panel.edge_box import EdgeBox

LATE_S = 0.03


@fault("panel-dead", instrument="panel")
def _(lab: Lab) -> None:
    """The edge box says nothing."""
    lab.panel.dead = True


@fault("panel-late", instrument="panel")
def _(lab: Lab) -> None:
    """Everything that the edge box says comes two seconds late."""
    lab.panel.late_s = 2.0


@fault("panel-clock-drifts", instrument="panel")
def _(lab: Lab) -> None:
    """The clock of the edge box is 0.5 % fast: a ceramic resonator in place of a quartz."""
    lab.panel.clock_ppm = 5000.0


@fault("panel-loses-edges", instrument="panel")
def _(lab: Lab) -> None:
    """An edge of the LEDs is lost on its way."""
    lab.panel.lose_light = True


@fault("panel-dies-in-the-run", instrument="panel")
def _(lab: Lab) -> None:
    """After ten minutes the edge box says nothing any more."""
    lab.clock.loop.call_later(600.0, lab.panel.die)


@fault("panel-restarts", instrument="panel")
def _(lab: Lab) -> None:
    """After ten minutes the edge box restarts: its supply is bad."""
    lab.clock.loop.call_later(600.0, lab.panel.restart)


@fault("panel-garbles", instrument="panel")
class Garbles(EdgeBox):
    """A bit of each hundredth line of the edge box is wrong."""

    spoken_lines = 0

    def spoken(self, line: str) -> bytes:
        data = super().spoken(line)
        self.spoken_lines += 1
        return data if self.spoken_lines % 100 else bytes((data[0] ^ 0x10, *data[1:]))


@fault("panel-says-edges-twice", instrument="panel")
class Twice(EdgeBox):
    """Each line that tells an edge is sent twice."""

    def spoken(self, line: str) -> bytes:
        data = super().spoken(line)
        return data * 2 if line.startswith("E") else data


@fault("led-sensor-stuck", instrument="panel")
def _(lab: Lab) -> None:
    """The sensor of the green LED sees darkness, whatever shines on it."""
    lab.panel.stuck_green = False


@fault("led-sensor-stuck-lit", instrument="panel")
def _(lab: Lab) -> None:
    """The sensor of the green LED sees light, whatever shines on it."""
    lab.panel.stuck_green = True


@fault("led-sensors-swapped", instrument="panel")
def _(lab: Lab) -> None:
    """The two LED sensors are plugged in the wrong way round."""
    lab.panel.swapped = True


@fault("led-sensors-30-ms-late", instrument="panel")
class Late(EdgeBox):
    """Both LED sensors show each edge 30 ms late."""

    def light_lag_s(self, channel: str, on: bool) -> float:
        return LATE_S


@fault("led-sensor-red-30-ms-late", instrument="panel")
class RedLate(EdgeBox):
    """The sensor of the red LED shows each edge 30 ms late."""

    def light_lag_s(self, channel: str, on: bool) -> float:
        return LATE_S if channel == "red" else 0.0


@fault("led-sensors-slow-to-darken", instrument="panel")
class Afterglow(EdgeBox):
    """The LED sensors see light for 30 ms after it has gone: a saturated phototransistor."""

    def light_lag_s(self, channel: str, on: bool) -> float:
        return 0.0 if on else LATE_S


@fault("led-sensor-inverted", instrument="panel")
class Inverted(EdgeBox):
    """The sensor of the red LED shows light for darkness and darkness for light."""

    def sees(self, channel: str, lit: dict[str, bool]) -> bool:
        return super().sees(channel, lit) != (channel == "red")


@fault("led-light-leaks", instrument="panel")
class Leak(EdgeBox):
    """The sensor of the red LED sees the green one, too."""

    def sees(self, channel: str, lit: dict[str, bool]) -> bool:
        return super().sees(channel, lit) or (channel == "red" and lit["green"])


@fault("led-light-leaks-to-green", instrument="panel")
class LeakToGreen(EdgeBox):
    """The sensor of the green LED sees the red one, too."""

    def sees(self, channel: str, lit: dict[str, bool]) -> bool:
        return super().sees(channel, lit) or (channel == "green" and lit["red"])


@fault("led-sensor-dim", instrument="panel")
class Dim(EdgeBox):
    """The sensor of the red LED is so dim that it needs both LEDs to see light."""

    def sees(self, channel: str, lit: dict[str, bool]) -> bool:
        return super().sees(channel, lit) and (channel == "green" or lit["green"])


@fault("contact-bent", instrument="panel")
def _(lab: Lab) -> None:
    """The actuator moves and the button does not."""
    lab.panel.bent_contact = True


@fault("contact-loose", instrument="panel")
def _(lab: Lab) -> None:
    """The contact of the button opens for 0.3 s in the middle of each press."""
    lab.panel.contact_gap_s = 0.3


@fault("button-sticky", instrument="panel")
class Sticky(EdgeBox):
    """The button comes back 0.4 s after the actuator has let go."""

    def contact_lag_s(self, closed: bool) -> float:
        return 0.0 if closed else 0.4


@fault("button-slow", instrument="panel")
class SlowActuator(EdgeBox):
    """The actuator takes 0.2 s to reach the button, and to leave it."""

    def contact_lag_s(self, closed: bool) -> float:
        return 0.2


@fault("button-pressed-late", instrument="panel")
class PressedLate(EdgeBox):
    """The actuator takes 0.3 s to reach the button."""

    def contact_lag_s(self, closed: bool) -> float:
        return 0.3 if closed else 0.0


@fault("button-actuator-jams", instrument="panel")
def _(lab: Lab) -> None:
    """After ten minutes the actuator does not reach the button any more."""
    lab.clock.loop.call_later(600.0, lab.panel.bend_contact)


@fault("relay-welded", instrument="panel")
def _(lab: Lab) -> None:
    """The contact of the supply relay is welded: the unit is never disconnected."""
    lab.panel.welded_relay = True


@fault("relay-slow", instrument="panel")
class SlowRelay(EdgeBox):
    """The supply relay opens and closes half a second late."""

    relay_lag_s = 0.5
