"""A meter simulator: it stands in for the heat meter and shows the unit what a test wants to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from bench.errors import BenchError
from bench.payload.readout import Quantity, Readout
from bench.timeline import Timeline
from drivers.assumption import Assumption
from drivers.visa import VisaInstrument

REGISTERS = {
    "energy": "ENER", "volume": "VOL", "power": "POW", "flow": "FLOW", "forward_temperature": "FORW",
    "return_temperature": "RET", "missing_time": "MISS",
}
"""What can be held, by the names of a ``Readout``: in the meter's energy unit, m3, kW, m3/h, degrees C and h."""

TARIFFS = 5
_FIELDS = 17


@dataclass(frozen=True, slots=True)
class Answer:
    """What the unit was told when it read the meter. The time of ``readout`` is the meter's clock, as if it were UTC,
    its number the fabrication number."""

    readout: Readout
    property_number: str


class MeterSimulator:
    """The instrument behind ``simulator`` in the station file.

    ::

        [meter]
        simulator = "TCPIP0::192.0.2.9::5025::SOCKET"

    No command set of such an instrument is public: this one is the bench's own, written down where the twin serves it
    (bench/twin/meter/meter_simulator.py). Every method raises ``BenchError`` when the instrument fails or refuses.
    """

    abilities = frozenset({"meter.simulator"})
    assumptions = (Assumption("commands", "a meter simulator has the bench's own commands: no others are public"),)

    def __init__(self, address: str, *, timeline: Timeline, timeout_s: float = 5.0) -> None:
        self._timeline = timeline
        self._visa = VisaInstrument(address, subject="meter simulator", timeout_s=timeout_s)
        self.identity = self._visa.identity
        if "METER SIMULATOR" not in self.identity.upper():
            self._visa.close()
            raise BenchError(self._visa.subject, expected="a meter simulator", seen=repr(self.identity[:120]),
                             do="correct meter.simulator in the station file")

    def set_energy_step(self, step: str) -> None:
        """Unit and last digit of the energy registers: "kWh", "0.001 MWh" to "MWh", "MJ", "0.001 GJ" to "GJ".

        A held energy is let go and the tariffs become unused: they were counted in the old unit.
        """
        self._set(f'MET:ENER:STEP "{step}"')

    def hold(self, **registers: Decimal | int | str) -> None:
        """Show these values (``REGISTERS``) whatever time does; without names, all as they are now.

        The digits count: ``flow="1.250"`` is a register of three decimals.
        """
        unknown = sorted(registers.keys() - REGISTERS.keys())
        if unknown:
            raise BenchError(self._visa.subject, expected="one of " + ", ".join(REGISTERS), seen=unknown[0],
                             do="correct the test")
        if registers:
            self._set(*(f"MET:HOLD {REGISTERS[name]},{value}" for name, value in registers.items()))
        else:
            self._set("MET:HOLD:ALL")

    def release(self) -> None:
        """Show what the meter measures again."""
        self._set("MET:REL")

    def set_tariffs(self, *values: Decimal | str | None) -> None:
        """Registers 6.8.1 and following, in the energy unit; None, and what is not given, is unused."""
        padded = [*values, *(None,) * (TARIFFS - len(values))]
        self._set(*(f"MET:TAR{number} {'OFF' if value is None else value}" for number, value in enumerate(padded, 1)))

    def set_error_flags(self, flags: int) -> None:
        """Bits 0 to 11 of manual Table 3."""
        self._set(f"MET:FLAG {flags}")

    def set_load(self, factor: float) -> None:
        """1 is normal load, 0 is standstill, a negative factor is reversed flow."""
        self._set(f"MET:LOAD {factor:g}")

    def set_clock(self, local: datetime) -> None:
        """``local``: naive, the meter's local standard time."""
        self._set(f'MET:CLOC "{local:%Y-%m-%dT%H:%M:%S}"')

    def answers(self, first: datetime, last: datetime) -> list[Answer]:
        """What it has told the unit while its clock showed the minutes from ``first`` to ``last`` (naive), in order."""
        return list(self._answers(f"{first:%Y-%m-%dT%H:%M}", f"{last:%Y-%m-%dT%H:%M}"))

    def oldest_answer(self) -> datetime | None:
        """Its clock (naive) at the oldest answer that it remembers; None when there was none."""
        answer = self._visa.query("MET:LOG:OLD?")
        try:
            return datetime.fromisoformat(answer.strip('"')) if answer != '""' else None
        except ValueError:
            raise self._misread(answer) from None

    def has_forgotten(self, first: datetime, last: datetime) -> bool:
        """Whether it does not remember all that it has told while its clock showed these minutes (naive)."""
        answer = self._visa.query(f'MET:LOG:LOST? "{first:%Y-%m-%dT%H:%M}","{last:%Y-%m-%dT%H:%M}"')
        if not answer.isdecimal():
            raise self._misread(answer)
        return answer != "0"

    def _answers(self, first: str, last: str) -> Iterator[Answer]:
        count = 0
        while True:
            answer = self._visa.query(f'MET:LOG? "{first}","{last}",{count}')
            if answer == '""':
                return
            rows = answer.strip('"').split('","')
            count += len(rows)
            for row in rows:
                try:
                    yield _answer(row.split(","))
                except (ValueError, InvalidOperation):
                    raise self._misread(row) from None

    def _misread(self, answer: str) -> BenchError:
        return BenchError(self._visa.subject, expected="an answer of its log", seen=repr(answer[:80]),
                          do="check its firmware against bench/twin/meter/meter_simulator.py")

    def set_numbers(self, *, fabrication: str, customer: str) -> None:
        """Fabrication number and customer (property) number, 8 digits each."""
        self._set(f'MET:NUMB:FABR "{fabrication}"', f'MET:NUMB:PROP "{customer}"')

    def set_software(self, model: str, version: str) -> None:
        """``model`` is UH50 or UC50, ``version`` that of its software, with two digits behind the point: "5.15"."""
        self._set(f'MET:SOFT "{model} {version}"')

    def disconnect(self) -> None:
        """The meter does not answer the unit: as if it were taken out."""
        self._set("MET:CONN OFF")

    def connect(self) -> None:
        self._set("MET:CONN ON")

    def reset(self) -> None:
        """A healthy meter at normal load that holds nothing; its clock goes on."""
        self._set("*RST")

    def make_safe(self) -> None:
        """Let go of everything that is held: the next test must see a meter that counts."""
        self.reset()

    def close(self) -> None:
        self._visa.close()

    def _set(self, *commands: str) -> None:
        self._visa.configure(";:".join(commands))
        for command in commands:
            self._timeline.append("meter", "simulator", {"command": command})


def _answer(fields: list[str]) -> Answer:
    if len(fields) != _FIELDS:
        raise ValueError(f"{len(fields)} fields")
    clock, fabrication, property_number, flags, unit, energy, volume, power, flow, forward, back, *rest = fields
    tariffs = tuple(Quantity(Decimal(text), unit) if text else None for text in rest[:TARIFFS])
    return Answer(
        Readout(time=datetime.fromisoformat(clock).replace(tzinfo=UTC), time_valid=True, meter_id=fabrication,
                energy=Quantity(Decimal(energy), unit), volume=Quantity(Decimal(volume), "m3"),
                power=Quantity(Decimal(power), "kW"), flow=Quantity(Decimal(flow), "m3/h"),
                forward_temperature=Quantity(Decimal(forward), "C"),
                return_temperature=Quantity(Decimal(back), "C"), error_flags=int(flags),
                tariffs=(tariffs[0], tariffs[1], tariffs[2]), missing_time=Quantity(Decimal(rest[TARIFFS]), "h")),
        property_number)
