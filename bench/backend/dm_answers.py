"""What can become of a request to a unit: an answer, a refusal, silence, or something nobody can read."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from aiocoap import error

from bench.backend.coap_server import SEPARATE_RESPONSE_S, succeeded
from bench.errors import NotObserved, UnitError

T = TypeVar("T")


class DmRefused(UnitError):  # noqa: N818 - reads as a sentence: the unit refused
    """The unit answered with an error. ``code`` such as "4.05", or "RST" when it rejected the message."""

    def __init__(self, code: str, request: str, diagnostic: str = "") -> None:
        super().__init__(f"{request}: the unit answered {code}" + (f", {diagnostic!r}" if diagnostic else ""))
        self.code = code
        self.request = request
        self.diagnostic = diagnostic

    @property
    def path(self) -> str:
        """The path that was asked for."""
        return self.request.rpartition(" ")[2]


class DmTimeout(NotObserved):
    """The unit gave no answer, or its registration ended while it was waited for."""


class DmNotRegistered(NotObserved):
    """The unit isn't registered, so it can't be asked."""


class DmMalformed(UnitError):  # noqa: N818 - reads as a sentence: the answer was malformed
    """The unit's answer can't be read."""


def check(what: str, answer: Any) -> None:
    """Raises DmRefused for an error code."""
    if not succeeded(answer.code):
        raise DmRefused(str(answer.code.dotted), what, answer.payload.decode("utf-8", "replace"))


async def answered(what: str, exchange: Coroutine[Any, Any, T]) -> T:
    """The result of an exchange with the unit. Raises DmRefused for RST, DmTimeout when no answer comes."""
    try:
        async with asyncio.timeout(SEPARATE_RESPONSE_S):
            return await exchange
    except error.MessageError as reset:
        raise DmRefused("RST", what) from reset
    except (error.Error, TimeoutError) as failure:
        raise DmTimeout(f"{what}: no answer of the unit ({type(failure).__name__})") from failure
