"""Check 1: what was asked, from the record's bytes (design.md section 6)."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from schemas.capsules import REQUEST_TYP, RequestClaims
from schemas.codec import DecodeError, decode
from schemas.identifiers import NodeId, RequestId
from transport.compact_jws import (
    ED25519_ALGORITHMS,
    HMAC_ALGORITHMS,
    CompactJws,
    MalformedJwsError,
    digest_of,
    parse,
    strict_json_object,
)
from transport.public_keys import InvalidPublicKeyError, x25519_public_key

REQUEST_ALGORITHMS: Final = (*ED25519_ALGORITHMS, *HMAC_ALGORITHMS)


@dataclass(frozen=True, slots=True)
class WellFormedRequest:
    """A request whose proof nobody has verified yet. ``digest`` is the requestDigest."""

    token: CompactJws
    claims: RequestClaims
    seal_to: X25519PublicKey
    digest: str


@dataclass(frozen=True, slots=True)
class MalformedRequest:
    """What is no request. ``request_id`` is there where it could be read; ``detail`` quotes no input."""

    digest: str
    detail: str
    request_id: str | None = None


def read_node_id(key: bytes | None) -> str | None:
    """Return the node id that a record's key is, ``None`` if it is none."""
    try:
        return _read_text(NodeId, (key or b"").decode("utf-8"))
    except UnicodeDecodeError:
        return None


def read_request(key: bytes | None, value: bytes | None) -> WellFormedRequest | MalformedRequest:
    """Read a request record, whatever it holds."""
    encoded = value or b""
    digest = digest_of(encoded)
    node_id = read_node_id(key)
    if node_id is None:
        return MalformedRequest(digest, "the record's key is no node id")
    try:
        token = parse(encoded, typ=REQUEST_TYP, algorithms=REQUEST_ALGORITHMS)
        members = strict_json_object(token.payload)
    except MalformedJwsError as error:
        return MalformedRequest(digest, str(error))
    readable = _read_text(RequestId, members.get("requestId"))
    try:
        claims = decode(RequestClaims, token.payload, "request")
        seal_to = x25519_public_key(claims.sealTo)
    except DecodeError as error:
        return MalformedRequest(digest, f"{error.field} is not as it should be", readable)
    except InvalidPublicKeyError as error:
        return MalformedRequest(digest, f"sealTo: {error}", readable)
    if claims.nodeId != node_id:
        return MalformedRequest(digest, "nodeId is not the record's key", readable)
    return WellFormedRequest(token, claims, seal_to, digest)


def _read_text(form: Any, text: object) -> str | None:
    try:
        return str(msgspec.convert(text, form))
    except msgspec.ValidationError:
        return None
