"""Defects of meter data and of their payload."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import cbor2

from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.telegram import MBUS, SENML_CBOR, Reading, TelegramWriter
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect

# -- meter data


@defect("meter-id-wrong", "PAY-SENML-06", "PAY-MBUS-02", "PAY-JSON-02", wire="meter")
class MeterIdWrong(Readouts):
    """The identification is one too high."""

    def meter_id(self) -> str:
        return f"{int(super().meter_id()) + 1:08d}"


@defect("volume-last-digit", "PAY-MBUS-04", "PAY-MBUS-21", "PAY-MBUS-24", "PAY-JSON-05", "PAY-SENML-08",
        wire="mbus")
class VolumeLastDigit(Readouts):
    """The last digit of the volume is always 9."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        return replace(reading, volume_m3=reading.volume_m3.quantize(Decimal("0.1")) + Decimal("0.09"))


@defect("topic-ignored", "NET-37", wire="mdm")
class TopicIgnored(MdmClient):
    """The configured topic is not used."""

    def topic_name(self) -> str:
        return f"mr/{self.deveui}/standard"


@defect("window-too-early", "SCH-09", wire="mdm")
class WindowTooEarly(Schedule):
    """The transmit offset is taken as seconds."""

    def random_delay_s(self) -> float:
        return float(self.settings.number("transmit_offset"))


@defect("temperatures-swapped", "PAY-MBUS-07", "PAY-MBUS-08", "PAY-JSON-08", "PAY-JSON-09", "PAY-SENML-08",
        wire="mdm")
class TemperaturesSwapped(Readouts):
    """Forward and return temperature are swapped."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        return replace(reading, forward_c=reading.return_c, return_c=reading.forward_c)


@defect("energy-ten-times", "PAY-MBUS-03", "PAY-MBUS-17", "PAY-MBUS-24", "PAY-JSON-04", "PAY-SENML-08",
        "PAY-SENML-36", wire="mdm")
class EnergyTenTimes(Readouts):
    """The energy is ten times what the meter says."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        seven_digits = Decimal(10**7) * Decimal(1).scaleb(int(reading.energy.as_tuple().exponent))
        return replace(reading, energy=(reading.energy * 10 % seven_digits).quantize(reading.energy))


@defect("local-time-sent", "TIME-03", "TIME-04", "TIME-06", "TIME-08", "TIME-09", "PAY-MBUS-01", "PAY-JSON-03",
        "PAY-SENML-04", wire="mdm")
class LocalTimeSent(TelegramWriter):
    """The UTC offset is not subtracted."""

    def sent_time(self, reading: Reading) -> datetime:
        return reading.time.replace(tzinfo=UTC)


# -- payload


@defect("energy-vif-coarse", "PAY-MBUS-03", "PAY-MBUS-20", "PAY-MBUS-24", "PAY-SENML-08", "PAY-SENML-37",
        wire="mdm")
class EnergyVifCoarse(TelegramWriter):
    """Energy in kWh is sent with the VIF of 10 kWh."""

    def energy(self, reading: Reading) -> bytes:
        return super().energy(reading).replace(b"\x04\x06", b"\x04\x07", 1)


@defect("energy-stale", "PAY-MBUS-24", wire="mdm")
class EnergyStale(Readouts):
    """The energy is that of the readout before."""

    last: Reading | None = None

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        before, self.last = self.last, reading
        return replace(reading, energy=before.energy) if before and _counted_on(before, reading) else reading


@defect("customer-number-sent", "PAY-MBUS-02", "PAY-JSON-02", "PAY-SENML-06", wire="mdm")
class CustomerNumberSent(Readouts):
    """The customer number is sent where the fabrication number is asked for."""

    def meter_id(self) -> str:
        return self.meter.property_number


@defect("flow-sign-lost", "PAY-MBUS-06", "PAY-MBUS-21", "PAY-JSON-07", "PAY-SENML-08", wire="mdm")
class FlowSignLost(Readouts):
    """Reversed flow is sent as positive."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        return replace(reading, flow_m3ph=abs(reading.flow_m3ph))


@defect("flag-bytes-swapped", "PAY-MBUS-09", "PAY-SENML-08", "PAY-SENML-37",
        *(f"PAY-ERR-{bit:02d}" for bit in range(12)), wire="mdm")
class FlagBytesSwapped(TelegramWriter):
    """The error flags are sent most significant byte first."""

    def error_flags(self, reading: Reading) -> bytes:
        dib = super().error_flags(reading)
        return dib[:3] + dib[:2:-1]


@defect("tariffs-swapped", "PAY-MBUS-10", "PAY-MBUS-11", "PAY-JSON-11", "PAY-JSON-12", "PAY-SENML-08", wire="mdm")
class TariffsSwapped(Readouts):
    """Tariff 1 and 2 are swapped."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        first, second, third = reading.tariffs
        return replace(reading, tariffs=(second, first, third))


