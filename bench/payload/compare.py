"""What differs between a readout that was sent and the meter itself, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bench.payload.mbus import field_of
from bench.payload.optical import IdentificationSource, OpticalReadout
from bench.payload.readout import EXTENDED_FIELDS, STANDARD_FIELDS, Quantity, Readout, canonical

Reference = OpticalReadout | Readout

_INSTANTANEOUS = ("power", "flow", "forward_temperature", "return_temperature")
_MINUTE = timedelta(minutes=1)


def differences(
    sent: Readout,
    before: Reference,
    after: Reference | None = None,
    *,
    utc_offset_min: int = 0,
    identification: IdentificationSource = "fabrication",
    tariff_registers: Sequence[int] = (1, 2, 3),
    error_flags: int | None = None,
    fields: Iterable[str] = STANDARD_FIELDS,
) -> list[str]:
    """Says in words, one sentence each, what is wrong with ``sent``; an empty list when nothing is.

    ``before`` and ``after`` are the meter read before and after the readout was taken (``after`` None: the meter stood
    still, one read is enough). Each of ``fields`` (``STANDARD_FIELDS``, ``EXTENDED_FIELDS`` or some of them) must have
    been sent.

    Energy, volume, tariffs and missing time: ``before <= sent <= after``, exactly; one step (of the VIF that was sent,
    or of the meter's display) is allowed only where the two resolutions differ. Power, flow and temperatures: within
    one step of the reference, between the two when they differ; exactly, where the meter stood still.

    Time: sent time + ``utc_offset_min`` lies between the meter's clock before and after, in whole minutes. A reference
    ``Readout`` holds the meter's clock in ``time`` as if it were UTC, as a wired M-Bus answer has it.
    ``identification``: which number is sent (LwM2M 33906/0/54). ``tariff_registers``: the meter's tariff registers
    6.8.n that are sent as tariff 1, 2, 3. An unused register may be sent as 0 or not at all. ``error_flags``: what
    Table 3 says about the meter's state; None takes it from the reference where that knows it.

    A reference value that the meter did not give (power in the plain ``/?!`` readout) can't be compared and is not.
    Raises ValueError for a field name that does not exist.
    """
    later = before if after is None else after
    found: list[str] = []
    for field in fields:
        if field not in EXTENDED_FIELDS:
            raise ValueError(f"no field {field!r}, choose from {', '.join(EXTENDED_FIELDS)}")
        if field == "time":
            found += _time(sent, before, later, utc_offset_min)
        elif field == "meter_id":
            found += _identification(sent, before, identification)
        elif field == "error_flags":
            found += _flags(sent, before, later, error_flags)
        elif field == "tariffs":
            for n, register in enumerate(tariff_registers, 1):
                pair = _tariff(before, register), _tariff(later, register)
                found += _tariff_difference(sent, n, register, *pair, registers=_all_tariffs(before))
        else:
            value: Quantity | None = getattr(sent, field)
            low, high = _reference(before, field), _reference(later, field)
            found += _quantity(sent, field, field.replace("_", " "), value, low, high, still=after is None)
    return found


def _reference(reference: Reference, field: str) -> Quantity | None:
    value: Quantity | None = getattr(reference, field)
    return value


def _tariff(reference: Reference, register: int) -> Quantity | None:
    if isinstance(reference, OpticalReadout):
        return reference.tariff(register)
    return reference.tariffs[register - 1] if 1 <= register <= 3 else None


def _all_tariffs(reference: Reference) -> dict[int, Quantity]:
    numbers = range(1, 6) if isinstance(reference, OpticalReadout) else range(1, 4)
    return {n: value for n in numbers if (value := _tariff(reference, n)) is not None}


def _tariff_difference(
    sent: Readout, n: int, register: int, low: Quantity | None, high: Quantity | None, *, registers: dict[int, Quantity]
) -> list[str]:
    value = sent.tariffs[n - 1]
    name = f"tariff {n}"
    if low is None or high is None:
        if value is None or value.value == 0:
            return []
        hint = _found_elsewhere(value, register, registers)
        return [f"{name}: sent {value}, but register 6.8.{register} of the meter is empty{hint}"]
    found = _quantity(sent, name, name, value, low, high)
    if found and value is not None:
        found[0] += _found_elsewhere(value, register, registers)
    return found


def _found_elsewhere(value: Quantity, register: int, registers: dict[int, Quantity]) -> str:
    same = [n for n, other in registers.items() if n != register and _equal(value, other)]
    return f"; register 6.8.{same[0]} has this value" if same else ""


def _equal(one: Quantity, other: Quantity) -> bool:
    try:
        return canonical(one) == canonical(other)
    except ValueError:
        return False


def _quantity(
    sent: Readout, field: str, name: str, value: Quantity | None, low: Quantity | None, high: Quantity | None, *,
    still: bool = False
) -> list[str]:
    if value is None:
        return [f"{name}: not sent, the meter shows {high}" if high is not None else f"{name}: not sent"]
    if low is None or high is None:
        return []
    try:
        exact, first, last = canonical(value), canonical(low), canonical(high)
    except ValueError as error:
        return [f"{name}: sent {value}: {error}"]
    if not exact.unit == first.unit == last.unit:
        return [f"{name}: sent {value}, the meter shows {high}: these are different kinds of quantity"]
    shown = f"the meter shows {low}" if first == last else f"the meter showed {low} before and {high} after"
    step, display = _step(sent, field, value, high), max(_resolution(low), _resolution(high))
    bottom, top = first.value, last.value
    if field in _INSTANTANEOUS:
        bottom, top = min(bottom, top), max(bottom, top)
        # A single read is exact, but for what a coarser VIF rounds away or a finer one shows besides.
        margin = Decimal(0) if still and step == display else max(step, display)
        good = bottom - margin <= exact.value <= top + margin
    elif step > display:
        # A coarser VIF cuts or rounds what the display shows.
        good = bottom - step < exact.value < top + step
    elif step < display:
        # A finer VIF shows digits that the display cuts.
        good = bottom <= exact.value < top + display
    else:
        good = bottom <= exact.value <= top
    if good:
        return []
    return [f"{name}: sent {value}, {shown}{_hint(exact.value, bottom, top)}"]


def _hint(value: Decimal, low: Decimal, high: Decimal) -> str:
    if low <= -value <= high:
        return "; the sign is wrong"
    for power in range(1, 7):
        for factor, words in ((Decimal(10) ** power, "small"), (Decimal(10) ** -power, "large")):
            if value and low <= value * factor <= high:
                return f"; it is {10**power} times too {words}"
    if value < low:
        return "; it is too small"
    return "; it is too large"


def _resolution(quantity: Quantity) -> Decimal:
    """The step of the last digit, in the canonical unit."""
    return canonical(Quantity(_one_at(quantity.value), quantity.unit)).value


def _one_at(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(1).scaleb(exponent)


def _step(sent: Readout, field: str, value: Quantity, reference: Quantity) -> Decimal:
    """The step that ``value`` was sent with: that of its VIF, or at most the meter's when the encoding has no VIF.

    JSON leaves out trailing zeros, so few digits are no coarse step: it must hold all digits of the meter.
    """
    if any(field_of(record) == field for record in sent.records):
        return _resolution(value)
    return min(_resolution(value), _resolution(reference))


def _time(sent: Readout, before: Reference, after: Reference, utc_offset_min: int) -> list[str]:
    if sent.time is None:
        return ["time: not sent, or not a possible time"]
    first, last = _clock(before), _clock(after)
    found = [] if sent.time_valid else [f"time: {_iso(sent.time)} is marked as not valid"]
    if first is None or last is None:
        return found
    as_utc = sent.time.astimezone(UTC).replace(tzinfo=None)
    on_meter = as_utc + timedelta(minutes=utc_offset_min)
    low, high = _whole_minute(first), last
    if low <= on_meter <= high:
        return found
    clock = f"{first:%Y-%m-%d %H:%M:%S}" if first == last else f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}"
    hint = ""
    if low <= as_utc <= high:
        hint = "; the meter's local time was sent as if it were UTC"
    elif low <= as_utc - timedelta(minutes=utc_offset_min) <= high:
        hint = "; the UTC offset was added, not subtracted"
    elif on_meter < low:
        late = (low - on_meter) // _MINUTE
        hint = f"; the readout is at least {late} min old"
    found.append(
        f"time: sent {_iso(sent.time)}, which with the UTC offset of {utc_offset_min:+d} min is "
        f"{on_meter:%Y-%m-%d %H:%M:%S} on the meter's clock, but the meter's clock was {clock}{hint}"
    )
    return found


def _clock(reference: Reference) -> datetime | None:
    if isinstance(reference, OpticalReadout):
        return reference.meter_time
    return None if reference.time is None else reference.time.astimezone(UTC).replace(tzinfo=None)


def _whole_minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)


def _iso(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _identification(sent: Readout, reference: Reference, source: IdentificationSource) -> list[str]:
    optical = isinstance(reference, OpticalReadout)
    expected = reference.identification(source) if isinstance(reference, OpticalReadout) else reference.meter_id
    name = f"{source} number" if optical else "number"
    if sent.meter_id is None:
        return [f"meter id: not sent, the meter's {name} is {expected}" if expected else "meter id: not sent"]
    if expected is None or sent.meter_id == expected:
        return []
    hint = ""
    if isinstance(reference, OpticalReadout):
        other: IdentificationSource = "property" if source == "fabrication" else "fabrication"
        if sent.meter_id == reference.identification(other):
            hint = f"; it is the {other} number"
    return [f"meter id: sent {sent.meter_id}, the meter's {name} is {expected}{hint}"]


def _flags(sent: Readout, before: Reference, after: Reference, expected: int | None) -> list[str]:
    allowed = [expected] if expected is not None else [_known_flags(before), _known_flags(after)]
    if sent.error_flags is None:
        return ["error flags: not sent"]
    if None in allowed or sent.error_flags in allowed:
        return []
    wanted = allowed[-1]
    assert wanted is not None
    wrong = [str(bit) for bit in range(16) if (sent.error_flags ^ wanted) >> bit & 1]
    swapped = (wanted & 0xFF) << 8 | wanted >> 8
    hint = "; the bytes are in the wrong order" if sent.error_flags == swapped else ""
    return [
        f"error flags: sent 0x{sent.error_flags:04X}, the meter's state is 0x{wanted:04X} "
        f"(bit {', '.join(wrong)} differs){hint}"
    ]


def _known_flags(reference: Reference) -> int | None:
    if isinstance(reference, OpticalReadout):
        return reference.to_readout().error_flags
    return reference.error_flags
