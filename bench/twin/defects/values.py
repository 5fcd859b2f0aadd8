"""Defects of values: right in one encoding, in small numbers or on the day, and wrong elsewhere (manual 7.4)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import JSON, MBUS, SENML_CBOR, Reading, TelegramWriter
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect

Telegram = tuple[bytes, list[Reading]]

# -- which readout's values a record has: scheduled, stored, sent again, packed


@defect("backlog-with-todays-registers", "RETX-02", "STO-03", "SCH-01", wire="mdm")
class BacklogWithTodaysRegisters(Transmissions):
    """Every record of a backlog carries the newest registers."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        return _rewritten(self.writer(), super().pending_telegrams(), lambda one: _valued(one, self.storage.latest))


@defect("history-with-todays-registers", "RETX-21", "STO-03", wire="mdm")
class HistoryWithTodaysRegisters(Storage):
    """A historic resend carries the newest registers with the old stamps."""

    def history(self) -> list[Reading]:
        return [_valued(one, self.latest) for one in super().history()]


@defect("scheduled-values-of-the-one-before", "SCH-01", "SCH-02", "PAY-MBUS-24", wire="mdm")
class ScheduledValuesOfTheOneBefore(Storage):
    """Scheduled readouts carry the values of the one before."""

    before: Reading | None = None

    def add(self, reading: Reading, *, extra: bool) -> None:
        before, self.before = self.before, reading
        super().add(reading if extra else _valued(reading, before), extra=extra)


@defect("second-pack-begins-with-the-first", "PAY-SENML-33", "RETX-15", wire="mdm")
class SecondPackBeginsWithTheFirst(TelegramWriter):
    """The second pack of a transmission begins with the values of the first pack's first record."""

    def telegrams(self, readings: Sequence[Reading]) -> Iterator[Telegram]:
        first: Reading | None = None
        for payload, carried in super().telegrams(readings):
            if first is not None and self.encoding == SENML_CBOR:
                payload = self.senml([_valued(carried[0], first), *carried[1:]])
            first = first or carried[0]
            yield payload, carried


@defect("pack-of-equal-energies", "PAY-SENML-05", "PAY-SENML-09", wire="mdm")
class PackOfEqualEnergies(TelegramWriter):
    """All records of a pack have the energy of the first."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        return super().senml([replace(one, energy=readings[0].energy) for one in readings])


@defect("old-values-when-the-meter-is-back", "SCH-28", wire="meter")
class OldValuesWhenTheMeterIsBack(Readouts):
    """The first readout after a lost meter has the values of the last before it."""

    lost = False

    def read_once(self, *, extra: bool) -> Reading | None:
        self.lost = self.lost or not self.meter.connected
        return super().read_once(extra=extra)

    def take_registers(self) -> Reading:
        lost, self.lost = self.lost, False
        reading = super().take_registers()
        return _valued(reading, self.storage.latest) if lost else reading


@defect("power-cut-zeroes-values", "STO-05", "RETX-23", wire="supply")
class PowerCutZeroesValues(Power):
    """A power cut leaves the stored stamps and zeroes the volumes."""

    def down(self) -> None:
        super().down()
        storage = self.life.readouts.storage
        kept = storage.history()
        storage.clear()
        for reading in kept:
            storage.add(replace(reading, volume_m3=Decimal("0.00")), extra=False)


@defect("lifo-reverses-the-values", "RETX-04", wire="mdm")
class LifoReversesTheValues(Transmissions):
    """With the latest first the values go in the order of time and the stamps in the other."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        if self.settings.number("auto_upload_order") == 0:
            return super().pending_telegrams()
        waiting = [one for _, carried in super().pending_telegrams() for one in carried]
        others = {id(one): other for one, other in zip(waiting, waiting[::-1], strict=True)}
        return _rewritten(self.writer(), super().pending_telegrams(), lambda one: _valued(one, others[id(one)]))


@defect("tariffs-of-the-newest", "STO-03", "RETX-02", wire="mdm")
class TariffsOfTheNewest(Transmissions):
    """Tariffs are not stored: what waits is sent with the newest ones."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        newest = self.meter.registers().tariffs[:3]
        return _rewritten(self.writer(), super().pending_telegrams(), lambda one: replace(one, tariffs=newest))


@defect("flags-of-the-newest", "RETX-02", "STO-03", "PAY-MBUS-09", wire="mdm")
class FlagsOfTheNewest(Transmissions):
    """Error flags are not stored: what waits is sent with those of now."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        newest = self.meter.registers().error_flags
        return _rewritten(self.writer(), super().pending_telegrams(), lambda one: replace(one, error_flags=newest))


