"""Defects of meter data and of their payload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from decimal import Decimal

import cbor2

from bench.twin.cmi6110.telegram import SENML_CBOR, Reading, TelegramWriter
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import read_as
from bench.twin.lab import Lab

# -- meter data


@defect("meter-id-wrong", "PAY-SENML-06", "PAY-MBUS-02", "PAY-JSON-02", wire="meter")
def _(lab: Lab) -> None:
    """The identification is one too high."""
    number = lab.unit.meter_id
    lab.unit.meter_id = lambda: f"{int(number()) + 1:08d}"  # type: ignore[method-assign]


@defect("volume-last-digit", "PAY-MBUS-04", "PAY-MBUS-21", "PAY-MBUS-24", "PAY-JSON-05", "PAY-SENML-08",
        wire="mbus")
def _(lab: Lab) -> None:
    """The last digit of the volume is always 9."""
    def spoiled(reading: Reading) -> Reading:
        return replace(reading, volume_m3=reading.volume_m3.quantize(Decimal("0.1")) + Decimal("0.09"))
    read_as(lab, spoiled)


@defect("topic-ignored", "NET-37", wire="mdm")
def _(lab: Lab) -> None:
    """The configured topic is not used."""
    mdm = lab.unit.mdm
    mdm.topic_name = lambda: f"mr/{mdm.deveui}/standard"  # type: ignore[method-assign]


@defect("window-too-early", "SCH-09", wire="mdm")
def _(lab: Lab) -> None:
    """The transmit offset is taken as seconds."""
    settings, rng = lab.unit.settings, lab.unit.rng
    lab.unit.schedule.random_delay_s = lambda: rng.uniform(  # type: ignore[method-assign]
        settings.number("transmit_offset"), settings.number("transmit_offset"))


@defect("temperatures-swapped", "PAY-MBUS-07", "PAY-MBUS-08", "PAY-JSON-08", "PAY-JSON-09", "PAY-SENML-08",
        wire="mdm")
def _(lab: Lab) -> None:
    """Forward and return temperature are swapped."""
    def swapped(reading: Reading) -> Reading:
        return replace(reading, forward_c=reading.return_c, return_c=reading.forward_c)
    read_as(lab, swapped)


@defect("energy-ten-times", "PAY-MBUS-03", "PAY-MBUS-17", "PAY-MBUS-24", "PAY-JSON-04", "PAY-SENML-08",
        "PAY-SENML-36", wire="mdm")
def _(lab: Lab) -> None:
    """The energy is ten times what the meter says."""
    def ten_times(reading: Reading) -> Reading:
        seven_digits = Decimal(10**7) * Decimal(1).scaleb(int(reading.energy.as_tuple().exponent))
        return replace(reading, energy=(reading.energy * 10 % seven_digits).quantize(reading.energy))
    read_as(lab, ten_times)


@defect("local-time-sent", "TIME-03", "TIME-04", "TIME-06", "TIME-08", "TIME-09", "PAY-MBUS-01", "PAY-JSON-03",
        "PAY-SENML-04", wire="mdm")
def _(lab: Lab) -> None:
    """The UTC offset is not subtracted."""
    write = lab.unit.writer

    def writer() -> TelegramWriter:
        made = write()
        made.utc_offset_minutes = 0
        return made
    lab.unit.writer = writer  # type: ignore[method-assign]


# -- payload


@defect("energy-vif-coarse", "PAY-MBUS-03", "PAY-MBUS-20", "PAY-MBUS-24", "PAY-SENML-08", "PAY-SENML-37",
        wire="mdm")
def _(lab: Lab) -> None:
    """Energy in kWh is sent with the VIF of 10 kWh."""
    _spoil_part(lab, "energy", lambda writer, dib, reading: dib.replace(b"\x04\x06", b"\x04\x07", 1))


@defect("energy-stale", "PAY-MBUS-24", wire="mdm")
def _(lab: Lab) -> None:
    """The energy is that of the readout before."""
    last: list[Reading] = []

    def stale(reading: Reading) -> Reading:
        before, last[:] = last[:], [reading]
        return replace(reading, energy=before[0].energy) if before and _counted_on(before[0], reading) else reading
    read_as(lab, stale)


@defect("customer-number-sent", "PAY-MBUS-02", "PAY-JSON-02", "PAY-SENML-06", wire="mdm")
def _(lab: Lab) -> None:
    """The customer number is sent where the fabrication number is asked for."""
    lab.unit.meter_id = lambda: lab.meter.property_number  # type: ignore[method-assign]


@defect("flow-sign-lost", "PAY-MBUS-06", "PAY-MBUS-21", "PAY-JSON-07", "PAY-SENML-08", wire="mdm")
def _(lab: Lab) -> None:
    """Reversed flow is sent as positive."""
    read_as(lab, lambda reading: replace(reading, flow_m3ph=abs(reading.flow_m3ph)))


@defect("flag-bytes-swapped", "PAY-MBUS-09", "PAY-SENML-08", "PAY-SENML-37",
        *(f"PAY-ERR-{bit:02d}" for bit in range(12)), wire="mdm")
def _(lab: Lab) -> None:
    """The error flags are sent most significant byte first."""
    _spoil_part(lab, "error_flags", lambda writer, dib, reading: dib[:3] + dib[:2:-1])


@defect("tariffs-swapped", "PAY-MBUS-10", "PAY-MBUS-11", "PAY-JSON-11", "PAY-JSON-12", "PAY-SENML-08", wire="mdm")
def _(lab: Lab) -> None:
    """Tariff 1 and 2 are swapped."""
    def swapped(reading: Reading) -> Reading:
        first, second, third = reading.tariffs
        return replace(reading, tariffs=(second, first, third))
    read_as(lab, swapped)


@defect("tariff-3-missing", "PAY-MBUS-12", "PAY-MBUS-14", "PAY-MBUS-16", "PAY-MBUS-20", "PAY-SENML-08",
        "PAY-SENML-37", "PAY-SENML-39", wire="mdm")
def _(lab: Lab) -> None:
    """DIB 12 is left out of extended telegrams."""
    _spoil_part(lab, "tariff", lambda writer, dib, reading, number: b"" if number == 3 else dib)


@defect("missing-time-binary", "PAY-MBUS-13", "PAY-SENML-08", "PAY-SENML-37", wire="mdm")
def _(lab: Lab) -> None:
    """The missing time is an INT32 under the DIF of a BCD number."""
    _spoil_part(lab, "missing_time",
                lambda writer, dib, reading: dib[:2] + reading.missing_time_h.to_bytes(4, "little"))


@defect("year-one-ahead", "PAY-MBUS-01", "PAY-MBUS-23", "PAY-MBUS-24", "TIME-03", "TIME-04", "TIME-05", "TIME-06",
        "TIME-08", "TIME-20", wire="mdm")
def _(lab: Lab) -> None:
    """M-Bus telegrams carry next year's date."""
    _spoil_part(lab, "date_time", lambda writer, dib, reading: writer.__class__.date_time(
        writer, replace(reading, time=reading.time.replace(year=reading.time.year + 1, day=min(reading.time.day, 28)))))


