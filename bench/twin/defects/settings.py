"""Defects of settings that read as they were written and do not count, or count at some values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.servers import Servers
from bench.twin.cmi6110.settings import Settings, Value
from bench.twin.cmi6110.uplink import Terms
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import show_only
from bench.twin.lab import Lab

INTERVALS = frozenset(("readout_interval", "transmit_interval", "transmit_offset", "transmit_delay"))

# -- from the next start on only


class FreezesIntervals(Settings):
    """Intervals, offset and delay count as they were when they were frozen; they read as written."""

    frozen: Mapping[str, int] = MappingProxyType({})

    def number(self, name: str) -> int:
        return self.frozen.get(name, super().number(name))

    def freeze(self) -> None:
        self.frozen = {name: self.number(name) for name in INTERVALS}

    def thaw(self) -> None:
        self.frozen = {}


class ThawsAtTheStart(Life):
    """From the next start on what is set counts."""

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        if isinstance(self.settings, FreezesIntervals):
            self.settings.thaw()
        super().start(activation=activation, hold_off_s=hold_off_s)


@defect("dm-intervals-from-the-next-start", "LWM2M-33906.0.0", "LWM2M-33906.0.18", wire="dm",
        beside=(FreezesIntervals, ThawsAtTheStart))
class DmIntervalsFromTheNextStart(Management):
    """Intervals, offset and delay that are written over DM count from the next start on."""

    def store(self, staged: Mapping[str, Value]) -> None:
        if INTERVALS & staged.keys() and isinstance(self.settings, FreezesIntervals):
            self.settings.freeze()
        super().store(staged)


@defect("intervals-from-the-next-start", "OTC-02", "OTC-T11-03", "OTC-T11-05", wire="nfc", beside=(ThawsAtTheStart,))
class IntervalsFromTheNextStart(FreezesIntervals):
    """Intervals, offset and delay count from the next start on, whoever writes them."""

    def put(self, changes: Mapping[str, Value]) -> frozenset[str]:
        if INTERVALS & changes.keys():
            self.freeze()
        return super().put(changes)


@defect("topic-from-the-next-start", "NET-37", "OTC-T11-10", "LWM2M-33905.0.11", wire="mdm")
class TopicFromTheNextStart(Life):
    """Another topic is registered at the next start only."""

    def settings_changed(self, names: frozenset[str]) -> None:
        super().settings_changed(names - {"mqttsn_topic"})


@defect("encoding-without-a-new-topic", "NET-37", "LWM2M-33906.0.1", "OTC-T11-02", wire="mdm")
class EncodingWithoutANewTopic(Life):
    """After a change of the encoding telegrams go on under the topic that names the old one."""

    def settings_changed(self, names: frozenset[str]) -> None:
        super().settings_changed(names - {"message_encoding"})


@defect("format-without-a-new-topic", "NET-37", "LWM2M-33906.0.2", "OTC-T11-01", wire="mdm")
class FormatWithoutANewTopic(Life):
    """After a change of the message format telegrams go on under the topic that names the old one."""

    def settings_changed(self, names: frozenset[str]) -> None:
        super().settings_changed(names - {"message_format"})


@defect("order-of-the-first-transmission", "OTC-T11-12", "LWM2M-33906.0.45", wire="mdm")
class OrderOfTheFirstTransmission(Settings):
    """The order in which readouts are sent stays what it was at the first transmission."""

    order: int | None = None

    def number(self, name: str) -> int:
        if name != "auto_upload_order":
            return super().number(name)
        self.order = super().number(name) if self.order is None else self.order
        return self.order


# -- shown, and not used


@defect("dm-offset-shown-only", "LWM2M-3.0.14", wire="dm")
def _(lab: Lab) -> None:
    """3/0/14 reads as written, and stamps stay as they were."""
    show_only(lab, (3, 0, 14))


@defect("dm-time-source-shown-only", "LWM2M-33906.0.46", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/46 reads as written, and the source of time stays what it was."""
    show_only(lab, (33906, 0, 46))