def _rewritten(writer: TelegramWriter, telegrams: Iterator[Telegram], change: Callable[[Reading], Reading],
               ) -> Iterator[Telegram]:
    """The readouts of ``telegrams``, in their order, written with other values."""
    waiting = [one for _, carried in telegrams for one in carried]
    changed = [replace(change(one)) for one in waiting]
    own = {id(other): one for other, one in zip(changed, waiting, strict=True)}
    for payload, carried in writer.telegrams(changed):
        yield payload, [own[id(one)] for one in carried]


def _valued(reading: Reading, other: Reading | None) -> Reading:
    """The time of ``reading`` with the values of ``other``."""
    return replace(other, time=reading.time) if other is not None else reading


# -- range edges of one encoding


@defect("json-loses-the-sign-of-the-return", "PAY-JSON-09", "PAY-MBUS-21", "PAY-SENML-37", wire="mdm")
class JsonLosesTheSignOfTheReturn(TelegramWriter):
    """A negative return temperature is sent as positive in JSON."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, return_c=abs(reading.return_c)) if self.encoding == JSON else reading


@defect("senml-loses-the-sign-of-the-return", "PAY-SENML-08", "PAY-MBUS-21", wire="mdm")
class SenmlLosesTheSignOfTheReturn(TelegramWriter):
    """A negative return temperature is sent as positive in SenML."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, return_c=abs(reading.return_c)) if self.encoding == SENML_CBOR else reading


@defect("json-loses-the-sign-of-the-flow", "PAY-JSON-07", "PAY-SENML-37", wire="mdm")
class JsonLosesTheSignOfTheFlow(TelegramWriter):
    """Reversed flow is sent as positive in JSON."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, flow_m3ph=abs(reading.flow_m3ph)) if self.encoding == JSON else reading


@defect("senml-loses-the-sign-of-the-power", "PAY-SENML-08", "PAY-SENML-37", wire="mdm")
class SenmlLosesTheSignOfThePower(TelegramWriter):
    """Negative power is sent as positive in SenML."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, power_kw=abs(reading.power_kw)) if self.encoding == SENML_CBOR else reading


@defect("json-power-in-sixteen-bits", "PAY-JSON-06", "PAY-MBUS-21", wire="mdm")
class JsonPowerInSixteenBits(TelegramWriter):
    """In JSON power above 65,535 W begins again at 0."""

    def shown(self, reading: Reading) -> Reading:
        watts = int(reading.power_kw * 1000)
        return replace(reading, power_kw=Decimal(watts % 0x10000) / 1000) if self.encoding == JSON and watts > 0 else (
            reading)


@defect("senml-power-in-sixteen-bits", "PAY-SENML-08", "PAY-MBUS-21", wire="mdm")
class SenmlPowerInSixteenBits(TelegramWriter):
    """In SenML power is cut to 3,276.7 kW."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, power_kw=min(reading.power_kw, Decimal("3276.7"))) if (
            self.encoding == SENML_CBOR) else reading


@defect("json-flow-in-fifteen-bits", "PAY-JSON-07", "PAY-MBUS-21", wire="mdm")
class JsonFlowInFifteenBits(TelegramWriter):
    """In JSON flow is cut to 32,767 l/h."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, flow_m3ph=min(reading.flow_m3ph, Decimal("32.767"))) if (
            self.encoding == JSON) else reading