@defect("summer-time-bit", "PAY-MBUS-01", "TIME-19", wire="mdm")
def _(lab: Lab) -> None:
    """Bit 15 of the M-Bus time is set."""
    _spoil_part(lab, "date_time", lambda writer, dib, reading: dib[:3] + bytes([dib[3] | 0x80]) + dib[4:])


@defect("id-bytes-reversed", "PAY-MBUS-02", "PAY-SENML-37", wire="mdm")
def _(lab: Lab) -> None:
    """The meter id is sent most significant byte first."""
    _spoil_part(lab, "meter_id", lambda writer, dib, reading: dib[:2] + dib[:1:-1])


@defect("dib-order", "PAY-MBUS-14", "PAY-SENML-10", "PAY-SENML-39", wire="mdm")
def _(lab: Lab) -> None:
    """Flow comes before power."""
    def swapped(writer: TelegramWriter, data: bytes, reading: Reading) -> bytes:
        power, flow = writer.power(reading), writer.flow(reading)
        return data.replace(power + flow, flow + power, 1)
    _spoil_part(lab, "registers", swapped)


@defect("json-unit-2-twice", "PAY-JSON-01", wire="mdm")
def _(lab: Lab) -> None:
    """The unit of tariff 3 has the key U2."""
    _spoil_part(lab, "json", lambda writer, text, reading: text.replace(b'"U3"', b'"U2"'))


