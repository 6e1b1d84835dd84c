"""Compact JWS (RFC 7515) in the one strict form this project accepts.

What is read is ASCII, three segments of canonical base64url (no padding, no non-zero trailing bits), at most 16 KiB,
with a header of exactly the expected members, all of them strings or whole numbers, and no JSON object that names a
member twice. The bytes that were carried are the bytes that are verified: nothing is serialised again. Which algorithm
verifies is the caller's to say, from its own record of the key; a message's ``alg`` must agree with it and never
chooses it.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

from schemas.capsules import MAX_COMPACT_JWS_BYTES

ED25519_ALGORITHMS: Final = ("EdDSA", "Ed25519")
"""The two names of the one signature: RFC 8037's, which most libraries know, and RFC 9864's."""

HMAC_ALGORITHMS: Final = ("HS256",)

VerificationKey = Ed25519PublicKey | bytes
"""What verifies: an Ed25519 public key, or the 32 bytes of an HS256 key. The type fixes the algorithms."""

_BASE64URL: Final = re.compile(rb"[A-Za-z0-9_-]*")
_SEGMENTS: Final = 3
_HMAC_KEY_BYTES: Final = 32


class MalformedJwsError(ValueError):
    """A value that is no compact JWS of the expected form. The text says what is wrong and repeats no input."""


@dataclass(frozen=True, slots=True)
class CompactJws:
    """A well-formed JWS whose signature nobody has verified yet.

    ``encoded`` is what was carried; with a detached payload, its middle segment is empty there and ``payload`` came
    from elsewhere.
    """

    header: Mapping[str, str | int]
    payload: bytes
    encoded: bytes
    detached: bool = field(default=False)

    @property
    def algorithm(self) -> str:
        """The header's ``alg``."""
        return str(self.header["alg"])

    @property
    def kid(self) -> str:
        """The header's ``kid``."""
        return str(self.header["kid"])


def parse(
    encoded: bytes,
    *,
    typ: str,
    algorithms: tuple[str, ...],
    members: frozenset[str] = frozenset({"alg", "typ", "kid"}),
    detached_payload: bytes | None = None,
) -> CompactJws:
    """Read a compact JWS.

    ``members`` are the header's, no more and no fewer; ``iat`` among them is a whole number >= 0, every other one a
    string of 1 to 256 characters. With ``detached_payload`` the middle segment must be empty (RFC 7515, appendix F).

    Raises:
        MalformedJwsError: it is not of that form, or its ``typ`` or ``alg`` is none of those given.
    """
    if len(encoded) > MAX_COMPACT_JWS_BYTES:
        raise MalformedJwsError(f"longer than {MAX_COMPACT_JWS_BYTES} bytes")
    segments = encoded.split(b".")
    if len(segments) != _SEGMENTS:
        raise MalformedJwsError("not three segments separated by dots")
    header_bytes, payload, _signature = (decode_base64url(segment) for segment in segments)
    if detached_payload is not None:
        if payload:
            raise MalformedJwsError("the payload is not detached")
        payload = detached_payload
    header = strict_json_object(header_bytes)
    _check_header(header, members)
    if header["typ"] != typ:
        raise MalformedJwsError("another typ than expected")
    if header["alg"] not in algorithms:
        raise MalformedJwsError("an alg that is not accepted")
    return CompactJws(header, payload, encoded, detached_payload is not None)


def _check_header(header: dict[str, Any], members: frozenset[str]) -> None:
    if header.keys() != members:
        raise MalformedJwsError(f"the header's members are not exactly {', '.join(sorted(members))}")
    for name, value in header.items():
        if name == "iat":
            if type(value) is not int or value < 0:
                raise MalformedJwsError("iat is not a whole number of seconds")
        elif not isinstance(value, str) or not 1 <= len(value) <= 256:  # noqa: PLR2004 - stated in parse
            raise MalformedJwsError(f"{name} is not a string of 1 to 256 characters")


