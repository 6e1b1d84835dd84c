"""The operator whose commands are among the mixed workload, and the trust file that knows the key."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS
from transport.signed_records import sign

# Nothing is protected by them: prepared topics shall be the same bytes everywhere.
_SIGNING_SEED: Final = b"kordon bench: no secret, repeats"
_SEALING_KEY: Final = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
_KID: Final = "bench-operator"


class MixedOperator:
    """Signs commands."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(_SIGNING_SEED)

    def hold(self, node_id: str, number: int, timestamp: int) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
        """Return value and headers of the order to quarantine a node, given at ``timestamp`` (ms since 1970)."""
        value = json.dumps(
            {
                "commandId": f"bench-{number:08d}",
                "nodeId": node_id,
                "action": "quarantine",
                "actor": _KID,
                "reason": "a benchmark",
                "issuedAt": str(Timestamp(timestamp)),
            }
        ).encode()
        header = sign(
            value,
            topic=COMMANDS,
            key=node_id.encode(),
            kid=_KID,
            private_key=self._key,
            issued_at=timestamp // 1000,
        )
        return value, (header,)


def write_trust_file(path: Path) -> Path:
    """Write the ``trust.json`` that knows the operator of :class:`MixedOperator`; return its path."""
    public = Ed25519PrivateKey.from_private_bytes(_SIGNING_SEED).public_key().public_bytes_raw()
    document = {
        "schemaVersion": 1,
        "clusterId": "bench",
        "issuer": "bench",
        "keys": [
            {
                "kid": _KID,
                "publicKey": _text(public),
                "roles": ["quarantine", "release"],
                "state": "active",
            }
        ],
        "sealingKey": {"kid": "seal", "publicKey": _text(bytes.fromhex(_SEALING_KEY))},
    }
    path.touch(0o600)
    path.write_text(json.dumps(document))
    return path


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode().rstrip("=")