@defect("dm-power-saving-shown-only", "LWM2M-33906.0.49", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/49 reads as written, and the unit asks the network for what it asked before."""
    show_only(lab, (33906, 0, 49))


@defect("dm-edrx-mode-shown-only", "LWM2M-33906.0.50", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/50 reads as written, and the eDRX mode stays what it was."""
    show_only(lab, (33906, 0, 50))


@defect("dm-topic-shown-only", "LWM2M-33905.0.11", wire="dm")
def _(lab: Lab) -> None:
    """33905/0/11 reads as written, and telegrams go where they went."""
    show_only(lab, (33905, 0, 11))


@defect("dm-uploads-shown-only", "LWM2M-33906.0.21", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/21 reads as written, and the number of uploads stays what it was."""
    show_only(lab, (33906, 0, 21))


@defect("dm-age-limit-shown-only", "LWM2M-33906.0.44", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/44 reads as written, and the age limit stays what it was."""
    show_only(lab, (33906, 0, 44))


@defect("dm-attempts-shown-only", "LWM2M-33906.0.25", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/25 reads as written, and the number of attempts stays what it was."""
    show_only(lab, (33906, 0, 25))


# -- at some values only


class Changed(Settings):
    """One setting counts as ``used`` says; it reads as written."""

    setting = ""

    def used(self, value: int) -> int:
        return value

    def number(self, name: str) -> int:
        value = super().number(name)
        return self.used(value) if name == self.setting else value


@defect("mqttsn-timeout-in-8-bits", "OTC-T12-01", "LWM2M-33906.0.24", wire="mdm")
class MqttsnTimeoutIn8Bits(Changed):
    """The MQTT-SN time-out counts modulo 256."""

    setting = "mdm_communication_timeout"

    def used(self, value: int) -> int:
        return value % 256


@defect("coap-timeout-in-8-bits", "OTC-T9-04", "LWM2M-33906.0.30", wire="dm")
class CoapTimeoutIn8Bits(Changed):
    """The CoAP ACK time-out counts modulo 256."""

    setting = "coap_ack_timeout"

    def used(self, value: int) -> int:
        return value % 256


@defect("four-coap-repetitions-at-most", "OTC-T9-05", "LWM2M-33906.0.31", wire="dm")
class FourCoapRepetitionsAtMost(Changed):
    """A CoAP request is repeated four times at most."""

    setting = "coap_max_retransmit"

    def used(self, value: int) -> int:
        return min(value, 4)


@defect("no-coap-repetition-is-one", "OTC-T9-05", "LWM2M-33906.0.31", wire="dm")
class NoCoapRepetitionIsOne(Changed):
    """A CoAP request is repeated once where no repetition is set."""

    setting = "coap_max_retransmit"

    def used(self, value: int) -> int:
        return max(value, 1)


@defect("three-attempts-at-most", "OTC-T12-02", "LWM2M-33906.0.25", wire="mdm")
class ThreeAttemptsAtMost(Changed):
    """An MQTT-SN message is sent three times at most."""

    setting = "mdm_communication_attempts"

    def used(self, value: int) -> int:
        return min(value, 3)


@defect("offset-in-half-hours", "OTC-T8-05", "LWM2M-3.0.14", wire="mdm")
class OffsetInHalfHours(Changed):
    """The UTC offset counts in steps of half an hour."""

    setting = "utc_offset"

    def used(self, value: int) -> int:
        return value // 30 * 30


@defect("offset-east-only", "OTC-T8-05", "LWM2M-3.0.14", wire="mdm")
class OffsetEastOnly(Changed):
    """A UTC offset west of Greenwich counts as none."""

    setting = "utc_offset"

    def used(self, value: int) -> int:
        return max(value, 0)


@defect("four-uploads-at-most", "OTC-T11-08", "LWM2M-33906.0.21", wire="mdm")
class FourUploadsAtMost(Changed):
    """A transmission has four telegrams at most, however many are allowed."""

    setting = "max_uploads_per_transmission"

    def used(self, value: int) -> int:
        return min(value, 4)


@defect("one-upload-is-three", "OTC-T11-08", "LWM2M-33906.0.21", wire="mdm")
class OneUploadIsThree(Changed):
    """A transmission has three telegrams where one is allowed."""

    setting = "max_uploads_per_transmission"

    def used(self, value: int) -> int:
        return max(value, 3)


@defect("age-limit-in-whole-hours", "OTC-T11-11", "LWM2M-33906.0.44", wire="mdm")
class AgeLimitInWholeHours(Changed):
    """The age limit is rounded up to whole hours."""

    setting = "auto_upload_max_age"

    def used(self, value: int) -> int:
        return -(-value // 60) * 60


@defect("read-every-5-min-steps", "OTC-T11-03", "LWM2M-33906.0.0", wire="mdm")
class ReadoutIntervalInSteps(Changed):
    """The readout interval is rounded down to 5 min."""

    setting = "readout_interval"

    def used(self, value: int) -> int:
        return value // 5 * 5


@defect("read-twice-a-day-at-least", "OTC-T11-03", "LWM2M-33906.0.0", wire="mdm")
class ReadTwiceADay(Changed):
    """The readout interval is 12 h at most."""

    setting = "readout_interval"

    def used(self, value: int) -> int:
        return min(value, 720)


@defect("transmit-interval-only-parts-of-a-day", "OTC-T11-05", "LWM2M-33906.0.18", wire="mdm")
class TransmitIntervalOnlyPartsOfADay(Changed):
    """A transmit interval that does not divide a day counts as an hour."""

    setting = "transmit_interval"

    def used(self, value: int) -> int:
        return 60 if 1440 % value else value


@defect("transmit-interval-10-min-at-least", "OTC-T11-05", "LWM2M-33906.0.18", wire="mdm")
class TransmitInterval10MinAtLeast(Changed):
    """A transmit interval is 10 min at least."""

    setting = "transmit_interval"

    def used(self, value: int) -> int:
        return max(value, 10)


@defect("transmit-offset-in-the-hour", "OTC-T11-06", "LWM2M-33906.0.19", wire="mdm")
class TransmitOffsetInTheHour(Changed):
    """The transmit offset counts modulo 60 min."""

    setting = "transmit_offset"

    def used(self, value: int) -> int:
        return value % 60


@defect("transmit-delay-in-steps", "OTC-T11-07", "LWM2M-33906.0.20", wire="mdm")
class TransmitDelayInSteps(Changed):
    """A transmit delay of more than 10 min is rounded down to 10 min."""

    setting = "transmit_delay"

    def used(self, value: int) -> int:
        return value if value < 10 else value // 10 * 10


@defect("t3324-an-hour-at-most", "OTC-T10-05", wire="cell")
class T3324AnHourAtMost(Changed):
    """The unit asks for an active timer of an hour at most."""

    setting = "t3324"

    def used(self, value: int) -> int:
        return min(value, 3600)


@defect("t3412-in-24-bits", "OTC-T10-06", wire="cell")
class T3412In24Bits(Changed):
    """The extended TAU timer counts modulo 16,777,216 s."""

    setting = "t3412"

    def used(self, value: int) -> int:
        return value % 2**24


@defect("edrx-without-its-window", "OTC-T10-08", wire="cell")
class EdrxWithoutItsWindow(Changed):
    """Of the eDRX value the cycle counts, and the paging window is always that of the default."""

    setting = "edrx_value"

    def used(self, value: int) -> int:
        return 0x10 | value & 0x0F


@defect("a-meter-retry-more", "OTC-T8-06", "LWM2M-33906.0.43", wire="mdm")
class AMeterRetryMore(Changed):
    """A meter that does not answer is read once more than is set."""

    setting = "max_meter_retries"

    def used(self, value: int) -> int:
        return value + 1


# -- the timers of DTLS


@defect("dtls-timer-of-lwm2m-64-s-at-most", "NET-25", "LWM2M-33906.0.32", "OTC-T9-06", wire="dm")
class DtlsTimerOfLwm2m64AtMost(Servers):
    """The first DTLS time-out of LwM2M is 64 s at most."""

    def dm_terms(self) -> Terms:
        terms = super().dm_terms()
        return replace(terms, min_timeout_s=min(terms.min_timeout_s, 64.0))


@defect("dtls-timer-of-meter-data-in-8-bits", "NET-33", "LWM2M-33906.0.22", "OTC-T12-03", wire="mdm")
class DtlsTimerOfMeterDataIn8Bits(Servers):
    """The first DTLS time-out of meter data counts modulo 256."""

    def mdm_terms(self) -> Terms:
        terms = super().mdm_terms()
        return replace(terms, min_timeout_s=max(terms.min_timeout_s % 256, 1.0))


@defect("dtls-timers-without-an-end", "NET-25", "NET-33", "LWM2M-33906.0.33", "LWM2M-33906.0.23", wire="dm")
class DtlsTimersWithoutAnEnd(Servers):
    """DTLS time-outs go on doubling beyond the last one that is set."""

    def dm_terms(self) -> Terms:
        return replace(super().dm_terms(), max_timeout_s=100_000.0)

    def mdm_terms(self) -> Terms:
        return replace(super().mdm_terms(), max_timeout_s=100_000.0)


@defect("transmit-delay-in-ten-bits", "OTC-T11-07", "LWM2M-33906.0.20", wire="mdm")
class TransmitDelayInTenBits(Changed):
    """Of the transmit delay ten bits count."""

    setting = "transmit_delay"

    def used(self, value: int) -> int:
        return value % 1024


@defect("four-sequences-at-most", "LWM2M-33906.0.36", "NET-27", wire="dm")
class FourSequencesAtMost(Changed):
    """A connection is tried in four sequences at most."""

    setting = "sequence_retry_count"

    def used(self, value: int) -> int:
        return min(value, 4)


@defect("bootstrap-port-of-fifteen-bits", "OTC-T9-02", wire="cell")
class BootstrapPortOfFifteenBits(Changed):
    """Of the bootstrap port fifteen bits count."""

    setting = "bootstrap_port"

    def used(self, value: int) -> int:
        return value % 32_768 or 5694


@defect("restart-list-one-shorter-after-a-reset", "PWR-17", "OTC-T11-13", wire="nfc")
class RestartListOneShorterAfterAReset(Settings):
    """A factory reset brings the restart back-off list without its last range, and leaves what is delivered."""

    def reset(self) -> None:
        super().reset()
        self.put({"restart_backoff": "0-5,5-15,15-60,60-360,360-1440"})
