"""Proving and asking for the key that a capsule is bound to: challenge and response (design.md section 6, ``cnf``).

A capsule is not secret: whoever has seen it could show it. So the service draws a challenge, the holder signs it with
the key that ``cnf`` names, and the service verifies it::

    service                                            holder
    challenge = verifier.new_challenge()   ─────────►
                                           ◄─────────  credential.prove_possession(capsule, challenge, service=...)
    verifier.verify(envelope, challenge, possession)

The challenge begins with the service's name and the holder signs it for the service it means to speak to, so that a
dishonest service cannot pass on another one's challenge and speak in the holder's name.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

_RANDOM_BYTES: Final = 32
_SEPARATOR: Final = b"|"


class OtherServiceError(ValueError):
    """A challenge that is not of the service the holder means to speak to; it is not signed."""


@dataclass(frozen=True, slots=True)
class Possession:
    """A holder's answer to a challenge, as text that any transport can carry.

    ``public_key`` is the Ed25519 key that ``cnf`` names, 32 bytes in base64url; ``proof`` a compact JWS with detached
    payload.
    """

    public_key: str
    proof: str


def new_challenge(service: str) -> bytes:
    """Return a challenge for one question: the service's name and 32 random bytes."""
    return service.encode() + _SEPARATOR + secrets.token_bytes(_RANDOM_BYTES)


def is_challenge_of(service: str, challenge: bytes) -> bool:
    """Whether a challenge begins with this service's name and is as long as one."""
    begins = service.encode() + _SEPARATOR
    return challenge.startswith(begins) and len(challenge) == len(begins) + _RANDOM_BYTES
