"""DTLS 1.2 with pre-shared keys, sans-IO: both roles, injected time and randomness, faults on purpose.

For a bench only. It stands for a peer that can be made to misbehave; it isn't hardened against side channels and
protects nothing of value.

Sources: RFC 6347 (DTLS 1.2), RFC 5246 (TLS 1.2), RFC 4279 and RFC 5487 (PSK), RFC 6655 (CCM), RFC 7627 (extended
master secret), RFC 5746 (renegotiation info), RFC 9146 (connection id).

``client``, ``server``   the two roles; ``association`` is what they share, ``options`` what can be chosen
``events``               what they tell their owner
``pipe``                 an association between a datagram pipe and CoAP or MQTT-SN, in an asyncio loop
``describe``             what a datagram holds, in words
``faults``               dropped, delayed, doubled, corrupted datagrams and bent messages
``records``, ``replay``, ``ciphers``, ``keys``, ``handshake``, ``reassembly``, ``alerts``, ``suites``   the protocol
"""

from bench.protocols.dtls.alerts import AlertDescription, AlertLevel
from bench.protocols.dtls.association import Association, NotEstablished
from bench.protocols.dtls.client import DtlsClient
from bench.protocols.dtls.describe import describe
from bench.protocols.dtls.events import (
    AlertReceived,
    AlertSent,
    Closed,
    Data,
    Dropped,
    Established,
    Event,
    Moved,
    Send,
)
from bench.protocols.dtls.faults import Action, DatagramFault, Faults
from bench.protocols.dtls.options import ClientOptions, Reaction, ServerOptions
from bench.protocols.dtls.server import DtlsServer, ServerEvent
from bench.protocols.dtls.server_association import ServerAssociation
from bench.protocols.dtls.suites import ALL_SUITES, CipherSuite

__all__ = ["ALL_SUITES", "Action", "AlertDescription", "AlertLevel", "AlertReceived", "AlertSent", "Association",
           "CipherSuite", "ClientOptions", "Closed", "Data", "DatagramFault", "Dropped", "DtlsClient", "DtlsServer",
           "Established", "Event", "Faults", "Moved", "NotEstablished", "Reaction", "Send", "ServerAssociation",
           "ServerEvent", "ServerOptions", "describe"]
