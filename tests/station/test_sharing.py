"""What places may share, and what they are told in one sentence before anything begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.commands.lock import StationLock
from bench.commands.station.sharing import refuse_clashes
from bench.errors import BenchError
from bench.station_file import StationFile

FILE = """name = "place {number}"
[commissioning]
over = "network"
delivery = "delivery.toml"
[supply]
driver = "keysight-n6700"
address = "{address}"
channel = {channel}
slots = {slots}
[unit]
deveui = "94193A040000000{number}"
keys = "keys.toml"
[backend]
listen = "127.0.0.{number}"
"""


def place(tmp_path: Path, number: int, *, address: str = "TCPIP::127.0.0.1::5025::SOCKET", channel: int | None = None,
          slots: int = 2) -> StationFile:
    """One whose servers are its own."""
    path = tmp_path / f"place{number}.toml"
    (tmp_path / "delivery.toml").touch()
    path.write_text(FILE.format(number=number, address=address, channel=channel or number, slots=slots), "utf-8")
    return StationFile.load(path)


def test_places_with_a_channel_each_share_a_mainframe(tmp_path: Path) -> None:
    one, two = place(tmp_path, 1), place(tmp_path, 2, address="tcpip0::127.0.0.1::5025::socket")
    refuse_clashes([one, two])
    with StationLock(tmp_path / "place1.toml", "station") as first, StationLock(
            tmp_path / "place2.toml", "station") as second:
        first.hold(one)
        second.hold(two)


@pytest.mark.parametrize(("second", "told"), [
    ({"slots": 1}, "expected instruments of its own for each place, saw supply at TCPIP.* in both"),
    ({"channel": 1}, "expected a part of its own of supply at .*, saw channel 1 in both"),
    ({"slots": 3}, "expected the same slots of supply at .*, saw 2 and 3")])
def test_what_two_places_cannot_both_have_is_refused(tmp_path: Path, second: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=f"station files 'place 1' and 'place 2': {told}"):
        refuse_clashes([place(tmp_path, 1), place(tmp_path, 2, **second)])


def test_more_places_than_slots_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="expected 2 places, as slots says, saw 3"):
        refuse_clashes([place(tmp_path, number) for number in (1, 2, 3)])


def test_servers_at_one_address_are_refused(tmp_path: Path) -> None:
    one = place(tmp_path, 1)
    two = place(tmp_path, 2).model_copy(update={"backend": one.backend})
    with pytest.raises(BenchError, match=r"saw server, .* in both"):
        refuse_clashes([one, two])


@pytest.mark.parametrize("whole_first", [True, False])
def test_who_takes_the_mainframe_for_itself_and_who_shares_it_do_not_meet(tmp_path: Path, whole_first: bool) -> None:
    """In processes of their own, too, where nobody has seen both files."""
    files = [place(tmp_path, 1, slots=1), place(tmp_path, 2)]
    paths = [tmp_path / "place1.toml", tmp_path / "place2.toml"]
    if not whole_first:
        files.reverse()
        paths.reverse()
    with StationLock(paths[0], "run line") as first, StationLock(paths[1], "run line") as second:
        first.hold(files[0])
        with pytest.raises(BenchError, match=r"supply at .*: expected a station that nobody uses, saw 'run line' of"):
            second.hold(files[1])