@defect("tariff-3-missing", "PAY-MBUS-12", "PAY-MBUS-14", "PAY-MBUS-16", "PAY-MBUS-20", "PAY-SENML-08",
        "PAY-SENML-37", "PAY-SENML-39", wire="mdm")
class Tariff3Missing(TelegramWriter):
    """DIB 12 is left out of extended telegrams."""

    def tariff(self, reading: Reading, number: int) -> bytes:
        return b"" if number == 3 else super().tariff(reading, number)


@defect("missing-time-binary", "PAY-MBUS-13", "PAY-SENML-08", "PAY-SENML-37", wire="mdm")
class MissingTimeBinary(TelegramWriter):
    """The missing time is an INT32 under the DIF of a BCD number."""

    def missing_time(self, reading: Reading) -> bytes:
        return super().missing_time(reading)[:2] + reading.missing_time_h.to_bytes(4, "little")


@defect("year-one-ahead", "PAY-MBUS-01", "PAY-MBUS-23", "PAY-MBUS-24", "TIME-03", "TIME-04", "TIME-05", "TIME-06",
        "TIME-08", "TIME-20", wire="mdm")
class YearOneAhead(TelegramWriter):
    """M-Bus telegrams carry next year's date."""

    def date_time(self, reading: Reading) -> bytes:
        time = reading.time
        return super().date_time(replace(reading, time=time.replace(year=time.year + 1, day=min(time.day, 28))))


@defect("summer-time-bit", "PAY-MBUS-01", "TIME-19", wire="mdm")
class SummerTimeBit(TelegramWriter):
    """Bit 15 of the M-Bus time is set."""

    def date_time(self, reading: Reading) -> bytes:
        dib = super().date_time(reading)
        return dib[:3] + bytes([dib[3] | 0x80]) + dib[4:]


@defect("id-bytes-reversed", "PAY-MBUS-02", "PAY-SENML-37", wire="mdm")
class IdBytesReversed(TelegramWriter):
    """The meter id is sent most significant byte first."""

    def meter_id(self, reading: Reading) -> bytes:
        dib = super().meter_id(reading)
        return dib[:2] + dib[:1:-1]


@defect("dib-order", "PAY-MBUS-14", "PAY-SENML-10", "PAY-SENML-39", wire="mdm")
class DibOrder(TelegramWriter):
    """Flow comes before power."""

    def registers(self, reading: Reading) -> bytes:
        power, flow = self.power(reading), self.flow(reading)
        return super().registers(reading).replace(power + flow, flow + power, 1)


@defect("json-energy-unit", "PAY-JSON-04", "PAY-SENML-37", wire="mdm")
class JsonEnergyUnit(TelegramWriter):
    """The energy in JSON is said to be in kWh whatever its unit."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return [(key, '"kWh"' if key == "U" else value) for key, value in super().json_fields(reading)]


@defect("json-energy-rounded", "PAY-JSON-04", "PAY-JSON-19", "PAY-SENML-37", wire="mdm")
class JsonEnergyRounded(TelegramWriter):
    """The energy in JSON has one digit less than the meter shows."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return [(key, value[:-1] if key == "E" and "." in value[:-2] else value)
                for key, value in super().json_fields(reading)]


Pack = list[dict[int, object]]


