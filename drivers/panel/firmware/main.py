"""Firmware of the edge box: MicroPython on a Raspberry Pi Pico or a board like it.

Two light sensors look at the LEDs of the unit, one input senses the contact of its button, one output drives the
actuator, one the relay in the supply line of the unit, two those of the reference resistors in its place. The line
protocol is that of docs/edge-box.md. Edges are stamped in the interrupt; the rest is done in ``EdgeBox.step``, which
the main loop calls over and over.
"""

import select
import sys
import time
from array import array

from machine import Pin

FIRMWARE = "1.3"
CRYSTAL_PPM = 50             # what the data sheet of the board's crystal says, with temperature and ageing

GREEN_PIN = 2                # comparator of the green sensor, high: light
RED_PIN = 3                  # comparator of the red sensor, high: light
CONTACT_PIN = 4              # second pole of the button's contact to ground, low: closed
ACTUATOR_PIN = 5             # relay or solenoid, high: press
RELAY_PIN = 8                # coil of the relay in the unit's supply line (normally open contact), high: closed
LOAD_PINS = {1: 9, 2: 10}    # coils of the relays of the reference resistors, high: connected
LAMP_PINS = {b"green": 6, b"red": 7}     # a test lamp beside each light sensor, high: lit

SHORTEST_LIGHT_US = 3000     # shorter light is flicker, shorter darkness is the PWM of a dimmed LED
WATCHDOG_MS = 65000          # nobody presses a button longer; the host may have died
LONGEST_SILENCE_S = 3600     # of a host that has armed the watchdog of the supply relay
LONGEST_LOAD_S = 60          # a resistor with half an ampere gets warm
FITTINGS = "lamps relay loads"
STAMP_EVERY_US = 600000000
LONGEST_LINE = 80
_RING = 256


class Input:
    """One pin; its edges wait in a ring until the main loop fetches them. The interrupt allocates nothing."""

    def __init__(self, pin, inverted):
        self._pin = pin
        self._inverted = inverted
        self._ticks = array("i", [0] * _RING)
        self._levels = bytearray(_RING)
        self._written = 0
        self._read = 0
        self.overrun = False
        pin.irq(self._on_edge, Pin.IRQ_RISING | Pin.IRQ_FALLING, hard=True)

    def level(self):
        return self._pin.value() ^ self._inverted

    def _on_edge(self, pin):
        following = (self._written + 1) % _RING
        if following == self._read:
            self.overrun = True
            return
        self._ticks[self._written] = time.ticks_us()
        self._levels[self._written] = pin.value() ^ self._inverted
        self._written = following

    def edge(self):
        """The next edge as (ticks, level), or None."""
        if self._read == self._written:
            return None
        edge = self._ticks[self._read], self._levels[self._read]
        self._read = (self._read + 1) % _RING
        return edge


class Contact:
    """Every change of the contact is told, bounces too: the host judges them."""

    def __init__(self, level):
        self.level = level

    def edge(self, at_us, level):
        if level == self.level:
            return None
        self.level = level
        return at_us, level

    def settle(self, now_us):
        return None


class Light:
    """Makes one light of many fast pulses: on at the first of them, off when it has been dark for 3 ms.

    What is over within 3 ms was no light. So an edge is told 3 ms after it happened, with the time it happened.
    """

    def __init__(self, level):
        self.level = level            # as told
        self._raw = level
        self._on_at = 0
        self._off_at = -SHORTEST_LIGHT_US

    def edge(self, at_us, level):
        told = self.settle(at_us)
        if level and not self._raw and not self.level and at_us - self._off_at >= SHORTEST_LIGHT_US:
            self._on_at = at_us
        if not level and self._raw:
            self._off_at = at_us
        self._raw = level
        return told

    def settle(self, now_us):
        """An edge (time, level) that is certain by now, or None."""
        if self.level:
            if not self._raw and now_us - self._off_at >= SHORTEST_LIGHT_US:
                self.level = 0
                return self._off_at, 0
        elif (self._raw or now_us - self._off_at < SHORTEST_LIGHT_US) and now_us - self._on_at >= SHORTEST_LIGHT_US:
            if self._raw or self._off_at - self._on_at >= SHORTEST_LIGHT_US:
                self.level = 1
                return self._on_at, 1
        return None