@defect("json-energy-unit", "PAY-JSON-04", "PAY-SENML-37", wire="mdm")
def _(lab: Lab) -> None:
    """The energy in JSON is said to be in kWh whatever its unit."""
    _spoil_part(lab, "json_fields", lambda writer, fields, reading: [
        (key, '"kWh"' if key == "U" else value) for key, value in fields])


@defect("json-energy-rounded", "PAY-JSON-04", "PAY-JSON-19", "PAY-SENML-37", wire="mdm")
def _(lab: Lab) -> None:
    """The energy in JSON has one digit less than the meter shows."""
    _spoil_part(lab, "json_fields", lambda writer, fields, reading: [
        (key, value[:-1] if key == "E" and "." in value[:-2] else value) for key, value in fields])


@defect("base-time-label", "PAY-SENML-03", "TIME-20", wire="mdm")
def _(lab: Lab) -> None:
    """The base time has label -1."""
    _spoil_pack(lab, lambda pack, readings: [{-1 if label == -3 else label: value for label, value in record.items()}
                                             for record in pack])


@defect("encoder-version-unknown", "PAY-SENML-14", "PAY-SENML-37", "TIME-20", wire="mdm")
def _(lab: Lab) -> None:
    """The encoder version is 1, which no receiver may read."""
    _spoil_pack(lab, lambda pack, readings: [{**record, 2: 1} if record.get(0) == "V" else record for record in pack])


@defect("senml-local-time", "PAY-SENML-04", "TIME-20", wire="mdm")
def _(lab: Lab) -> None:
    """The base time in SenML is local time; M-Bus and JSON are right."""
    def local(pack: Pack, readings: Sequence[Reading]) -> Pack:
        return [{**pack[0], -3: round(readings[0].time.replace(tzinfo=UTC).timestamp())}, *pack[1:]]
    _spoil_pack(lab, local)


@defect("split-without-identity", "PAY-SENML-33", wire="mdm")
def _(lab: Lab) -> None:
    """Only the first pack of a transmission says which meter it is of."""
    def anonymous(writer: TelegramWriter, packs: Iterator[tuple[bytes, list[Reading]]],
                  readings: Sequence[Reading]) -> Iterator[tuple[bytes, list[Reading]]]:
        for number, (payload, carried) in enumerate(packs):
            yield (_without_name(payload) if number and writer.encoding == SENML_CBOR else payload), carried
    _spoil_part(lab, "telegrams", anonymous)


@defect("removed-meter-stale", "SCH-28", wire="meter")
def _(lab: Lab) -> None:
    """While the meter does not answer, its last values are sent with new times."""
    unit = lab.unit
    read = unit.read_meter

    def read_or_invent(*, extra: bool) -> Reading | None:
        reading = read(extra=extra)
        latest = unit.storage.latest
        if reading is None and latest is not None:
            reading = replace(latest, time=lab.meter.clock_now().replace(second=0, microsecond=0))
            unit.storage.add(reading, extra=extra)
        return reading
    unit.read_meter = read_or_invent  # type: ignore[method-assign]


Pack = list[dict[int, object]]


def _spoil_part(lab: Lab, part: str, spoiled: Callable[..., object]) -> None:
    """Let ``spoiled`` change what the method ``part`` of the telegram writer gives; it gets the writer, the healthy
    result, and the arguments.
    """
    write = lab.unit.writer

    def writer() -> TelegramWriter:
        made = write()
        healthy = getattr(made, part)
        setattr(made, part, lambda *arguments: spoiled(made, healthy(*arguments), *arguments))
        return made
    lab.unit.writer = writer  # type: ignore[method-assign]


def _spoil_pack(lab: Lab, spoiled: Callable[[Pack, Sequence[Reading]], Pack]) -> None:
    """Let ``spoiled`` change the records of each SenML pack."""
    _spoil_part(lab, "senml", lambda writer, payload, readings: cbor2.dumps(spoiled(cbor2.loads(payload), readings)))


def _without_name(payload: bytes) -> bytes:
    return cbor2.dumps([{label: value for label, value in record.items() if label != -2}
                        for record in cbor2.loads(payload)])


def _counted_on(before: Reading, after: Reading) -> bool:
    """The energy register went on from ``before`` to ``after``, and was not set to something else in between."""
    return (before.energy_unit == after.energy_unit and before.energy.same_quantum(after.energy)
            and 0 <= after.energy - before.energy < before.energy / 1000)
