"""What the bootstrap server writes to a device that is not known beforehand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bench.backend.bootstrap_contents import MDM_SERVER, PSK_MODE, BootstrapContents
from bench.backend.bootstrap_steps import Step
from bench.keys import Keys
from bench.protocols.lwm2m import Link


@dataclass(frozen=True, slots=True)
class ContentsByDevice(BootstrapContents):
    """The accounts of a device by what is known of it: those with DTLS where ``keys`` has its key for that server, and
    the meter data server (object 33905) where Discover shows an instance of it, which others would refuse, or the name
    is a DevEUI, as that of a CMi6110 is: before its first bootstrap it may have no instance.

    Only a device with a key for the bootstrap server, which comes in DTLS, has keys written to it: over plain CoAP
    anybody may give its name. Others keep the key that they have.
    """

    keys: Mapping[str, Keys] = field(default_factory=dict, repr=False)
    secure_dm_uri: str = ""
    secure_mdm_uri: str = ""

    def changes(self, endpoint: str, discovered: Iterable[Link]) -> list[Step]:
        """As those of every device."""
        links = list(discovered)
        has_meter_data = re.fullmatch("[0-9A-Fa-f]{16}", endpoint) is not None or any(
            link.target.split("/")[1:2] == [str(MDM_SERVER.object_id)] for link in links)
        return BootstrapContents.changes(replace(self.of(endpoint), mdm=has_meter_data), endpoint, links)

    def of(self, endpoint: str) -> ContentsByDevice:
        """The contents for that device."""
        psks = self.keys[endpoint].psks if endpoint in self.keys else {}
        contents = self
        if "dm" in psks:
            contents = replace(contents, dm_uri=self.secure_dm_uri, dm_security_mode=PSK_MODE,
                               dm_key=psks["dm"].octets if "bootstrap" in psks else None)
        if "mdm" in psks:
            contents = replace(contents, mdm_uri=self.secure_mdm_uri, mdm_security_mode=PSK_MODE,
                               mdm_key=psks["mdm"].octets if "bootstrap" in psks else None)
        return contents
