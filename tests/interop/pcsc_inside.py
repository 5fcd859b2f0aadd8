"""What test_pcsc.py runs in namespaces of its own: the twin behind pcscd's virtual reader, our driver in front of it.

Prints what was shown, a line each; ends with an exception where it was not.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "twin"), str(Path(__file__).parents[2])]

from nfc_lab import PAK_HEX, DictStore  # noqa: E402

from bench.clock import WallClock  # noqa: E402
from bench.errors import BenchError  # noqa: E402
from bench.timeline import Timeline  # noqa: E402
from bench.twin.cmi6110.otc import OtcService  # noqa: E402
from bench.twin.nfc.pcsc_reader import Firmware  # noqa: E402
from bench.twin.nfc.pcsc_reader import PcscReader as TwinReader  # noqa: E402
from bench.twin.nfc.type2tag import Type2Tag  # noqa: E402
from bench.twin.nfc.type5tag import Type5Tag  # noqa: E402
from bench.twin.wires.vpcd import DEFAULT_PORT, VpcdWire  # noqa: E402
from drivers.nfc.bench_otc import BenchOtcCodec  # noqa: E402
from drivers.nfc.otc import Otc  # noqa: E402
from drivers.nfc.pcsc_reader import PcscReader  # noqa: E402
from drivers.nfc.tag_session import NoTagError, TagLostError  # noqa: E402

PATIENCE_S = 30.0


def fails(call: Callable[[], object], kind: type[Exception], text: str) -> None:
    """``call`` ends with exactly this kind of error, which says this."""
    seen: Exception | None = None
    try:
        call()
    except Exception as error:
        seen = error
    assert type(seen) is kind, repr(seen)
    assert text in str(seen), seen


@contextmanager
def pcscd(name: str) -> Iterator[subprocess.Popen[bytes]]:
    """pcscd with vpcd's two slots, named as this reader is."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "reader").write_text(
            f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:{DEFAULT_PORT:#x}\nCHANNELID {DEFAULT_PORT:#x}\n'
            "LIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so\n")
        daemon = subprocess.Popen(["pcscd", "-f", "-c", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield daemon
        finally:
            daemon.kill()
            daemon.wait()


class Place:
    """A unit's tag on a virtual reader, and the driver."""

    def __init__(self, clock: WallClock, firmware: Firmware, tag: Type2Tag) -> None:
        self.clock, self.tag = clock, tag
        self.wire = VpcdWire(clock, TwinReader(tag, firmware))
        self.store = DictStore()
        service = OtcService(clock, tag, self.store, bytes.fromhex(PAK_HEX), random.Random(1))
        clock.call(service.start)
        self.timeline = Timeline(clock.time, clock.nudge)
        self.reader = PcscReader(f"{firmware} 00 00", clock, self.timeline)
        self.otc = Otc(self.reader, BenchOtcCodec(), clock, self.timeline, reference_tag=True)
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                assert self.reader.identify() == f"ACS {firmware} 00 00"
                break
            except BenchError:      # pcscd is not up yet
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.05)

    def insert(self) -> None:
        self.clock.run(self.wire.insert(), PATIENCE_S)

    def remove(self) -> None:
        self.clock.run(self.wire.remove(), PATIENCE_S)


def settings(clock: WallClock, firmware: Firmware, tag: Type2Tag) -> None:
    with pcscd(f"ACS {firmware}"):
        here = Place(clock, firmware, tag)
        here.insert()
        with here.reader.tap(PATIENCE_S) as session:
            assert session.identity.uid == tag.uid.hex().upper()
        assert here.otc.read().values["meter_id"] == "12345678"
        assert here.otc.write({"transmit_interval": 720}).status == 0
        assert here.store.applied == [{1105: 720}]
        assert here.otc.read().values["transmit_interval"] == 720
        here.remove()
        here.reader.close()
    print(f"{firmware}: settings are read and written ({tag.technology})")


def troubles(clock: WallClock) -> None:
    with pcscd("ACS ACR122U") as daemon:
        here = Place(clock, "ACR122U", Type2Tag())
        reader = here.reader
        fails(lambda: reader.tap(0.3).__enter__(), NoTagError, "no ISO 14443 tag found in 0.3 s")
        clock.call(lambda: clock.loop.call_later(0.5, lambda: clock.spawn(here.wire.insert())))
        with reader.tap(PATIENCE_S) as session:
            assert session.read_ndef()
        print("no tag, and a tag that comes late")

        def leaves() -> None:
            with reader.tap(PATIENCE_S) as session:
                here.remove()
                session.read_ndef()

        fails(leaves, TagLostError, "hold the unit still")
        fails(lambda: reader.tap(2.0).__enter__(), NoTagError, "no ISO 14443 tag")      # pcscd looks each 0.4 s
        here.insert()
        with reader.tap(PATIENCE_S) as session:
            assert session.read_ndef()
        print("a tag that leaves is lost, and the next tap works")

        assert not here.otc.write_torn({"transmit_interval": 600}, 3)
        assert here.otc.read().values["transmit_interval"] == 1440
        print("a torn write changes nothing")

        fails(PcscReader("ACS", clock, here.timeline).identify, BenchError, "expected one PC/SC reader")
        fails(PcscReader("SCM", clock, here.timeline).identify, BenchError, "saw ACS ACR122U 00 00, ACS ACR122U 00 01")
        print("an ambiguous and a wrong name are refused")

        def dies() -> None:
            with reader.tap(PATIENCE_S) as session:
                daemon.kill()
                daemon.wait()
                session.read_ndef()

        fails(dies, BenchError, "expected an answering PC/SC reader")
        fails(reader.identify, BenchError, "expected an answering PC/SC reader")
        reader.close()
        here.remove()
        print("pcscd that dies is one bench error")


if __name__ == "__main__":
    with WallClock() as clock:
        assert isinstance(clock, WallClock)
        settings(clock, "ACR122U", Type2Tag())
        settings(clock, "ACR1552U", Type2Tag())
        settings(clock, "ACR1552U", Type5Tag())
        troubles(clock)
