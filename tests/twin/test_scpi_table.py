"""The command tables of the twin's instruments: each line says where it is known from, and what it says holds."""

from __future__ import annotations

import pytest

import bench.twin.lab
import bench.twin.meter.meter_simulator
import bench.twin.radio.cmw500
import bench.twin.supply.supplies  # noqa: F401 - so that all instruments are known
from bench.twin.scpi import MEMORY, Number, Parameters, ScpiInstrument, ScpiModule, command, restore_defaults


def all_instruments(of: type[ScpiInstrument] = ScpiInstrument) -> list[type[ScpiInstrument]]:
    return [each for kind in of.__subclasses__() for each in (kind, *all_instruments(kind))
            if each.__module__.startswith("bench.")]


@pytest.mark.parametrize("instrument", all_instruments(), ids=lambda kind: kind.__name__)
def test_every_line_of_an_instrument_has_a_source(instrument):
    assert len(instrument.command_table) > 12
    assert [line.header for line in instrument.command_table if not line.source.strip()] == []


def test_a_line_without_a_source_can_not_be_declared():
    with pytest.raises(TypeError, match=r"Meter\.value: VALue\? has no source"):
        class Meter(ScpiInstrument):
            @command("VALue?")
            def value(self, parameters: Parameters) -> str:
                return "1"

    with pytest.raises(TypeError, match=r"Source\.level: VOLTage has no source"):
        class Source(ScpiInstrument):
            level = Number("VOLTage", 0.0, low=0.0, high=1.0)


class Module(ScpiModule, source="Module guide p. 1"):
    level = Number("VOLTage", 0.0, low=0.0, high=20.0, unit="V", source="Guide p. 2", models=("A",))

    @command("CURRent?")
    def current(self, parameters: Parameters) -> str:
        return self.number(float(self.model == "A"))

    @command("DATA?")
    def data(self, parameters: Parameters) -> bytes:
        return self.mainframe.block(b"x")


class Mainframe(ScpiInstrument, source="Guide p. 1", module=Module):
    installed_channels = frozenset({1, 2, 3})
    model = "M1"

    def __init__(self) -> None:
        super().__init__()
        self.modules = {channel: Module() for channel in (1, 2, 3)}
        for module, model in zip(self.modules.values(), "ABA", strict=True):
            module.mainframe, module.model = self, model

    def module(self, channel: int) -> Module:
        return self.modules[channel]

    def reset(self) -> None:
        for module in self.modules.values():
            restore_defaults(module)

    @command("MEASure?", models=("M2",), answer="a number")
    def measure(self, parameters: Parameters) -> str:
        return "1"

    @command("FETCh?", source=f"{MEMORY}; seen once")
    def fetch(self, parameters: Parameters) -> str:
        return "2"


class Successor(Mainframe, source="Other guide p. 3", module=Module):
    model = "M2"

    @command("READ?")
    def read(self, parameters: Parameters) -> str:
        return "3"


def test_a_line_has_its_own_source_or_that_of_the_class_that_declares_it():
    sources = {line.header: line.source for line in Successor.command_table}
    assert sources["VOLTage"] == sources["VOLTage?"] == "Guide p. 2"
    assert sources["MEASure?"] == "Guide p. 1"
    assert sources["CURRent?"] == "Module guide p. 1"
    assert sources["READ?"] == "Other guide p. 3"
    assert sources["*IDN?"].startswith("IEEE 488.2")
    assert [line.header for line in Successor.command_table if line.from_memory] == ["FETCh?"]


def test_a_line_says_what_it_takes_and_answers():
    lines = {line.header: line for line in Mainframe.command_table}
    assert (lines["VOLTage"].takes, lines["VOLTage?"].answer) == ("0 to 20 V", "0 to 20 V")
    assert lines["MEASure?"].answer == "a number"


def test_what_a_model_lacks_is_refused():
    mainframe = Mainframe()
    assert mainframe.execute("MEAS?") is None
    assert mainframe.execute("SYST:ERR?") == b'-113,"Undefined header;MEAS?"'
    assert Successor().execute("MEAS?") == b"1"
    assert mainframe.execute("VOLT 1,(@1);VOLT? (@1)") == b"+1.00000000E+00"
    for message in ("VOLT 1,(@2)", "VOLT? (@1,2)"):
        assert mainframe.execute(message) is None
        assert mainframe.execute("SYST:ERR?").startswith(b"-221")


def test_a_channel_list_means_the_modules_each_with_its_own_settings():
    mainframe = Mainframe()
    mainframe.execute("VOLT 1,(@1);VOLT 3,(@3)")
    assert mainframe.execute("VOLT? (@1,3)") == b"+1.00000000E+00,+3.00000000E+00"
    assert mainframe.execute("CURR? (@1:3)") == b"+1.00000000E+00,+0.00000000E+00,+1.00000000E+00"
    assert mainframe.execute("DATA? (@2)") == b"#11x"
    assert mainframe.execute("DATA? (@1,2);*RST;:VOLT? (@3)") == b"+0.00000000E+00"
    assert mainframe.execute("SYST:ERR?").startswith(b"-221")
    assert mainframe.execute("CURR?") is None
    assert mainframe.execute("SYST:ERR?").startswith(b"-109")