class _OtherPack(TelegramWriter):
    """Changes the records of each SenML pack."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        return cbor2.dumps(self.other(cbor2.loads(super().senml(readings)), readings))

    @abstractmethod
    def other(self, pack: Pack, readings: Sequence[Reading]) -> Pack: ...


@defect("base-time-label", "PAY-SENML-03", "TIME-20", wire="mdm")
class BaseTimeLabel(_OtherPack):
    """The base time has label -1."""

    def other(self, pack: Pack, readings: Sequence[Reading]) -> Pack:
        return [{-1 if label == -3 else label: value for label, value in record.items()} for record in pack]


@defect("encoder-version-unknown", "PAY-SENML-14", "PAY-SENML-37", "TIME-20", wire="mdm")
class EncoderVersionUnknown(_OtherPack):
    """The encoder version is 1, which no receiver may read."""

    def other(self, pack: Pack, readings: Sequence[Reading]) -> Pack:
        return [{**record, 2: 1} if record.get(0) == "V" else record for record in pack]


@defect("senml-local-time", "PAY-SENML-04", "TIME-20", wire="mdm")
class SenmlLocalTime(_OtherPack):
    """The base time in SenML is local time; M-Bus and JSON are right."""

    def other(self, pack: Pack, readings: Sequence[Reading]) -> Pack:
        return [{**pack[0], -3: round(readings[0].time.replace(tzinfo=UTC).timestamp())}, *pack[1:]]


@defect("split-without-identity", "PAY-SENML-33", wire="mdm")
class SplitWithoutIdentity(TelegramWriter):
    """Only the first pack of a transmission says which meter it is of."""

    def telegrams(self, readings: Sequence[Reading]) -> Iterator[tuple[bytes, list[Reading]]]:
        for number, (payload, carried) in enumerate(super().telegrams(readings)):
            yield (_without_name(payload) if number and self.encoding == SENML_CBOR else payload), carried


@defect("removed-meter-stale", "SCH-28", wire="meter")
class RemovedMeterStale(Readouts):
    """While the meter does not answer, its last values are sent with new times."""

    def read_once(self, *, extra: bool) -> Reading | None:
        reading = super().read_once(extra=extra)
        latest = self.storage.latest
        if reading is None and latest is not None:
            reading = replace(latest, time=self.meter.clock_now().replace(second=0, microsecond=0))
            self.storage.add(reading, extra=extra)
        return reading


def _without_name(payload: bytes) -> bytes:
    return cbor2.dumps([{label: value for label, value in record.items() if label != -2}
                        for record in cbor2.loads(payload)])


def _counted_on(before: Reading, after: Reading) -> bool:
    """The energy register went on from ``before`` to ``after``, and was not set to something else in between."""
    return (before.energy_unit == after.energy_unit and before.energy.same_quantum(after.energy)
            and 0 <= after.energy - before.energy < before.energy / 1000)


@defect("pack-cut-to-make-room-for-dtls", "PAY-SENML-35", "PAY-SENML-33", wire="mdm")
class PackCutToMakeRoomForDtls(Transmissions):
    """With DTLS the last record of a full pack is cut off to make room, and counts as sent."""

    def pending_telegrams(self) -> Iterator[tuple[bytes, list[Reading]]]:
        for payload, carried in super().pending_telegrams():
            cut = self.connection.servers.mdm_security == 0 and len(payload) > 1000 and len(carried) > 1
            yield self.writer().senml(carried[:-1]) if cut else payload, carried


@defect("senml-time-of-31-bits", "PAY-SENML-04", "PAY-SENML-03", wire="mdm", kind="timing")
class SenmlTimeOf31Bits(TelegramWriter):
    """SenML times end in January 2038, and go on in 1901."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        pack = cbor2.loads(super().senml(readings))
        pack[0][-3] = (pack[0][-3] + 2**31) % 2**32 - 2**31
        return cbor2.dumps(pack)


@defect("senml-version-with-a-time-in-a-pack-of-one", "PAY-SENML-21", wire="mdm")
class SenmlVersionWithATimeInAPackOfOne(TelegramWriter):
    """In a pack of one readout the record of the version has a time, which is 0."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        pack = cbor2.loads(super().senml(readings))
        return cbor2.dumps([pack[0], pack[1] | {6: 0}] if len(readings) == 1 else pack)


@defect("senml-offsets-of-a-day-at-most", "PAY-SENML-24", "PAY-SENML-05", wire="mdm", kind="timing")
class SenmlOffsetsOfADayAtMost(TelegramWriter):
    """SenML offsets of more than a day begin again at 0."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        pack = cbor2.loads(super().senml(readings))
        return cbor2.dumps([record | {6: -(-record[6] % 86_401)} if 6 in record else record for record in pack])


@defect("mbus-power-in-kw-without-sign", "PAY-MBUS-05", wire="mdm", kind="values")
class MbusPowerInKwWithoutSign(TelegramWriter):
    """In M-Bus a negative power of a meter that shows whole kW is sent as positive."""

    def power(self, reading: Reading) -> bytes:
        whole = self.encoding == MBUS and reading.power_kw.as_tuple().exponent == 0
        return super().power(replace(reading, power_kw=abs(reading.power_kw)) if whole else reading)


@defect("mbus-energy-of-0-left-out", "PAY-MBUS-03", wire="mdm", kind="absence")
class MbusEnergyOf0LeftOut(TelegramWriter):
    """In M-Bus DIB 3 is left out where the register is 0."""

    def energy(self, reading: Reading) -> bytes:
        return b"" if self.encoding == MBUS and reading.energy == 0 else super().energy(reading)