@defect("senml-flow-in-fifteen-bits", "PAY-SENML-08", "PAY-MBUS-21", wire="mdm")
class SenmlFlowInFifteenBits(TelegramWriter):
    """In SenML flow is cut to 32,767 l/h."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, flow_m3ph=min(reading.flow_m3ph, Decimal("32.767"))) if (
            self.encoding == SENML_CBOR) else reading


@defect("energy-in-24-bits", "PAY-MBUS-03", "PAY-MBUS-21", "PAY-SENML-08", "PAY-JSON-04", wire="mdm")
class EnergyIn24Bits(TelegramWriter):
    """Energy wraps at 24 bits of its register."""

    def shown(self, reading: Reading) -> Reading:
        step = Decimal(1).scaleb(int(reading.energy.as_tuple().exponent))
        return replace(reading, energy=(reading.energy / step % 0x1000000 * step).quantize(step))


@defect("json-energy-in-24-bits", "PAY-JSON-04", "PAY-MBUS-21", wire="mdm")
class JsonEnergyIn24Bits(EnergyIn24Bits):
    """In JSON energy wraps at 24 bits of its register."""

    def shown(self, reading: Reading) -> Reading:
        return super().shown(reading) if self.encoding == JSON else reading


@defect("senml-volume-in-24-bits", "PAY-SENML-08", "PAY-MBUS-21", wire="mdm")
class SenmlVolumeIn24Bits(TelegramWriter):
    """In SenML volume wraps at 24 bits."""

    def shown(self, reading: Reading) -> Reading:
        count = int(reading.volume_m3 * 100) % 0x1000000
        return replace(reading, volume_m3=Decimal(count).scaleb(-2)) if self.encoding == SENML_CBOR else reading


@defect("json-energy-in-single-precision", "PAY-JSON-04", "PAY-JSON-19", wire="mdm")
class JsonEnergyInSinglePrecision(TelegramWriter):
    """Energy goes through a float of four octets in JSON."""

    def shown(self, reading: Reading) -> Reading:
        single = Decimal(struct.unpack("f", struct.pack("f", reading.energy))[0])
        return replace(reading, energy=single.quantize(reading.energy)) if self.encoding == JSON else reading


@defect("json-temperatures-in-whole-degrees", "PAY-JSON-08", "PAY-JSON-19", wire="mdm")
class JsonTemperaturesInWholeDegrees(TelegramWriter):
    """Forward temperature is rounded to whole degrees in JSON."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, forward_c=Decimal(round(reading.forward_c))) if self.encoding == JSON else reading


@defect("json-volume-without-its-last-digit", "PAY-JSON-05", "PAY-JSON-19", wire="mdm")
class JsonVolumeWithoutItsLastDigit(TelegramWriter):
    """Volume is rounded to a tenth of a cubic metre in JSON."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, volume_m3=round(reading.volume_m3, 1)) if self.encoding == JSON else reading


@defect("senml-missing-time-modulo-100", "PAY-SENML-08", "PAY-SENML-37", wire="mdm")
class SenmlMissingTimeModulo100(TelegramWriter):
    """In SenML missing time has two digits."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, missing_time_h=reading.missing_time_h % 100) if self.encoding == SENML_CBOR else reading


@defect("json-missing-time-in-days", "PAY-JSON-14", "PAY-SENML-37", wire="mdm")
class JsonMissingTimeInDays(TelegramWriter):
    """In JSON missing time counts days and says hours."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, missing_time_h=reading.missing_time_h // 24) if self.encoding == JSON else reading


@defect("mbus-missing-time-modulo-10000", "PAY-MBUS-13", "PAY-MBUS-21", wire="mdm")
class MbusMissingTimeModulo10000(TelegramWriter):
    """In M-Bus missing time has four digits."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, missing_time_h=reading.missing_time_h % 10_000) if self.encoding == MBUS else reading


@defect("json-flags-of-eight-bits", "PAY-JSON-10", "PAY-ERR-08", "PAY-ERR-09", "PAY-ERR-10", "PAY-ERR-11", wire="mdm")
class JsonFlagsOfEightBits(TelegramWriter):
    """In JSON error flags above bit 7 are lost."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, error_flags=reading.error_flags & 0xFF) if self.encoding == JSON else reading


@defect("senml-flags-of-eight-bits", "PAY-SENML-08", "PAY-SENML-37", wire="mdm")
class SenmlFlagsOfEightBits(TelegramWriter):
    """In SenML error flags above bit 7 are lost."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, error_flags=reading.error_flags & 0xFF) if self.encoding == SENML_CBOR else reading


@defect("one-flag-at-a-time", "PAY-MBUS-09", "PAY-JSON-10", *(f"PAY-ERR-{bit:02d}" for bit in range(11)), wire="mdm")
class OneFlagAtATime(TelegramWriter):
    """Of several error flags the highest is sent."""

    def shown(self, reading: Reading) -> Reading:
        return replace(reading, error_flags=1 << reading.error_flags.bit_length() >> 1)


@defect("flag-10-moves", "PAY-ERR-10", "PAY-MBUS-09", "PAY-JSON-10", wire="mdm")
class Flag10Moves(TelegramWriter):
    """Bit 10 is sent as bit 12 in the Standard format."""

    def shown(self, reading: Reading) -> Reading:
        flags = reading.error_flags
        return reading if self.extended else replace(reading, error_flags=flags & 0xFBFF | (flags & 0x400) << 2)


