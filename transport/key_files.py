"""Private keys on disk: a JWK Set (RFC 7517) in a file of mode 0600, encrypted where there is a passphrase.

Encrypted, the file is a JWE (RFC 7517 section 7) with PBES2-HS512+A256KW and A256GCM. What a file holds never gets
into an exception's text or a ``repr``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from schemas.codec import DecodeError, decode, encode
from schemas.registry import KeyId, PublicKeyText
from schemas.timestamp import Timestamp
from schemas.trust import KeyState
from transport.compact_jws import decode_base64url, encode_base64url
from transport.private_files import read_private_file, write_private_file

PBKDF2_ITERATIONS: Final = 210_000
"""Of PBKDF2-HMAC-SHA512, as OWASP's password storage cheat sheet advises."""

SHORTEST_PASSPHRASE_BYTES: Final = 12

_ALGORITHM: Final = "PBES2-HS512+A256KW"
_ENCRYPTION: Final = "A256GCM"


class KeyFileError(Exception):
    """A key file that cannot be used. The text names it and says what to do, and holds nothing of it."""


class StoredKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """A private JWK. ``state``, ``notBefore`` (inclusive) and ``notAfter`` (exclusive) are Kordon's own members.

    ``OKP`` keys have ``crv``, ``x`` and ``d``; ``oct`` keys have ``k``.
    """

    kty: str
    kid: KeyId
    state: KeyState = KeyState.ACTIVE
    crv: str | None = None
    x: PublicKeyText | None = None
    d: PublicKeyText | None = None
    k: PublicKeyText | None = None
    not_before: Timestamp | None = msgspec.field(default=None, name="notBefore")
    not_after: Timestamp | None = msgspec.field(default=None, name="notAfter")

    def __repr__(self) -> str:
        return f"StoredKey(kid={self.kid!r}, kty={self.kty!r}, state={self.state.value!r})"

    @property
    def secret(self) -> bytes:
        """The 32 bytes of the key."""
        text = self.k if self.kty == "oct" else self.d
        assert text is not None, "checked when the set was read"
        return decode_base64url(text.encode("ascii"))


