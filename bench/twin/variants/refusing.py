"""Units that refuse with other codes, refuse more of what is not printed, or put right what others refuse."""

from __future__ import annotations

from collections.abc import Mapping

from aiocoap.message import Message
from aiocoap.numbers import codes
from aiocoap.numbers.codes import Code

from bench.protocols.lwm2m import Lwm2mError, Path
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.otc import OtcService
from bench.twin.cmi6110.resource import BadValue, NotAllowed, NotFound
from bench.twin.cmi6110.settings import Settings, Value
from bench.twin.defects.tools import accept
from bench.twin.lab import Lab
from bench.twin.variants.registry import variant

# -- codes over device management


class RefusesWith(Management):
    """A refusal of a kind has the code that is given here."""

    of_value: Code = codes.BAD_REQUEST
    of_access: Code = codes.METHOD_NOT_ALLOWED
    of_missing: Code = codes.NOT_FOUND

    def serve(self, request: Message, path: Path) -> Message:
        try:
            return super().serve(request, path)
        except NotAllowed as refusal:
            return self._refuse(self.of_access, refusal)
        except NotFound as refusal:
            return self._refuse(self.of_missing, refusal)
        except (BadValue, Lwm2mError) as refusal:
            return self._refuse(self.of_value, refusal)

    def _refuse(self, code: Code, refusal: Exception) -> Message:
        return Message(code=code, payload=str(refusal).encode()[:60])


@variant("values-refused-with-4-06", place="G16")
class ValuesRefusedWith406(RefusesWith):
    """A value that is not taken is refused with 4.06."""

    of_value = codes.NOT_ACCEPTABLE


@variant("values-refused-with-4-03", place="G16")
class ValuesRefusedWith403(RefusesWith):
    """A value that is not taken is refused with 4.03."""

    of_value = codes.FORBIDDEN


@variant("values-refused-with-4-22", place="G16")
class ValuesRefusedWith422(RefusesWith):
    """A value that is not taken is refused with 4.22 (RFC 8132)."""

    of_value = codes.UNPROCESSABLE_ENTITY


@variant("access-refused-with-4-01", place="G16")
class AccessRefusedWith401(RefusesWith):
    """An operation that a resource has not got is refused with 4.01."""

    of_access = codes.UNAUTHORIZED


@variant("access-refused-with-4-03", place="G16")
class AccessRefusedWith403(RefusesWith):
    """An operation that a resource has not got is refused with 4.03."""

    of_access = codes.FORBIDDEN


@variant("access-refused-with-4-00", place="G16")
class AccessRefusedWith400(RefusesWith):
    """All refusals but those of what is not there have the code 4.00."""

    of_access = codes.BAD_REQUEST


@variant("missing-refused-with-4-05", place="G16")
class MissingRefusedWith405(RefusesWith):
    """What is not there is refused with 4.05."""

    of_missing = codes.METHOD_NOT_ALLOWED


@variant("bootstrap-refused-with-4-00", place="G16")
class BootstrapRefusedWith400(Lwm2mClient):
    """The end of a bootstrap that does not fit together is refused with 4.00."""

    def serve(self, request: Message) -> Message:
        answer = super().serve(request)
        return Message(code=codes.BAD_REQUEST) if answer.code == codes.NOT_ACCEPTABLE else answer


# -- values that nobody has printed


@variant("offset-0-refused", place="C19")
def _(lab: Lab) -> None:
    """A transmit offset of 0 is refused; the unit sets it by itself."""
    accept(lab, "transmit_offset", lambda value: type(value) is int and 1 <= value <= 1440)


@variant("topics-of-64-at-most", place="U20")
def _(lab: Lab) -> None:
    """A topic of more than 64 characters is refused."""
    accept(lab, "mqttsn_topic", lambda value: isinstance(value, str) and len(value) <= 64)


@variant("timeouts-of-255-at-most", place="U20")
def _(lab: Lab) -> None:
    """Time-outs of more than 255 s are refused."""
    for name in ("mdm_communication_timeout", "coap_ack_timeout", "lwm2m_dtls_min_timeout", "lwm2m_dtls_max_timeout",
                 "mdm_dtls_min_timeout", "mdm_dtls_max_timeout"):
        accept(lab, name, lambda value: type(value) is int and 1 <= value <= 255)


@variant("counts-of-ten-at-most", place="U20")
def _(lab: Lab) -> None:
    """More than ten repetitions, attempts, sequences or uploads are refused."""
    for name, least in (("coap_max_retransmit", 0), ("mdm_communication_attempts", 1), ("sequence_retry_count", 1),
                        ("communication_retry_count", 0)):
        accept(lab, name, lambda value, least=least: type(value) is int and least <= value <= 10)  # type: ignore[misc]


@variant("timers-of-3gpp-only", place="U20")
def _(lab: Lab) -> None:
    """Of T3324 up to 3 h is taken, of T3412 up to 400 days."""
    accept(lab, "t3324", lambda value: type(value) is int and 0 <= value <= 10_800)
    accept(lab, "t3412", lambda value: type(value) is int and 0 <= value <= 34_560_000)


@variant("ages-of-a-month-at-most", place="U20")
def _(lab: Lab) -> None:
    """An age limit of more than 30 days is refused."""
    accept(lab, "auto_upload_max_age", lambda value: type(value) is int and 1 <= value <= 43_200)


# -- put right instead of refused


class Clamps(Settings):
    """Offset and delay that do not fit into the interval are put right, and the write is taken."""

    def check_window(self, changes: Mapping[str, Value]) -> dict[str, str]:
        return {}

    def clamp(self, changes: Mapping[str, Value]) -> dict[str, Value]:
        if not changes.keys() & {"transmit_offset", "transmit_delay"}:
            return super().clamp(changes)
        after = {name: int(changes.get(name, self[name]))
                 for name in ("transmit_interval", "transmit_offset", "transmit_delay")}
        return self.fitting(after["transmit_interval"], after["transmit_offset"], after["transmit_delay"])

    def fitting(self, interval: int, offset: int, delay: int) -> dict[str, Value]:
        return {}


@variant("offset-is-clamped", place="U14")
class OffsetIsClamped(Clamps):
    """An offset that does not fit is made smaller, and then the delay."""

    def fitting(self, interval: int, offset: int, delay: int) -> dict[str, Value]:
        delay = min(delay, interval)
        return {"transmit_offset": min(offset, interval - delay), "transmit_delay": delay}


@variant("delay-is-clamped", place="U14")
class DelayIsClamped(Clamps):
    """A delay that does not fit is made smaller, and then the offset."""

    def fitting(self, interval: int, offset: int, delay: int) -> dict[str, Value]:
        offset = min(offset, interval - 1)
        return {"transmit_offset": offset, "transmit_delay": min(delay, interval - offset)}


# -- the lock


@variant("wrong-pak-locks-for-ten-minutes", place="G19")
class WrongPakLocksForTenMinutes(OtcService):
    """Each wrong PAK locks everybody out for ten minutes at least."""

    wrong_macs_allowed = 1
    block_s = 600.0


@variant("wrong-paks-never-lock", place="G19")
class WrongPaksNeverLock(OtcService):
    """Wrong PAKs are refused, and nobody is locked out."""

    wrong_macs_allowed = 1_000_000