@defect("tariffs-in-kwh-always", "PAY-MBUS-10", "PAY-MBUS-20", "PAY-SENML-39", wire="mdm")
class TariffsInKwhAlways(TelegramWriter):
    """Tariffs have the VIF of kWh, whatever the meter counts in."""

    def tariff(self, reading: Reading, number: int) -> bytes:
        dib = super().tariff(reading, number)
        return dib[:2] + b"\x06" + dib[-4:]


@defect("extended-json-is-standard", "PAY-JSON-11", "PAY-JSON-12", "PAY-JSON-13", "PAY-JSON-14", wire="mdm")
class ExtendedJsonIsStandard(TelegramWriter):
    """JSON telegrams have the Standard format always."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return super().json_fields(reading)[:15]


@defect("json-unit-of-tariff-3-missing", "PAY-JSON-13", wire="mdm")
class JsonUnitOfTariff3Missing(TelegramWriter):
    """JSON has no unit for tariff 3."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return [(key, value) for key, value in super().json_fields(reading) if key != "U3"]


@defect("json-tariff-units-are-kwh", "PAY-JSON-11", "PAY-JSON-12", "PAY-SENML-37", wire="mdm")
class JsonTariffUnitsAreKwh(TelegramWriter):
    """The units of tariffs say kWh in JSON, whatever they are."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return [(key, '"kWh"' if key in ("U1", "U2", "U3") else value) for key, value in super().json_fields(reading)]


@defect("json-flags-in-decimal", "PAY-JSON-10", wire="mdm")
class JsonFlagsInDecimal(TelegramWriter):
    """Error flags are decimal digits behind 0x in JSON."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return [(key, f'"0x{reading.error_flags:04d}"' if key == "EF" else value)
                for key, value in super().json_fields(reading)]


@defect("senml-extended-without-missing-time", "PAY-SENML-39", "PAY-SENML-37", wire="mdm")
class SenmlExtendedWithoutMissingTime(TelegramWriter):
    """DIB 13 is left out of extended SenML records."""

    def missing_time(self, reading: Reading) -> bytes:
        return b"" if self.encoding == SENML_CBOR else super().missing_time(reading)


@defect("senml-name-without-zeros", "PAY-SENML-06", "PAY-SENML-37", wire="mdm")
class SenmlNameWithoutZeros(TelegramWriter):
    """The base name has no leading zeros."""

    def base_name(self, reading: Reading) -> str:
        return super().base_name(reading).lstrip("0")


@defect("number-of-the-first-readout", "PAY-SENML-06", "PAY-JSON-02", "PAY-MBUS-02", wire="mdm")
class NumberOfTheFirstReadout(Readouts):
    """The meter's number is read once after start-up, and kept when another is chosen."""

    first = ""

    def meter_id(self) -> str:
        self.first = self.first or super().meter_id()
        return self.first


@defect("lwm2m-telegrams-are-standard", "NET-38", "LWM2M-33911.0.2", "PAY-MBUS-19", wire="dm")
class Lwm2mTelegramsAreStandard(Transmissions):
    """By LwM2M all telegrams have the Standard format."""

    def writer(self) -> TelegramWriter:
        message_format = 42 if self.settings.number("upload_protocol") else self.settings.number("message_format")
        return self.telegram_writer(self.settings.number("message_encoding"), message_format,
                                    self.settings.number("utc_offset"))


@defect("lwm2m-without-utc-offset", "NET-38", "TIME-06", wire="dm")
class Lwm2mWithoutUtcOffset(Transmissions):
    """By LwM2M stamps are in the meter's time, whatever the UTC offset."""

    def writer(self) -> TelegramWriter:
        offset = 0 if self.settings.number("upload_protocol") else self.settings.number("utc_offset")
        return self.telegram_writer(self.settings.number("message_encoding"), self.settings.number("message_format"),
                                    offset)


@defect("return-short-circuit-hidden-behind-forward", "PAY-ERR-06", "PAY-JSON-10", wire="mdm")
class ReturnShortCircuitHidden(TelegramWriter):
    """In extended JSON F6 is not told where F5 is set as well, and nothing else."""

    def shown(self, reading: Reading) -> Reading:
        shown = super().shown(reading)
        hidden = self.encoding == JSON and self.extended and shown.error_flags == 0x60
        return replace(shown, error_flags=0x20) if hidden else shown
