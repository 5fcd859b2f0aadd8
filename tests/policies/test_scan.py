"""What a scanner types: one value of a known kind, or a sentence."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.policies.scan import Badge, Scan, Shapes, Unit, WorkOrder, read

EUI = "94193A0401020304"
SHAPES = Shapes(badge=re.compile(r"B[0-9]{6}"), work_order=re.compile(r"W-?[0-9]{2,8}"))
GS = "\x1d"

FORMS = [
    EUI, EUI.lower(), f" {EUI}\r\n", "94:19:3a:04:01:02:03:04", "94-19-3A-04-01-02-03-04", "94193A04 01020304",
    f"0x{EUI}",
    f"]d1{EUI}", f"]Q1{EUI}\t", f"{EUI}{GS}",
    f"]d20107332233000018{'21'}{EUI}", f"]C101073322330000182194193A0401020304{GS}10LOT7", f"{GS}21{EUI}{GS}10LOT7",
    f"0107332233000018{'21'}{EUI}", f"(01)07332233000018(21){EUI}", f"(01)07332233000018(21){EUI}(10)LOT7",
    f"8004{EUI}",
    f"11261130{'21'}{EUI}", f"3103001250{'21'}{EUI}",
    f"LW:D0:70B3D57ED0000001:{EUI}:00AABBCC", f"LW:D0:70b3d57ed0000001:{EUI.lower()}:00aabbcc:S1234",
    f"DevEUI: {EUI}\nProduct: CMi6110", "DEVEUI=94:19:3A:04:01:02:03:04", f"EUI64 {EUI}",
]

REFUSED = {
    "": "nothing", "\r\n": "nothing", "94193A040102030": "15 hexadecimal digits", f"{EUI}0": "17 hexadecimal digits",
    "94193A04O1020304": "some beyond F",
    EUI + EUI: "two of them", EUI + "94193A0401020305": "two of them", f"(21){EUI}(21)94193A0401020305": "two of them",
    "0107332233000018": "an article number", "]d20107332233000018": "an article number",
    "94193aAB01020304": "mixed", "<script>alert(1)</script>": "something else, of 25 characters",
    "'; DROP TABLE run; --": "something else",
    "9" * 4097: "more than 4096 characters", "å" + EUI: "letters that no label has",
    "９４１９３Ａ０４０１０２０３０４": "letters that no label has",
    f"94193A04{GS}01020304": "letters that no label has",
    f"{EUI}\x00{EUI}": "letters that no label has", "W17B": "something else", "\x1b[2J": "letters that no label has",
    f"21{EUI}10LOT7": "something else", "ﬀ193A0401020304": "letters that no label has",
}


@pytest.mark.parametrize("typed", FORMS)
def test_a_label_in_any_usual_form(typed: str) -> None:
    assert read(typed, SHAPES) == Unit(EUI, typed)


@pytest.mark.parametrize(("typed", "seen"), REFUSED.items())
def test_what_is_no_label_is_refused_in_a_sentence(typed: str, seen: str) -> None:
    with pytest.raises(BenchError, match=f"^scan: expected .*, saw .*{re.escape(seen)}") as told:
        read(typed, SHAPES)
    said = str(told.value)
    assert said.isprintable()
    assert "<" not in said
    assert "DROP" not in said
    assert len(said) < 250


def test_badges_and_work_orders() -> None:
    assert read("W-4711\r", SHAPES) == WorkOrder("W-4711", "W-4711\r")
    assert read("B123456\r\n", SHAPES) == Badge("B123456")
    assert "123456" not in repr(read("B123456", SHAPES))
    with pytest.raises(BenchError, match="something else") as told:
        read("B123456")    # nobody has said what a badge looks like
    assert "123456" not in str(told.value)


def test_what_may_be_two_things_is_refused() -> None:
    both = Shapes(badge=re.compile(".*"), work_order=re.compile("W.*"))
    with pytest.raises(BenchError, match=r"what may be two things \(Badge and WorkOrder\)"):
        read("W17", both)


def outcome(typed: str) -> tuple[Scan | None, str]:
    try:
        return read(typed, SHAPES), ""
    except BenchError as error:
        return None, str(error)


@given(st.text(max_size=5000) | st.text(string.hexdigits + ":- \x1d()]d", max_size=80))
def test_anything_is_a_value_or_a_sentence(typed: str) -> None:
    found, said = outcome(typed)
    assert said.isprintable()
    assert said.isascii()
    if isinstance(found, Unit):
        assert re.fullmatch(r"[0-9A-F]{16}", found.deveui)
        only = re.sub(r"[^0-9A-F]", "", typed.upper())
        assert found.deveui in only, "made up"


@given(st.integers(0, 2**64 - 1), st.sampled_from([":", "-", " ", ".", ""]), st.booleans(),
       st.sampled_from(["", "\r", "\n", "\r\n", "\t"]), st.sampled_from(["", "]d1", "]Q1", "]C0"]))
def test_no_spelling_changes_a_label(number: int, between: str, small: bool, end: str, aim: str) -> None:
    eui = f"{number:016X}"
    spelt = between.join(eui[at:at + 2] for at in range(0, 16, 2))
    typed = aim + (spelt.lower() if small else spelt) + end
    found, said = outcome(typed)
    if "an article number" in said:    # of 16 decimal digits, with its check digit
        assert eui.startswith("01")
    else:
        assert isinstance(found, Unit)
        assert found.deveui == eui
