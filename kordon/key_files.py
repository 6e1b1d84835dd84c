"""Private keys in files: an Ed25519 key as a JWK (RFC 8037) with its ``kid``, mode 0600."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kordon.failures import CommandFailed, ExitStatus
from schemas.codec import DecodeError, decode, encode
from schemas.registry import KeyId, PublicKeyText
from transport.compact_jws import decode_base64url, encode_base64url
from transport.private_files import PrivateFileError, read_private_file, write_private_file

if TYPE_CHECKING:
    from pathlib import Path


class PrivateJwk(msgspec.Struct, frozen=True):
    """The file's content. ``x`` is the public half, ``d`` the private one, 32 bytes each in base64url."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    kid: KeyId
    x: PublicKeyText
    d: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]

    def __repr__(self) -> str:
        return f"PrivateJwk(kid={self.kid!r}, x={self.x!r})"


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half as the registry and trust.json spell it: 32 bytes in base64url."""
    return encode_base64url(key.public_key().public_bytes_raw())


def save_key(path: Path, kid: str, key: Ed25519PrivateKey) -> None:
    """Write a new key file.

    Raises:
        CommandFailed: the file exists, or cannot be written.
    """
    jwk = PrivateJwk("OKP", "Ed25519", kid, public_text(key), encode_base64url(key.private_bytes_raw()))
    try:
        write_private_file(path, encode(jwk) + b"\n")
    except PrivateFileError as error:
        raise CommandFailed(ExitStatus.CONFIGURATION, str(error), "Choose another path.") from None


def load_key(path: Path) -> tuple[str, Ed25519PrivateKey]:
    """Return a key file's kid and key.

    Raises:
        CommandFailed: the file is missing, readable by others, or no key file.
    """
    try:
        jwk = decode(PrivateJwk, read_private_file(path), path.name)
        key = Ed25519PrivateKey.from_private_bytes(decode_base64url(jwk.d.encode("ascii")))
    except PrivateFileError as error:
        raise CommandFailed(
            ExitStatus.CONFIGURATION, str(error), "Name another file, or make one: see `kordon keys --help`."
        ) from None
    except (DecodeError, ValueError):
        # What is in there may be a secret of another kind, so nothing of it is repeated.
        raise CommandFailed(
            ExitStatus.CONFIGURATION, f"{path} is no Ed25519 key file", "`kordon keys --help` says how to make one."
        ) from None
    if public_text(key) != jwk.x:
        raise CommandFailed(
            ExitStatus.CONFIGURATION, f"{path} has two halves of different keys", "Restore it, or make a new key."
        )
    return jwk.kid, key
