"""Units that write their telegrams in other forms that the manual leaves them."""

from __future__ import annotations

from collections.abc import Sequence

import cbor2

from bench.twin.cmi6110.telegram import Reading, TelegramWriter
from bench.twin.variants.registry import variant

Pack = list[dict[int, object]]

# -- SenML


class _OtherPack(TelegramWriter):
    """Changes a pack before it is encoded."""

    def other(self, pack: Pack) -> Pack:
        raise NotImplementedError

    def senml(self, readings: Sequence[Reading]) -> bytes:
        return cbor2.dumps(self.other(cbor2.loads(super().senml(readings))))


@variant("version-at-the-end", place="7.4.2.3: the version is a record of its own")
class VersionAtTheEnd(_OtherPack):
    """The version record is the last of a pack."""

    def other(self, pack: Pack) -> Pack:
        return [*(record for record in pack if 0 not in record), *(record for record in pack if 0 in record)]


@variant("packs-of-energies", place="C13")
class PacksOfEnergies(_OtherPack):
    """Later records of a pack hold the energy only."""

    def other(self, pack: Pack) -> Pack:
        return [{**record, 8: _first_dib(record[8])} if 6 in record else record for record in pack]


def _first_dib(data: object) -> bytes:
    assert isinstance(data, bytes)
    return data[:7] if data[1] == 0xFB else data[:6]


@variant("packs-of-1000-octets", place="C12")
class PacksOf1000Octets(TelegramWriter):
    """A SenML pack has up to 1000 octets."""

    largest_payload = 1000


@variant("packs-of-1400-octets", place="C12")
class PacksOf1400Octets(TelegramWriter):
    """A SenML pack has up to 1400 octets."""

    largest_payload = 1400


# -- JSON


class _OtherFields(TelegramWriter):
    """Changes keys and values of JSON telegrams."""

    def other(self, key: str, value: str) -> tuple[str, str]:
        raise NotImplementedError

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return [self.other(key, value) for key, value in super().json_fields(reading)]


@variant("json-u2-twice", place="C07")
class JsonU2Twice(_OtherFields):
    """The unit of tariff 3 has the key U2, as printed."""

    def other(self, key: str, value: str) -> tuple[str, str]:
        return "U2" if key == "U3" else key, value


@variant("json-in-kilowatts", place="C33")
class JsonInKilowatts(_OtherFields):
    """JSON has power in kW and flow in m3/h, as Table 4 has them."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        shown = {"P": str(reading.power_kw), "PU": '"kW"', "F": str(reading.flow_m3ph), "FU": '"m3/h"'}
        return [(key, shown.get(key, value)) for key, value in super().json_fields(reading)]

    def other(self, key: str, value: str) -> tuple[str, str]:
        return key, value


@variant("json-with-blanks", place="RFC 8259: insignificant white space")
class JsonWithBlanks(_OtherFields):
    """JSON has blanks after commas and colons."""

    def other(self, key: str, value: str) -> tuple[str, str]:
        return key, f" {value} "


@variant("json-flags-in-lower-case", place="Table 7: EF as a text")
class JsonFlagsInLowerCase(_OtherFields):
    """Error flags have hexadecimal digits in lower case."""

    def other(self, key: str, value: str) -> tuple[str, str]:
        return key, value.lower() if key == "EF" else value


@variant("json-in-another-order", place="RFC 8259: an object has no order")
class JsonInAnotherOrder(_OtherFields):
    """The keys of JSON telegrams come in another order."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return sorted(super().json_fields(reading))

    def other(self, key: str, value: str) -> tuple[str, str]:
        return key, value


@variant("json-missing-time-says-hours", place="Table 7: MU as a text")
class JsonMissingTimeSaysHours(_OtherFields):
    """The unit of missing time is written out."""

    def other(self, key: str, value: str) -> tuple[str, str]:
        return key, '"hours"' if key == "MU" else value


# -- M-Bus


@variant("missing-time-in-days", place="Table 6 DIB 13: 3C22 or 3C23")
class MissingTimeInDays(TelegramWriter):
    """Missing time is sent in days."""

    def missing_time(self, reading: Reading) -> bytes:
        return b"\x3c\x23" + bytes.fromhex(f"{reading.missing_time_h // 24:08d}")[::-1]

