"""Runs under MicroPython: the edge box's firmware on pins that are not there.

    micropython panel_firmware_world.py FIRMWARE_DIRECTORY [STEP_US | real-time]

The actuator closes a contact that bounces; held for 50 ms, the unit lights its green LED, dimmed by a PWM of 500 Hz,
until release; the red LED's sensor sees the flicker of a lamp, 1 ms in every 10, during that time. A test lamp lights
its sensor. Each look at
the clock takes STEP_US (20) microseconds, so that every run is the same; or as long as it takes.
"""

import sys
import time as real_time


class World:
    def __init__(self):
        self.now = 1073700000      # the counter of the board wraps soon
        self.events = []           # [time, pin number, value, period or 0]
        self.busy = False
        self.pins = {}

    def at(self, delay_us, number, value, period_us=0):
        self.events.append([self.now + delay_us, number, value, period_us])

    def pass_time(self, now):
        while True:
            due = [event for event in self.events if event[0] <= now]
            if not due:
                break
            event = min(due)
            self.now, number, value, period_us = event
            self.busy = True
            self.pins[number].becomes(value)
            self.busy = False
            if period_us:
                event[0] += period_us
            else:
                self.events.remove(event)
        self.now = now

    def output(self, number, value):
        if number == 5:
            self.actuator(value)
        elif number in (6, 7):
            self.at(100, {6: 2, 7: 3}[number], value)      # a test lamp shines into its sensor
        elif number in (9, 10):
            # What is connected to the supply now: the unit, either resistor.
            print("X connected", *[self.pins[pin].value() for pin in (8, 9, 10)])

    def actuator(self, pressed):
        if pressed:
            for delay_us, value in ((1000, 0), (1200, 1), (1300, 0)):
                self.at(delay_us, 4, value)
            self.at(50000, 2, 1, period_us=2000)
            self.at(51000, 2, 0, period_us=2000)
            self.at(5000, 3, 1, period_us=10000)
            self.at(6000, 3, 0, period_us=10000)
        else:
            self.events = [event for event in self.events if not event[3]]
            self.at(0, 2, 0)
            self.at(0, 3, 0)
            self.at(1000, 4, 1)


world = World()


class Pin:
    IN, OUT, PULL_UP, IRQ_RISING, IRQ_FALLING = 0, 1, 2, 4, 8

    def __init__(self, number, mode, pull=None, value=0):
        self._number = number
        self._value = 1 if pull == Pin.PULL_UP else value
        self._handler = None
        world.pins[number] = self

    def irq(self, handler, trigger, hard):
        assert hard
        self._handler = handler

    def value(self, value=None):
        if value is not None and value != self._value:
            self._value = value
            world.output(self._number, value)
        return self._value

    def becomes(self, value):
        if value != self._value:
            self._value = value
            if self._handler:
                self._handler(self)


class FakeTime:
    step_us = int(sys.argv[2]) if sys.argv[2:] and sys.argv[2] != "real-time" else 20

    def ticks_us(self):
        if not world.busy:
            world.pass_time(world.now + self.step_us)
        return world.now & 0x3FFFFFFF

    def ticks_diff(self, later, earlier):
        return ((later - earlier + 0x20000000) & 0x3FFFFFFF) - 0x20000000


class RealTime(FakeTime):
    origin = real_time.ticks_us()

    def ticks_us(self):
        if not world.busy:
            world.pass_time(1000000 + real_time.ticks_diff(real_time.ticks_us(), self.origin))
        return world.now & 0x3FFFFFFF


class Machine:
    pass


if "real-time" in sys.argv:
    world.now = 1000000
    sys.modules["time"] = RealTime()
else:
    sys.modules["time"] = FakeTime()
machine = Machine()
machine.Pin = Pin
sys.modules["machine"] = machine
sys.path.insert(0, sys.argv[1])
firmware = __import__("main")
firmware.main()
