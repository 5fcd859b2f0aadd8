"""Defects of joining and of device management."""

from __future__ import annotations

from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report, resource
from bench.twin.lab import Lab

# -- network


@defect("outage-loses-readouts", "RETX-02", wire="cell")
def _(lab: Lab) -> None:
    """Readouts that could not be sent are forgotten."""
    storage = lab.unit.storage
    unsent = storage.unsent
    storage.unsent = lambda now, max_age, report_interval_min: (  # type: ignore[method-assign]
        unsent(now, max_age, report_interval_min)[-1:])


@defect("silent-after-joining", "ACT-06", wire="cell")
def _(lab: Lab) -> None:
    """No readout is sent after joining."""
    lab.unit.first_readout_delay_s = 86400.0


# -- bootstrap and device management


@defect("bootstrap-skipped", "ACT-12", wire="bootstrap")
def _(lab: Lab) -> None:
    """The unit goes to the gateway without a bootstrap."""
    lab.unit.provisioned = True
    lab.unit.mdm_uri = "udp://10.0.0.1:1884"
    lab.unit.dm_account.uri = "coap://10.0.0.1:5683"
    lab.unit.bootstrap_on_activation = False


@defect("read-only-written", "DM-05", wire="dm")
def _(lab: Lab) -> None:
    """The manufacturer can be overwritten."""
    name = ["Elvaco"]
    target = resource(lab, (3, 0, 0))
    target.read, target.write = lambda: name[0], lambda value: name.__setitem__(0, value)


@defect("bearer-wrong", "LWM2M-4.0.0", wire="dm")
def _(lab: Lab) -> None:
    """The network bearer reads as LTE instead of NB-IoT."""
    report(lab, (4, 0, 0), lambda: 6)
