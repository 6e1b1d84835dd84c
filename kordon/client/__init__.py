"""The node's side of Kordon: publish telemetry and observations, request capsules.

It is light: importing it imports neither Faust, nor the command line, nor the issuer's key ring. A node that gets its
capsule::

    credential = Ed25519Credential("1", private_key)
    async with CapsuleClient(KafkaSettings.load(), Trust.load(path), "node-1", credential) as client:
        match await client.request(fingerprint, runtime_version="1.2.3"):
            case Capsule() as capsule:
                use(capsule.runtime_key, until=capsule.expires_at)
            case Denial(reason=reason):
                give_up(reason)
"""

from kordon.client.answers import Capsule, Denial
from kordon.client.capsules import CapsuleClient
from kordon.client.channel import NoReplyError, UnusableReplyError
from kordon.client.credentials import Ed25519Credential, HmacCredential, NodeCredential
from kordon.client.publisher import Published, Publisher
from kordon.client.requests import SignedRequest

__all__ = [
    "Capsule",
    "CapsuleClient",
    "Denial",
    "Ed25519Credential",
    "HmacCredential",
    "NoReplyError",
    "NodeCredential",
    "Published",
    "Publisher",
    "SignedRequest",
    "UnusableReplyError",
]