class EdgeBox:
    def __init__(self):
        self._actuator = Pin(ACTUATOR_PIN, Pin.OUT, value=0)
        self._lamps = {}
        for name in LAMP_PINS:
            self._lamps[name] = Pin(LAMP_PINS[name], Pin.OUT, value=0)
        self._relay = Pin(RELAY_PIN, Pin.OUT, value=1)      # closed: who wants no watchdog need not know of it
        self._loads = {}
        for number in LOAD_PINS:
            self._loads[number] = Pin(LOAD_PINS[number], Pin.OUT, value=0)
        self._load = 0
        self._unload_at = 0
        self._silence_s = 0                                 # that the host may keep; 0: the watchdog is not armed
        self._cut_at = 0
        self._inputs = (
            ("green", Input(Pin(GREEN_PIN, Pin.IN), 0)),
            ("red", Input(Pin(RED_PIN, Pin.IN), 0)),
            ("button", Input(Pin(CONTACT_PIN, Pin.IN, Pin.PULL_UP), 1)),
        )
        self._contact = self._inputs[2][1]
        self._now_us = 0
        self._ticks = time.ticks_us()
        self._armed = False
        self._sequence = 0
        self._stamp_at = 0
        self._pressed_at = None
        self._release_at = 0
        self._watchdog = False
        self._received = b""
        self._filters = {}
        self._fresh_filters()
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._say("H %s %d %s" % (FIRMWARE, CRYSTAL_PPM, FITTINGS))     # a host that is connected learns of the restart

    def now_us(self):
        """Microseconds since the start. The counter of the board wraps after 18 minutes, this doesn't."""
        ticks = time.ticks_us()
        self._now_us += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._now_us

    def step(self):
        """Do what is due. False when the host has closed the line for good (never on USB)."""
        if self._silence_s and self.now_us() >= self._cut_at:
            silence_s = self._silence_s
            self._switch_relay(0)        # before anything is said: a host that has died does not read
            self._let_go()
            self._say("X watchdog: supply cut after %d s" % silence_s)
        if self._load and self.now_us() >= self._unload_at:
            self._switch_load(0)
            self._say("X watchdog: reference load off after %d s" % LONGEST_LOAD_S)
        self._tell_edges()
        now = self.now_us()
        if self._pressed_at is not None and now >= self._release_at:
            barked = self._watchdog
            self._let_go()
            if barked:
                self._say("X watchdog: released after %d s" % (WATCHDOG_MS // 1000))
        if self._armed and now >= self._stamp_at:
            self._stamp_at = now + STAMP_EVERY_US
            self._say("T %d" % self.now_us())
        return self._listen()

    # -- what it sees

    def _fresh_filters(self):
        for name, pin in self._inputs:
            self._filters[name] = (Contact if name == "button" else Light)(pin.level())

    def _tell_edges(self):
        """Tell all edges that are certain, the earliest first."""
        told = []
        now = self.now_us()      # before the rings are looked at: what comes meanwhile must not seem to be missing
        for name, pin in self._inputs:
            channel = self._filters[name]
            raw = pin.edge()
            while raw is not None:
                edge = channel.edge(now + time.ticks_diff(raw[0], self._ticks), raw[1])
                if edge:
                    told.append((edge[0], name, edge[1]))
                raw = pin.edge()
            edge = channel.settle(now)
            if edge:
                told.append((edge[0], name, edge[1]))
            if pin.overrun:
                pin.overrun = False
                self._say("X %s: more edges than the box can take" % name)
        if self._armed:
            for at_us, name, level in sorted(told):
                self._numbered("E", "%d %s %d" % (at_us, name, level))

    # -- what it does

    def _listen(self):
        while self._poll.poll(0):
            byte = sys.stdin.buffer.read(1)
            if not byte:
                return False
            if byte == b"\n" or byte == b"\r":
                line, self._received = self._received, b""
                if line:
                    self._obey(line)
            elif len(self._received) < LONGEST_LINE:
                self._received += byte
        return True

    def _obey(self, line):
        words = line.split(b" ")
        if line == b"h":
            self._armed = False
            self._let_go()
            for lamp in self._lamps.values():
                lamp.value(0)
            self._switch_load(0)
            self._say("H %s %d %s" % (FIRMWARE, CRYSTAL_PPM, FITTINGS))
        elif line == b"t":
            self._say("T %d" % self.now_us())
        elif line == b"arm":
            self._arm()
        elif line == b"hold":
            self._press(WATCHDOG_MS, True)
        elif line == b"release":
            self._let_go()
        elif len(words) == 2 and words[0] == b"press" and words[1].isdigit() and 1 <= int(words[1]) <= WATCHDOG_MS:
            self._press(int(words[1]), False)
        elif len(words) == 3 and words[0] == b"lamp" and words[1] in self._lamps and words[2] in (b"0", b"1"):
            now = self.now_us()      # before: no sensor sees it earlier
            self._lamps[words[1]].value(int(words[2]))
            self._say("L %d %s %d" % (now, words[1].decode(), int(words[2])))
        elif line == b"load 0" or line == b"load 1" or line == b"load 2":
            if words[1] != b"0":
                self._switch_relay(0)
            self._switch_load(int(words[1]))
            self._say("D %d" % self._load)
        elif line == b"relay 0" or line == b"relay 1":
            self._switch_relay(int(words[1]))
            self._say("R %d" % self._relay.value())
        elif (len(words) == 2 and words[0] == b"watchdog" and words[1].isdigit()
              and 1 <= int(words[1]) <= LONGEST_SILENCE_S):
            self._switch_relay(1)
            self._silence_s = int(words[1])
            self._cut_at = self.now_us() + self._silence_s * 1000000
            self._say("R %d" % self._relay.value())
        elif line == b"alive":
            self._cut_at = self.now_us() + self._silence_s * 1000000
        else:
            self._say("X not understood: %s" % "".join([chr(byte) if 32 <= byte < 127 else "?" for byte in line[:40]]))

    def _arm(self):
        self._armed = False
        self._tell_edges()       # what happened before is not told
        self._fresh_filters()
        self._armed = True
        self._sequence = 0
        self._stamp_at = self.now_us() + STAMP_EVERY_US
        for name, _ in self._inputs:
            self._numbered("E", "%d %s %d" % (self.now_us(), name, self._filters[name].level))

    def _press(self, hold_ms, watchdog):
        if self._pressed_at is not None:
            self._say("X the button is held already")
            return
        self._watchdog = watchdog
        self._actuator.value(1)
        self._pressed_at = self.now_us()
        self._release_at = self._pressed_at + hold_ms * 1000

    def _let_go(self):
        self._actuator.value(0)
        if self._pressed_at is None:
            return
        hold_ms = (self.now_us() - self._pressed_at + 500) // 1000
        self._pressed_at = None
        if self._armed:
            # The contact opens first (a solenoid takes 40 ms); it is told before the press is reported done.
            give_up_at = self.now_us() + 100000
            while self._contact.level() and self.now_us() < give_up_at:
                pass
            self._tell_edges()
            self._numbered("P", "%d" % hold_ms)

    def _switch_relay(self, closed):
        """Close or open the supply relay, without a watchdog. Never unit and resistor at once."""
        if closed:
            self._switch_load(0)
        self._silence_s = 0
        self._relay.value(closed)

    def _switch_load(self, number):
        for one in self._loads:
            self._loads[one].value(1 if one == number else 0)
        self._load = number
        self._unload_at = self.now_us() + LONGEST_LOAD_S * 1000000

    # -- what it says

    def _numbered(self, kind, text):
        sequence = self._sequence
        self._sequence = (sequence + 1) % 65536
        self._say("%s %d %s" % (kind, sequence, text))

    def _say(self, line):
        sys.stdout.write(line + "\n")


def main():
    try:
        import micropython

        micropython.kbd_intr(-1)     # a stray byte 3 must not stop the box
    except (ImportError, AttributeError):
        pass
    box = EdgeBox()
    while box.step():
        pass


if __name__ == "__main__":
    main()
