"""Whatever goes wrong with an upload, on whatever way: each readout arrives in the end (manual 7.3.4).

The ways: both upload protocols, both kinds of connection, the three encodings, with DTLS and without. Values are held
against the meter's by the bench itself.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import pytest

from bench.manual.paths import McmConfig, MeterData
from bench.payload.decode import decode
from fixtures.gateway import Publish, ReturnCode
from fixtures.uploads import ENCODINGS
from fixtures.words import device_time, hours, in_regression, needs, req

QUICK = {"readout_interval": 5, "report_interval": 5, "transmit_offset": 1, "transmit_delay": 2,
         "max_uploads_per_transmission": 200, "auto_upload_order": "Oldest first",
         "mdm_communication_timeout": 10, "reconnect_backoff": "1-2", "coap_ack_timeout": 5, "coap_max_retransmit": 1,
         "communication_retry_delay": 60, "sequence_retry_delay": 60, "sequence_backoff": "1-2", "search_period": 60,
         "mdm_dtls_min_timeout": 5, "mdm_dtls_max_timeout": 10, "lwm2m_dtls_min_timeout": 5,
         "lwm2m_dtls_max_timeout": 10}
"""Readouts that pile up within hours, and a unit that tries again within minutes."""


@dataclass(frozen=True)
class FailingWay:
    """``connection`` is empty by LwM2M."""

    connection: str
    encoding: str
    secured: bool

    @property
    def by_lwm2m(self):
        return not self.connection

    def __str__(self):
        return ", ".join((self.connection or "LwM2M", self.encoding, "DTLS" if self.secured else "plain"))


WAYS = [FailingWay(connection, encoding, secured)
        for connection, encoding, secured in product(("Optimized", "Compliant", ""), ENCODINGS, (False, True))]


def join(way, unit, dm, security, bench):
    """The unit reports on that way, with stamps in UTC: SenML in packs that grow long, else one telegram at a time,
    which is both the first and the last of its transmission."""
    settings = QUICK | {"message_encoding": way.encoding,
                        "transmit_interval": 30 if way.encoding == "SenML/CBOR" else 5,
                        "utc_offset": round(bench.local_standard_offset.total_seconds() / 60)}
    if not way.by_lwm2m:
        settings["mqtt_sn_connection"] = way.connection
    security.join(*(("dm", "mdm") if way.secured else ()), settings=settings)
    if way.by_lwm2m:
        dm.write(McmConfig.UPLOAD_PROTOCOL, 1)


def arrived(way, dm, gateway):
    """The stamps of all that has come in this test."""
    payloads = [arrival.payload for arrival in gateway.arrivals()]
    if way.by_lwm2m:
        records = [record for send in dm.sends for record in send.records]
        payloads = [record.value for record in records if record.path == MeterData.MESSAGE_DATA]
    return [readout.stamp for payload in payloads for readout in decode(payload).readouts]


def is_silent(way, dm, gateway):
    return dm.silent() if way.by_lwm2m else gateway.silent()


@contextmanager
def refuses(way, dm, gateway):
    if way.by_lwm2m:
        with dm.refusing_sends():
            yield
    else:
        gateway.every(Publish).refuse(ReturnCode.NOT_SUPPORTED)
        yield
        gateway.obey()


@contextmanager
def no_network(cell):
    cell.off()
    yield
    cell.on()


@req("RETX-01", "RETX-02", "RETX-19", "NET-02", "NET-36", "NET-38")
@device_time("22 h")
@needs("cell.outage", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize("way", [pytest.param(way, marks=needs("dtls") if way.secured else ()) for way in WAYS],
                         ids=str)
def test_each_readout_arrives_after_every_kind_of_failure(unit, bench, dm, gateway, cell, security, way):
    join(way, unit, dm, security, bench)
    server = "dm" if way.by_lwm2m else "mdm"
    began = bench.clock.utc()
    failures = {"the server is silent": is_silent(way, dm, gateway), "the server refuses": refuses(way, dm, gateway),
                "there is no network": no_network(cell)}
    if way.secured:
        failures["there is no handshake"] = security.silence(server)
    for failure, failing in failures.items():
        bench.clock.sleep(1 * hours)
        since, before = bench.clock.utc(), len(arrived(way, dm, gateway))
        with failing:
            bench.clock.sleep(2 * hours)
            came = len(arrived(way, dm, gateway)) - before
        assert came == 0, f"{came} readouts have come though {failure}"
        bench.clock.sleep(1.5 * hours)
        missing = due(since, bench.clock.utc() - timedelta(minutes=40)) - set(arrived(way, dm, gateway))
        assert not missing, f"{failure}; {len(missing)} readouts never came, the first is {min(missing):%H:%M}"
    missing = due(began, bench.clock.utc() - timedelta(minutes=40)) - set(arrived(way, dm, gateway))
    assert not missing, f"{len(missing)} readouts never came, the first is {min(missing):%H:%M}"


def due(since, until):
    """The five minutes after ``since`` and up to ``until`` (UTC)."""
    moment = since.replace(minute=since.minute // 5 * 5, second=0, microsecond=0, tzinfo=None) + timedelta(minutes=5)
    found = set()
    while moment <= until.replace(tzinfo=None):
        found.add(moment)
        moment += timedelta(minutes=5)
    return found
