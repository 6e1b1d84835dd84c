"""What is derived, never stored: a capsule's id and the runtime key of a node (design.md section 6)."""

import hmac
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SALT: Final = b"kordon.runtime-key.v1"
_KEY_BYTES: Final = 32
_CAPSULE_ID_DIGITS: Final = 32


def runtime_key(master: bytes, node_id: str, fingerprint: str, runtime_version: str) -> bytes:
    """Return the 32 bytes that a node of this fingerprint and version has under a master secret (RFC 5869)."""
    info = f"{node_id}:{fingerprint.lower()}:{runtime_version}".encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=_SALT, info=info).derive(master)


def capsule_id(secret: bytes, request_digest: str) -> str:
    """Return the id of the capsule that answers a request: 32 lower-case hex digits, the same for the same bytes."""
    return hmac.new(secret, request_digest.encode("ascii"), "sha256").hexdigest()[:_CAPSULE_ID_DIGITS]
