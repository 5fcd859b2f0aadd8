"""Defects of resources: each changes the type, the range, the access or the value of one resource, and nothing else."""

from __future__ import annotations

from bench.protocols.lwm2m import Path, Type
from bench.twin.cmi6110.resource import BadValue, Resource
from bench.twin.cmi6110.settings import Value
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import change, report, restage, show_only
from bench.twin.lab import Lab


@defect("read-only-written", "DM-05", wire="dm")
def _(lab: Lab) -> None:
    """The manufacturer can be overwritten."""
    name = ["Elvaco"]
    change(lab, (3, 0, 0), read=lambda: name[0], write=lambda value: name.__setitem__(0, value))


@defect("bearer-wrong", "LWM2M-4.0.0", wire="dm")
def _(lab: Lab) -> None:
    """The network bearer reads as LTE instead of NB-IoT."""
    report(lab, (4, 0, 0), lambda: 6)


@defect("battery-level-255", "LWM2M-3.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The battery level reads 255 %."""
    report(lab, (3, 0, 9), lambda: 255)


@defect("hardware-version-number", "LWM2M-3.0.18", wire="dm")
def _(lab: Lab) -> None:
    """The hardware version is an Integer."""
    change(lab, (3, 0, 18), type=Type.INTEGER, read=lambda: 12)


@defect("firmware-version-executable", "LWM2M-3.0.3", wire="dm")
def _(lab: Lab) -> None:
    """The firmware version can be executed."""
    change(lab, (3, 0, 3), execute=lambda _: None)


@defect("smnc-above-range", "LWM2M-4.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The SMNC reads 1001."""
    report(lab, (4, 0, 9), lambda: 1001)


@defect("psm-timer-writable", "LWM2M-10.0.4", wire="dm")
def _(lab: Lab) -> None:
    """The PSM timer can be written over DM."""
    restage(lab, (10, 0, 4), lambda value: {"t3412": value})


@defect("edrx-two-octets", "LWM2M-10.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The eDRX parameters are two octets."""
    report(lab, (10, 0, 9), lambda: b"\x00" + bytes([lab.unit.settings.number("edrx_value")]))


@defect("profile-link-text", "LWM2M-10.0.11", wire="dm")
def _(lab: Lab) -> None:
    """The link to the APN profile is a String."""
    change(lab, (10, 0, 11), type=Type.STRING, read=lambda: "11:0")


@defect("profile-name-read-only", "LWM2M-11.x.0", wire="dm")
def _(lab: Lab) -> None:
    """The name of the APN profile in use can't be written."""
    restage(lab, (11, 0, 0), None)


@defect("readout-interval-over-range", "LWM2M-33906.0.0", wire="dm")
def _(lab: Lab) -> None:
    """A readout interval of more than 1440 min is taken over DM, as 1440."""
    restage(lab, (33906, 0, 0), lambda value: {"readout_interval": min(value, 1440)})


@defect("transmit-interval-edge-refused", "LWM2M-33906.0.18", wire="dm")
def _(lab: Lab) -> None:
    """A transmit interval of 5 min is refused over DM."""
    def stage(value: int) -> dict[str, Value]:
        if value == 5:
            raise BadValue("too short")
        return {"transmit_interval": value}
    restage(lab, (33906, 0, 18), stage)


@defect("eco-mode-integer", "LWM2M-33906.0.3", wire="dm")
def _(lab: Lab) -> None:
    """The eco mode is an Integer."""
    change(lab, (33906, 0, 3), type=Type.INTEGER, read=lambda: lab.unit.settings["eco_mode"])


@defect("lock-writable", "LWM2M-33906.0.5", wire="dm")
def _(lab: Lab) -> None:
    """The NFC lock can be opened and closed over DM."""
    restage(lab, (33906, 0, 5), lambda value: {"configuration_lock": int(value)})


@defect("trigger-readable", "LWM2M-33906.0.10", wire="dm")
def _(lab: Lab) -> None:
    """The readout trigger can be read."""
    change(lab, (33906, 0, 10), type=Type.INTEGER, read=lambda: 0)


@defect("uploads-read-only", "LWM2M-33906.0.21", wire="dm")
def _(lab: Lab) -> None:
    """The number of uploads can't be written over DM."""
    restage(lab, (33906, 0, 21), None)


@defect("backoff-backwards", "LWM2M-33906.0.41", wire="dm")
def _(lab: Lab) -> None:
    """A back-off range from 5 to 1 min is taken, as one from 1 to 5."""
    restage(lab, (33906, 0, 41), lambda text: {"reconnect_backoff": "1-5" if text == "5-1" else text})


@defect("upload-order-2", "LWM2M-33906.0.45", wire="dm")
def _(lab: Lab) -> None:
    """An upload order of 2 is taken."""
    restage(lab, (33906, 0, 45), lambda value: {"auto_upload_order": min(value, 1)})


@defect("rai-counts-from-1", "LWM2M-33906.0.51", wire="dm")
def _(lab: Lab) -> None:
    """RAI is 1 or 2 instead of 0 or 1."""
    report(lab, (33906, 0, 51), lambda: lab.unit.settings.number("rai") + 1)
    restage(lab, (33906, 0, 51), lambda value: {"rai": value - 1})


@defect("mdm-key-readable", "LWM2M-33905.0.5", wire="dm")
def _(lab: Lab) -> None:
    """The transport key can be read."""
    report(lab, (33905, 0, 5), lambda: lab.unit.servers.mdm_key)


@defect("topic-execute-only", "LWM2M-33905.0.11", wire="dm")
def _(lab: Lab) -> None:
    """The topic can be executed, neither read nor written."""
    lab.unit.tree[Path(33905, 0, 11)] = Resource(None, execute=lambda _: None)


@defect("meter-id-text", "LWM2M-33908.0.1", wire="dm")
def _(lab: Lab) -> None:
    """The meter id is a String."""
    change(lab, (33908, 0, 1), type=Type.STRING, read=lab.unit.readouts.meter_id)


@defect("modem-update-result-negative", "LWM2M-33909.0.8", wire="dm")
def _(lab: Lab) -> None:
    """The result of the modem's update reads -1."""
    report(lab, (33909, 0, 8), lambda: -1)


@defect("ecl-3", "LWM2M-33907.0.3", wire="dm")
def _(lab: Lab) -> None:
    """The ECL reads 3."""
    report(lab, (33907, 0, 3), lambda: 3)


@defect("maximum-response-missing", "LWM2M-33910.x.6", wire="dm")
def _(lab: Lab) -> None:
    """The maximum response time is not offered."""
    del lab.unit.tree[Path(33910, 0, 6)]


@defect("resume-range-of-one-value-refused", "LWM2M-33906.0.42", wire="dm")
def _(lab: Lab) -> None:
    """A resume back-off range from a number to the same is refused over DM."""
    def stage(text: str) -> dict[str, Value]:
        if any(low == high for low, _, high in (part.partition("-") for part in text.split(","))):
            raise BadValue("no range")
        return {"sequence_backoff": text}
    restage(lab, (33906, 0, 42), stage)


@defect("dm-delay-shown-only", "SCH-14", "LWM2M-33906.0.20", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/20 reads as written, and the random delay stays what it was."""
    show_only(lab, (33906, 0, 20))
