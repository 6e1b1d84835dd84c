"""Operators with keys, and the trust file that knows them."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS
from transport.signed_records import sign


class Operator:
    """A person with a signing key named ``kid``."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.key = Ed25519PrivateKey.generate()

    def command(self, node_id: str, action: str, **more: object) -> tuple[bytes, list[tuple[str, bytes]]]:
        """Return a signed command's value and headers."""
        value = json.dumps(
            {
                "commandId": secrets.token_hex(8),
                "nodeId": node_id,
                "action": action,
                "actor": self.kid,
                "reason": "a test",
                "issuedAt": str(Timestamp(time.time_ns() // 1_000_000)),
                **more,
            }
        ).encode()
        header = sign(
            value,
            topic=COMMANDS,
            key=node_id.encode(),
            kid=self.kid,
            private_key=self.key,
            issued_at=int(time.time()),
        )
        return value, [header]


def trusting(path: Path, operators: Mapping[Operator, Sequence[str]]) -> Path:
    """Write a trust file in which each operator has these roles."""
    document = {
        "schemaVersion": 1,
        "clusterId": "test",
        "issuer": "test-issuer",
        "keys": [
            {
                "kid": operator.kid,
                "publicKey": _text(operator.key.public_key().public_bytes_raw()),
                "roles": list(roles),
                "state": "active",
            }
            for operator, roles in operators.items()
        ],
        "sealingKey": {
            "kid": "seal",
            "publicKey": _text(X25519PrivateKey.generate().public_key().public_bytes_raw()),
        },
    }
    path.touch(0o600)
    path.write_text(json.dumps(document))
    return path


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode().rstrip("=")
