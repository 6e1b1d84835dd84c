"""How a node proves who it is, from the node's side: its own key, or the bearer token of its fleet."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from schemas.capsules import REQUEST_TYP

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class NodeCredential(Protocol):
    """Something that signs requests and that the registry knows by ``kid``."""

    @property
    def kid(self) -> str:
        """The credential's name in the node's registry record."""

    def sign(self, claims: bytes) -> bytes:
        """Return a compact JWS, ASCII, with these claims as its payload."""


@dataclass(frozen=True)
class Ed25519Credential:
    """A node's own key. The registry has the public half, so nobody else can ask in the node's name."""

    kid: str
    private_key: Ed25519PrivateKey = field(repr=False)

    def sign(self, claims: bytes) -> bytes:
        """Sign with ``alg`` Ed25519 (RFC 9864)."""
        return _sign("Ed25519", self.kid, claims, OKPKey.import_key(self.private_key))


@dataclass(frozen=True)
class HmacCredential:
    """The token of a fleet that has bearer tokens. The issuer knows its SHA-256, which is the HS256 key."""

    kid: str
    token: bytes = field(repr=False)

    @property
    def verifier(self) -> bytes:
        """SHA-256 of the token, 32 bytes: as good as the token, so it leaves this process only sealed."""
        return sha256(self.token).digest()

    def sign(self, claims: bytes) -> bytes:
        """Sign with ``alg`` HS256."""
        return _sign("HS256", self.kid, claims, OctKey.import_key(self.verifier))


def _sign(algorithm: str, kid: str, claims: bytes, key: OKPKey | OctKey) -> bytes:
    header = {"alg": algorithm, "typ": REQUEST_TYP, "kid": kid}
    return jws.serialize_compact(header, claims, key, algorithms=[algorithm]).encode("ascii")
