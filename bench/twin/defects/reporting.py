"""Defects of meter data by LwM2M."""

from __future__ import annotations

from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect


@defect("upload-protocol-ignored", "NET-38", "LWM2M-33906.0.48", wire="mdm")
class UploadProtocolIgnored(Transmissions):
    """Meter data go by MQTT-SN, whatever upload protocol is chosen."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        return await self.mdm.publish(payload, last=last)


@defect("upload-by-both-protocols", "NET-38", "LWM2M-33906.0.48", wire="mdm")
class UploadByBothProtocols(Transmissions):
    """Meter data that go by LwM2M go by MQTT-SN as well."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        if self.settings.number("upload_protocol") == 1:
            await self.mdm.publish(payload, last=last)
        return await super().upload(payload, last=last)