class _StoredKeySet(msgspec.Struct, frozen=True):
    keys: Annotated[tuple[StoredKey, ...], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 private key of an operator or a node, with the kid it is known by."""

    kid: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key_text(self) -> str:
        """The public half, as ``publicKey`` in the registry and in ``trust.json``: 32 bytes in base64url."""
        return encode_base64url(self.private_key.public_key().public_bytes_raw())


def generate_signing_key(kid: str) -> SigningKey:
    """Return a fresh Ed25519 key."""
    return SigningKey(kid, Ed25519PrivateKey.generate())


def save_signing_key(path: Path, key: SigningKey, passphrase: bytes | None = None, *, replace: bool = False) -> None:
    """Write an operator's or a node's key, mode 0600; without a passphrase it stands there unencrypted.

    Raises:
        PrivateFileError: it cannot be written, or exists and ``replace`` is not given.
        KeyFileError: the passphrase is too short.
    """
    write_key_set(path, [stored_ed25519(key.kid, key.private_key)], passphrase, replace=replace)


def load_signing_key(path: Path, passphrase: bytes | None = None) -> SigningKey:
    """Read what :func:`save_signing_key` wrote.

    Raises:
        PrivateFileError: there is no such file, or others may use it.
        KeyFileError: the passphrase is wrong or missing, or the file holds no single Ed25519 key.
    """
    keys = read_key_set(path, passphrase)
    if len(keys) != 1 or keys[0].crv != "Ed25519":
        raise KeyFileError(f"{path} holds another thing than one Ed25519 key")
    return SigningKey(keys[0].kid, Ed25519PrivateKey.from_private_bytes(keys[0].secret))


def stored_ed25519(
    kid: str,
    private_key: Ed25519PrivateKey,
    *,
    state: KeyState = KeyState.ACTIVE,
    not_before: Timestamp | None = None,
    not_after: Timestamp | None = None,
) -> StoredKey:
    """Return an Ed25519 key as a JWK (RFC 8037)."""
    public = private_key.public_key().public_bytes_raw()
    return _okp("Ed25519", kid, public, private_key.private_bytes_raw(), state, not_before, not_after)


def stored_x25519(kid: str, private_key: X25519PrivateKey, *, state: KeyState = KeyState.ACTIVE) -> StoredKey:
    """Return an X25519 key as a JWK (RFC 8037)."""
    public = private_key.public_key().public_bytes_raw()
    return _okp("X25519", kid, public, private_key.private_bytes_raw(), state, None, None)


def stored_secret(kid: str, secret: bytes, *, state: KeyState = KeyState.ACTIVE) -> StoredKey:
    """Return 32 secret bytes as a JWK."""
    return StoredKey("oct", kid, state, k=encode_base64url(secret))


def _okp(
    curve: str,
    kid: str,
    public: bytes,
    private: bytes,
    state: KeyState,
    not_before: Timestamp | None,
    not_after: Timestamp | None,
) -> StoredKey:
    return StoredKey(
        "OKP",
        kid,
        state,
        crv=curve,
        x=encode_base64url(public),
        d=encode_base64url(private),
        not_before=not_before,
        not_after=not_after,
    )


def write_key_set(
    path: Path,
    keys: Sequence[StoredKey],
    passphrase: bytes | None,
    *,
    replace: bool = False,
    iterations: int = PBKDF2_ITERATIONS,
) -> None:
    """Write a key set, mode 0600, encrypted where there is a passphrase.

    Raises:
        PrivateFileError: it cannot be written, or exists and ``replace`` is not given.
        KeyFileError: the passphrase is too short.
    """
    content = encode(_StoredKeySet(tuple(keys)))
    if passphrase is not None:
        if len(passphrase) < SHORTEST_PASSPHRASE_BYTES:
            raise KeyFileError(f"a passphrase has at least {SHORTEST_PASSPHRASE_BYTES} bytes")
        header = {"alg": _ALGORITHM, "enc": _ENCRYPTION, "cty": "jwk-set+json", "p2c": iterations}
        content = jwe.encrypt_compact(
            header, content, OctKey.import_key(passphrase), algorithms=[_ALGORITHM, _ENCRYPTION]
        ).encode("ascii")
    write_private_file(path, content + b"\n", replace=replace)


def read_key_set(path: Path, passphrase: bytes | None, *, encrypted: bool = False) -> tuple[StoredKey, ...]:
    """Read a key set and check that each key is whole.

    With ``encrypted`` a file that is not is refused: whoever can write it, but lacks the passphrase, could otherwise
    put keys of his own there.

    Raises:
        PrivateFileError: there is no such file, or others may use it.
        KeyFileError: the passphrase is wrong or missing, or the content is no key set, or not encrypted though asked.
    """
    content = read_private_file(path).strip()
    if content.startswith(b"{"):
        if encrypted:
            raise KeyFileError(f"{path} is not encrypted; put the encrypted file back in its place")
    else:
        if passphrase is None:
            raise KeyFileError(f"{path} is encrypted; give its passphrase")
        content = _decrypt(path, content, passphrase)
    try:
        keys = decode(_StoredKeySet, content, "keys").keys
    except DecodeError as error:
        # The reason of a decoder may quote what it read.
        raise KeyFileError(f"{path} is no key set: {error.field} is not as it should be") from None
    for key in keys:
        _check(path, key)
    if len({key.kid for key in keys}) != len(keys):
        raise KeyFileError(f"{path} has two keys of the same kid")
    return keys


def _decrypt(path: Path, content: bytes, passphrase: bytes) -> bytes:
    try:
        decrypted = jwe.decrypt_compact(
            content, OctKey.import_key(passphrase), algorithms=[_ALGORITHM, _ENCRYPTION]
        ).plaintext
    except (JoseError, ValueError):
        decrypted = None
    if decrypted is None:
        raise KeyFileError(f"{path} does not open: the passphrase is another one, or the file is damaged")
    return decrypted


def _check(path: Path, key: StoredKey) -> None:
    try:
        if key.kty == "oct":
            whole = len(key.secret) == 32 if key.k is not None else False  # noqa: PLR2004 - every secret's size
        elif key.d is None or key.x is None:
            whole = False
        elif key.crv == "Ed25519":
            whole = _public(Ed25519PrivateKey.from_private_bytes(key.secret)) == key.x
        elif key.crv == "X25519":
            whole = _public(X25519PrivateKey.from_private_bytes(key.secret)) == key.x
        else:
            whole = False
    except ValueError:
        whole = False
    if not whole:
        raise KeyFileError(f"{path}: key {key.kid!r} is not whole")


def _public(key: Ed25519PrivateKey | X25519PrivateKey) -> str:
    return encode_base64url(key.public_key().public_bytes_raw())
