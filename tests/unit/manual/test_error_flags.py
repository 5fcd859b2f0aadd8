"""The error flags against Table 3 of the manual, written out from the printed page."""

from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.manual import requirements
from bench.manual.error_flags import describe, load

PRINTED = [
    (0, "F0", "Error during flow metering (e.g. Air in measuring pipe)"),
    (1, "F1", "Interruption of flow temperature sensor"),
    (2, "F2", "Interruption of return temperature sensor"),
    (3, "F3", "Electronic for temperature evaluation defective"),
    (4, "F41", "Meter battery empty"),
    (5, "F5", "Short-circuit flow temperature sensor"),
    (6, "F6", "Short-circuit return temperature sensor"),
    (7, "F7", "Fault in the internal memory (CRC)"),
    (8, "F8", "Error F1, F2, F5 or F6 pending for longer than 8h."),
    (9, "F9", "Error in the electronics"),
    (10, "F0V", "Prewarning for soiling of the measurement tube"),
    (11, "F7V2", "Correctable error in the internal memory EEPROM 2"),
]


def test_the_twelve_rows_are_as_printed() -> None:
    assert [(flag.bit, flag.identifier, flag.explanation) for flag in load().values()] == PRINTED


def test_each_flag_names_the_statement_of_its_bit() -> None:
    for flag in load().values():
        assert requirements.load()[flag.requirement].clause == f"Table 3 (bit {flag.bit})"


@pytest.mark.parametrize(("flags", "words"), [
    (0, []),
    (1, ["F0: Error during flow metering (e.g. Air in measuring pipe)"]),
    (0x0800, ["F7V2: Correctable error in the internal memory EEPROM 2"]),
    (0x4012, ["F1: Interruption of flow temperature sensor", "F41: Meter battery empty", "bit 14: unknown"]),
    (0x1_0000, ["bit 16: unknown"]),
])
def test_each_set_bit_is_said_lowest_first_and_unknown_bits_as_unknown(flags: int, words: list[str]) -> None:
    assert describe(flags) == words


def test_a_number_with_a_sign_is_refused() -> None:
    with pytest.raises(BenchError, match="error flags: expected a number without sign"):
        describe(-1)
