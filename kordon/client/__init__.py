"""The node's side of Kordon, and the side of services that are shown capsules.

It is light: importing it imports neither Faust, nor the command line, nor the issuer's key ring. A node that gets its
capsule::

    credential = Ed25519Credential.load(Path("node-1.json"))
    async with CapsuleClient(KafkaSettings.load(), Trust.load(path), "node-1", credential) as client:
        match await client.request(fingerprint, runtime_version="1.2.3"):
            case Capsule() as capsule:
                use(capsule.runtime_key, until=capsule.expires_at)
            case Denial(reason=reason):
                give_up(reason)

:mod:`kordon.client.blocking` has the same for programs without an event loop.

What is bounded: a ``CapsuleClient`` has one request under way, further calls wait their turn; a ``Publisher`` has at
most ``max_in_flight`` records that are not acknowledged, further calls wait. What ends by itself: ``request`` after
``attempts`` times ``timeout_seconds`` (and ``patience_seconds``, where given), publishing after ``timeout_seconds``.
Connections that are lost come back by themselves; a request is then sent again byte for byte, which gets the same
capsule.
"""

import time

from kordon.client.answers import Capsule, Denial
from kordon.client.capsules import CapsuleClient
from kordon.client.channel import NoReplyError, UnusableReplyError
from kordon.client.credentials import Ed25519Credential, HmacCredential, NodeCredential
from kordon.client.errors import NotAcknowledgedError, NotOpenError
from kordon.client.possession import OtherServiceError, Possession
from kordon.client.publisher import Published, Publisher
from kordon.client.refusals import CapsuleRefusedError
from kordon.client.requests import SignedRequest
from kordon.client.risk_rows import RiskRows, StaleRowsError
from kordon.client.verifier import CapsuleVerifier
from schemas.capsules import CapsuleClaims
from schemas.decisions import DenialReason
from schemas.network import Network, NetworkObservation
from schemas.risk import RiskRow
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp
from transport.settings import KafkaSettings
from transport.trust import Trust

__all__ = [
    "Capsule",
    "CapsuleClaims",
    "CapsuleClient",
    "CapsuleRefusedError",
    "CapsuleVerifier",
    "Denial",
    "DenialReason",
    "Ed25519Credential",
    "HmacCredential",
    "KafkaSettings",
    "Network",
    "NetworkObservation",
    "NoReplyError",
    "NodeCredential",
    "NotAcknowledgedError",
    "NotOpenError",
    "OtherServiceError",
    "Possession",
    "Published",
    "Publisher",
    "RiskRow",
    "RiskRows",
    "SignedRequest",
    "StaleRowsError",
    "Telemetry",
    "Timestamp",
    "Trust",
    "UnusableReplyError",
    "now",
]


def now() -> Timestamp:
    """Return this machine's time, as reports and observations carry it in ``observedAt``."""
    return Timestamp(time.time_ns() // 1_000_000)
