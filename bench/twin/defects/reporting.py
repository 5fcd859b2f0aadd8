"""Defects of meter data by LwM2M."""

from __future__ import annotations

from bench.twin.defects.registry import defect
from bench.twin.lab import Lab


@defect("upload-protocol-ignored", "NET-38", "LWM2M-33906.0.48", wire="mdm")
def _(lab: Lab) -> None:
    """Meter data go by MQTT-SN, whatever upload protocol is chosen."""
    lab.unit.transmissions.upload = lab.unit.mdm.publish  # type: ignore[method-assign]


@defect("upload-by-both-protocols", "NET-38", "LWM2M-33906.0.48", wire="mdm")
def _(lab: Lab) -> None:
    """Meter data that go by LwM2M go by MQTT-SN as well."""
    upload = lab.unit.transmissions.upload

    async def both(payload: bytes, *, last: bool) -> bool:
        if lab.unit.settings.number("upload_protocol") == 1:
            await lab.unit.mdm.publish(payload, last=last)
        return await upload(payload, last=last)
    lab.unit.transmissions.upload = both  # type: ignore[method-assign]
