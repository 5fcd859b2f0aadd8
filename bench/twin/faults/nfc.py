"""Faults of the NFC reader."""

from __future__ import annotations

from bench.twin.faults.registry import fault
from bench.twin.lab import Lab
from bench.twin.nfc.pn532 import Pn532
from bench.twin.nfc.type2tag import Type2Tag

TIMEOUT = b"\x01"
"""The status of the chip when the tag says nothing (user manual 7.1)."""

WRITE = 0xA2


@fault("reader-unplugged", instrument="NFC reader")
def _(lab: Lab) -> None:
    """The NFC reader's plug is out."""
    lab.reader.close()


@fault("reader-mute", instrument="NFC reader")
def _(lab: Lab) -> None:
    """The NFC reader takes commands and says nothing."""
    lab.reader.mute = True


@fault("reader-garbles", instrument="NFC reader")
def _(lab: Lab) -> None:
    """Every answer of the NFC reader has a wrong checksum."""
    lab.reader.bad_checksum = True


@fault("reader-talks-nonsense", instrument="NFC reader")
def _(lab: Lab) -> None:
    """Every answer of the NFC reader is one octet short, in a good frame."""
    lab.reader.spoil = lambda data: data[:-1] if len(data) > 3 else data


@fault("reader-left-at-another-speed", instrument="NFC reader")
def _(lab: Lab) -> None:
    """The NFC reader is at 921600 Bd, as a host that crashed has left it."""
    lab.reader.baud = 921600


@fault("reader-without-a-tag", instrument="NFC reader")
def _(lab: Lab) -> None:
    """The unit lies beside the NFC reader's antenna."""
    lab.reader.remove()


@fault("reader-sees-another-tag", instrument="NFC reader")
def _(lab: Lab) -> None:
    """An empty tag lies on the NFC reader, the unit beside it."""
    lab.reader.place(Type2Tag(bytes.fromhex("04FFEEDDCCBBAA")))


@fault("reader-field-weak", instrument="NFC reader")
class WeakField(Pn532):
    """The NFC reader's field is so weak that the tag answers each seventh command not at all."""

    asked = 0

    def exchange(self, command: bytes) -> bytes:
        self.asked += 1
        return super().exchange(command) if self.asked % 7 else TIMEOUT


@fault("reader-loses-tag-at-times", instrument="NFC reader")
class LosesTag(Pn532):
    """The NFC reader loses the tag for a moment, once in 150 commands."""

    asked = 0

    def exchange(self, command: bytes) -> bytes:
        self.asked += 1
        if self.asked % 150 == 0 and self.tag is not None:
            self.place(self.tag)    # its field was gone
        return super().exchange(command)


@fault("reader-too-weak-to-write", instrument="NFC reader")
class TooWeakToWrite(Pn532):
    """The NFC reader's field is too weak for the tag to write: reading works."""

    def exchange(self, command: bytes) -> bytes:
        return TIMEOUT if command[:1] == bytes([WRITE]) else super().exchange(command)


@fault("reader-drops-writes", instrument="NFC reader")
class DropsWrites(Pn532):
    """The NFC reader acknowledges a write that it has not sent."""

    def exchange(self, command: bytes) -> bytes:
        return b"\x00\x0a" if command[:1] == bytes([WRITE]) else super().exchange(command)


@fault("reader-flips-a-bit", instrument="NFC reader")
class FlipsABit(Pn532):
    """The NFC reader flips a bit of each fortieth answer of a tag, and does not see it."""

    asked = 0

    def exchange(self, command: bytes) -> bytes:
        answer = super().exchange(command)
        self.asked += 1
        if self.asked % 40 or len(answer) < 5:
            return answer
        return bytes((*answer[:3], answer[3] ^ 0x10, *answer[4:]))