def strict_json_object(text: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8, refusing one that names a member twice at any depth, and NaN and the infinities.

    Raises:
        MalformedJwsError: it is not such an object.
    """
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        raise MalformedJwsError("JSON nested too deeply") from None
    except MalformedJwsError:
        raise
    except ValueError:
        raise MalformedJwsError("not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise MalformedJwsError("not a JSON object")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJwsError("a JSON object names a member twice")
    return members


def _refuse_constant(_name: str) -> None:
    raise MalformedJwsError("not JSON: a number that is not finite")


def verifies(token: CompactJws, key: VerificationKey) -> bool:
    """Whether the signature over the carried bytes is this key's.

    An ``alg`` that is not of the key's kind does not verify; the work done is the same as for one that is.
    """
    if isinstance(key, Ed25519PublicKey):
        return _verifies(token, OKPKey.import_key(key), ED25519_ALGORITHMS)
    return _verifies(token, OctKey.import_key(key), HMAC_ALGORITHMS)


def _verifies(token: CompactJws, key: OKPKey | OctKey, algorithms: tuple[str, ...]) -> bool:
    agrees = token.algorithm in algorithms
    payload = token.payload if token.detached else None
    try:
        parts = jws.extract_compact(token.encoded, payload, _REGISTRY)
        # The algorithm is the key's: what the message says was compared, and is not asked again.
        parts.protected["alg"] = algorithms[0]
        return jws.validate_compact(parts, key, registry=_REGISTRY) and agrees
    except JoseError:
        return False


def sign(payload: bytes, header: Mapping[str, str | int], key: Ed25519PrivateKey | bytes) -> bytes:
    """Return a compact JWS, ASCII. ``header`` lacks ``alg``; it is ``EdDSA`` for an Ed25519 key and ``HS256`` else.

    Raises:
        ValueError: an HS256 key that is not 32 bytes.
    """
    protected = {"alg": _algorithm_of(key), **header}
    return jws.serialize_compact(protected, payload, _jwk(key), registry=_REGISTRY).encode("ascii")


def detach(encoded: bytes) -> bytes:
    """Return the JWS with its payload taken out (RFC 7515, appendix F)."""
    return jws.detach_content(encoded.decode("ascii")).encode("ascii")


def _algorithm_of(key: Ed25519PrivateKey | bytes) -> str:
    return "EdDSA" if isinstance(key, Ed25519PrivateKey) else "HS256"


def _jwk(key: Ed25519PrivateKey | bytes) -> OKPKey | OctKey:
    if isinstance(key, Ed25519PrivateKey):
        return OKPKey.import_key(key)
    if len(key) != _HMAC_KEY_BYTES:
        raise ValueError("an HS256 key of this project has 32 bytes")
    return OctKey.import_key(key)


def decode_base64url(text: bytes) -> bytes:
    """Read canonical base64url (RFC 7515 section 2): no padding, no other alphabet, no stray trailing bits.

    Raises:
        MalformedJwsError: there is another spelling of the same bytes, or none.
    """
    if not _BASE64URL.fullmatch(text):
        raise MalformedJwsError("not base64url without padding")
    try:
        decoded = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except Base64Error:
        raise MalformedJwsError("not base64url without padding") from None
    if encode_base64url(decoded).encode("ascii") != text:
        raise MalformedJwsError("base64url with trailing bits that are not zero")
    return decoded


def encode_base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def thumbprint(key: Ed25519PublicKey) -> str:
    """Return the RFC 7638 SHA-256 thumbprint of an Ed25519 public key, as ``cnf`` names it."""
    return OKPKey.import_key(key).thumbprint()


def digest_of(value: bytes) -> str:
    """Return the requestDigest of a request's value: SHA-256 in lower-case hex."""
    return sha256(value).hexdigest()


class _Registry(jws.JWSRegistry):
    """joserfc's rules less what :func:`parse` checks more strictly, and without its advice against ``EdDSA``.

    The envelope says ``EdDSA`` because most libraries do not know ``Ed25519`` yet (design.md section 6).
    """

    max_header_length = MAX_COMPACT_JWS_BYTES
    max_payload_length = 64 * 1024 * 1024

    def get_alg(self, name: str) -> Any:
        """Return the algorithm of an allowed name."""
        assert name in (self.allowed or ())
        return self.algorithms[name]


_REGISTRY: Final = _Registry(algorithms=[*ED25519_ALGORITHMS, *HMAC_ALGORITHMS], strict_check_header=False)
