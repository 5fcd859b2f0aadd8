"""The example device with one thing wrong, or one thing odd: ``faulty_device.py NAME`` and the device's own options."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "docs" / "examples"))

import lwm2m_device as example
from aiocoap import Message
from aiocoap.numbers import codes
from content_formats import TEXT, TLV, Refused, Values, to_senml
from content_formats import Path as At
from lwm2m_device import Device


class OldLifetime(Device):
    """Registers for a day, whatever the account says."""

    def account(self) -> Any:
        found = super().account()
        return found and (found[0], {**found[1], 1: 86400})


class KeysCanBeRead(Device):
    """Gives object 0 to the device management server."""

    def answered(self, request: Message) -> Message:
        if self.staged is None and request.opt.uri_path[:1] == ("0",) and request.code == codes.GET:
            found = {path: value for path, value in self.flat(self.path(request)).items() if value != b""}
            return Message(code=codes.CONTENT, payload=to_senml(found, as_cbor=True), content_format=112)
        return super().answered(request)


class TakesEveryNumber(Device):
    """Takes what is out of range."""

    def checked(self, path: At, value: Any) -> Any:
        try:
            return super().checked(path, value)
        except Refused as refusal:
            if refusal.code == codes.BAD_REQUEST and str(value).lstrip("-").isdecimal():
                return int(value)
            raise


class WritesTheRestOfIt(Device):
    """Takes what is right of a write of which something is wrong."""

    def write(self, values: Values) -> None:
        refused = None
        for path, value in values.items():
            try:
                super().write({path: value})
            except Refused as refusal:
                refused = refusal
        if refused is not None:
            raise refused


class ForgetsThePeriod(Device):
    """Notifies each change, whatever pmin says."""

    def is_due(self, path: At, told: Values, now: Values, since_s: float) -> bool:
        return bool(told != now)


class NeverNotifies(Device):
    """Takes an observation, and that was it."""

    def is_due(self, path: At, told: Values, now: Values, since_s: float) -> bool:
        return False


class FinishesAnything(Device):
    """Is content with a bootstrap that does not fit together."""

    def finished(self) -> Message:
        assert self.staged is not None
        self.values = self.staged
        self.bootstrapped.set()
        return Message(code=codes.CHANGED)


class ForgetsWhoItIs(Device):
    """Lets a Delete of everything take the bootstrap account, too."""

    def bootstrap_write(self, request: Message, path: At) -> Message:
        if request.code == codes.DELETE and self.staged is not None:
            self.staged = {one: value for one, value in self.staged.items() if one[0] > 1}
            return Message(code=codes.DELETED)
        return super().bootstrap_write(request, path)


class HidesAttributes(Device):
    """Discover does not show the attributes."""

    def discovered(self, path: At) -> str:
        return ",".join(link.partition(";")[0] for link in super().discovered(path).split(","))


class TextInTlv(Device):
    """Answers in TLV whatever was asked for."""

    def content(self, path: At, found: Values, accept: int | None) -> Message:
        return super().content(path, found, TLV if path and accept == TEXT else accept)


class StaysAfterReboot(Device):
    """Takes a reboot, and does nothing."""

    def execute(self, path: At) -> None:
        if path != (3, 0, 4):
            super().execute(path)


# -- odd ones


class Crashes(Device):
    """Ends when its lamp is looked at."""

    def read(self, path: At) -> Values:
        if path[:1] == (3311,):
            print("lamp: assertion failed", flush=True)
            os._exit(3)
        return super().read(path)


class Complains(Device):
    """Goes on after an exception that is in its log."""

    def read(self, path: At) -> Values:
        print("Traceback (most recent call last): lamp", flush=True)
        return super().read(path)


class Forks(Device):
    """Leaves a process behind that has left its session."""

    def __init__(self, endpoint: str, bootstrap: str) -> None:
        super().__init__(endpoint, bootstrap)
        subprocess.Popen(["sleep", "86399.5"], start_new_session=True)


class AnotherName(Device):
    def __init__(self, endpoint: str, bootstrap: str) -> None:
        super().__init__("somebody-else", bootstrap)


class Silent(Device):
    """Is there, and never asks anybody."""

    async def live(self, context: Any) -> None:
        await asyncio.Event().wait()


class Old(Device):
    """Speaks LwM2M 1.0 only: no composite operations, no SenML."""

    async def asked(self, context: Any, code: Any, uri: str, *arguments: Any) -> Message | None:
        return await super().asked(context, code, uri.replace("lwm2m=1.1", "lwm2m=1.0"), *arguments)

    def answered(self, request: Message) -> Message:
        if request.code in (codes.FETCH, codes.iPATCH):
            raise Refused(codes.METHOD_NOT_ALLOWED)
        if request.opt.accept in (110, 112) or request.opt.content_format in (110, 112):
            raise Refused(codes.NOT_ACCEPTABLE)
        return super().answered(request)

    def links(self) -> str:
        return super().links().replace(" 110 112", "")


KINDS = {kind.__name__: kind for kind in Device.__subclasses__()}

if __name__ == "__main__":
    example.start(KINDS[sys.argv.pop(1)])
