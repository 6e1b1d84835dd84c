"""The issuer's secrets: signing keys, master secrets, capsule-id secrets and sealing keys, each apart from the others.

Each kind has a file of its own in the key folder, an encrypted JWK Set of mode 0600. Each key has an id and a state::

    active ──► retired ──► removed from the file
      │          │
      │          └─ no longer used for anything new; a retired master still derives again what it once derived, a
      │             retired sealing key still opens what was sealed to it
      └─ used for what is new; of several the last in the file

    revoked: of no use whatever; kept only so that its id is not given again
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.timestamp import Timestamp
from schemas.trust import KeyState, Role, SealingKey, TrustDocument, TrustedKey
from transport.compact_jws import encode_base64url
from transport.key_files import (
    PBKDF2_ITERATIONS,
    KeyFileError,
    StoredKey,
    read_key_set,
    stored_ed25519,
    stored_secret,
    stored_x25519,
    write_key_set,
)
from transport.trust import Trust

SIGNING_FILE: Final = "signing.jwe"
MASTERS_FILE: Final = "masters.jwe"
CAPSULE_IDS_FILE: Final = "capsule-ids.jwe"
SEALING_FILE: Final = "sealing.jwe"

_SECRET_BYTES: Final = 32
_MILLIS: Final = 1000


class KeyRingError(Exception):
    """The key ring cannot do what is asked of it. The text names ids and says what to do, and holds no secret."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs envelopes. ``not_before`` is inclusive and ``not_after`` exclusive, ms since the epoch."""

    kid: str
    state: KeyState
    private_key: Ed25519PrivateKey = field(repr=False)
    not_before: Timestamp | None = None
    not_after: Timestamp | None = None

    @property
    def public_key_text(self) -> str:
        """The public half in base64url."""
        return encode_base64url(self.private_key.public_key().public_bytes_raw())

    def last_exp(self, exp: int) -> int:
        """Return ``exp`` (seconds, exclusive) cut to the end of this key's validity."""
        return exp if self.not_after is None else min(exp, self.not_after // _MILLIS)


@dataclass(frozen=True, slots=True)
class Secret:
    """A master or capsule-id secret of 32 bytes."""

    kid: str
    state: KeyState
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealingKeyPair:
    """A key to which hmac verifiers are sealed."""

    kid: str
    state: KeyState
    private_key: X25519PrivateKey = field(repr=False)

    @property
    def public_key_text(self) -> str:
        """The public half in base64url."""
        return encode_base64url(self.private_key.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All of the issuer's secrets, in memory."""

    signing: tuple[SigningKey, ...]
    masters: tuple[Secret, ...]
    capsule_ids: tuple[Secret, ...]
    sealing: tuple[SealingKeyPair, ...]

    @classmethod
    def generate(cls, label: str, *, not_before: Timestamp | None = None, not_after: Timestamp | None = None) -> Self:
        """Return a fresh ring; ``label`` ends every id in it, so that a later rotation can tell its keys apart."""
        return cls(
            (SigningKey(f"issuer-{label}", KeyState.ACTIVE, Ed25519PrivateKey.generate(), not_before, not_after),),
            (Secret(f"master-{label}", KeyState.ACTIVE, secrets.token_bytes(_SECRET_BYTES)),),
            (Secret(f"capsule-id-{label}", KeyState.ACTIVE, secrets.token_bytes(_SECRET_BYTES)),),
            (SealingKeyPair(f"sealing-{label}", KeyState.ACTIVE, X25519PrivateKey.generate()),),
        )

    @classmethod
    def load(cls, folder: Path, passphrase: bytes) -> Self:
        """Read the four files of a key folder.

        Raises:
            PrivateFileError: one is missing, or others may use it.
            KeyFileError: the passphrase is wrong, or a file is not encrypted or holds another kind of key.
        """
        return cls(
            tuple(
                SigningKey(
                    key.kid, key.state, Ed25519PrivateKey.from_private_bytes(key.secret), key.not_before, key.not_after
                )
                for key in _read(folder / SIGNING_FILE, passphrase, "Ed25519")
            ),
            tuple(Secret(key.kid, key.state, key.secret) for key in _read(folder / MASTERS_FILE, passphrase, None)),
            tuple(Secret(key.kid, key.state, key.secret) for key in _read(folder / CAPSULE_IDS_FILE, passphrase, None)),
            tuple(
                SealingKeyPair(key.kid, key.state, X25519PrivateKey.from_private_bytes(key.secret))
                for key in _read(folder / SEALING_FILE, passphrase, "X25519")
            ),
        )

    def save(
        self, folder: Path, passphrase: bytes, *, replace: bool = False, iterations: int = PBKDF2_ITERATIONS
    ) -> None:
        """Write the four files, encrypted, mode 0600. ``iterations`` are PBKDF2's.

        Raises:
            PrivateFileError: one exists and ``replace`` is not given, or cannot be written.
            KeyFileError: the passphrase is too short.
        """
        signing = [
            stored_ed25519(
                key.kid, key.private_key, state=key.state, not_before=key.not_before, not_after=key.not_after
            )
            for key in self.signing
        ]
        contents: dict[str, Sequence[StoredKey]] = {
            SIGNING_FILE: signing,
            MASTERS_FILE: [stored_secret(key.kid, key.content, state=key.state) for key in self.masters],
            CAPSULE_IDS_FILE: [stored_secret(key.kid, key.content, state=key.state) for key in self.capsule_ids],
            SEALING_FILE: [stored_x25519(key.kid, key.private_key, state=key.state) for key in self.sealing],
        }
        for name, keys in contents.items():
            write_key_set(folder / name, keys, passphrase, replace=replace, iterations=iterations)

    def signing_key(self, at: int) -> SigningKey:
        """Return the key that signs at ``at``, ms since the epoch.

        Raises:
            KeyRingError: none is active and valid then.
        """
        for key in reversed(self.signing):
            # `iat` and `exp` are whole seconds: the first, when begun, and the last of a validity are left unused.
            begun = key.not_before is None or key.not_before <= at - at % _MILLIS
            ended = key.not_after is not None and at + _MILLIS >= key.not_after
            if key.state is KeyState.ACTIVE and begun and not ended:
                return key
        raise KeyRingError("no signing key is active and valid now; add one to the key ring and to trust.json")

    def master(self, kid: str | None = None) -> Secret | None:
        """Return the master secret of that id if it may still derive, without an id the one for new capsules."""
        if kid is None:
            return _last_active(self.masters, "master secret")
        for secret in self.masters:
            if secret.kid == kid and secret.state is not KeyState.REVOKED:
                return secret
        return None

    @property
    def capsule_id_secret(self) -> Secret:
        """The secret that capsule ids come from."""
        return _last_active(self.capsule_ids, "capsule-id secret")

    @property
    def opening_keys(self) -> tuple[X25519PrivateKey, ...]:
        """The private keys that may open sealed verifiers, the newest first."""
        return tuple(key.private_key for key in reversed(self.sealing) if key.state is not KeyState.REVOKED)

    def trust_document(self, cluster_id: str, issuer: str, operators: Sequence[TrustedKey]) -> TrustDocument:
        """Return the ``trust.json`` that goes with this ring and these operators' keys."""
        signing = tuple(
            TrustedKey(key.kid, key.public_key_text, (Role.ISSUE,), key.state, key.not_before, key.not_after, issuer)
            for key in self.signing
        )
        sealing = self.sealing[-1]
        return TrustDocument(
            1, cluster_id, issuer, (*signing, *operators), SealingKey(sealing.kid, sealing.public_key_text)
        )

    def check_against(self, trust: Trust, at: int) -> None:
        """Make sure that what this ring signs at ``at`` is believed, and what is sealed to ``trust.json`` opens here.

        Raises:
            KeyRingError: ring and trust.json do not belong together.
        """
        self.signing_key(at)
        for key in self.signing:
            if key.state is KeyState.ACTIVE and not _is_trusted(key, trust):
                raise KeyRingError(
                    f"trust.json does not let signing key {key.kid!r} issue while the key ring says it may; "
                    "give the issuer the trust.json that was made with its keys, and give everybody else the same"
                )
        if trust.document.sealingKey.publicKey not in {pair.public_key_text for pair in self.sealing}:
            raise KeyRingError(
                f"the key ring lacks the private half of trust.json's sealing key {trust.document.sealingKey.kid!r}; "
                "hmac nodes enrolled with it could not be verified"
            )
        if self.master() is None or not self.capsule_ids:
            raise KeyRingError("the key ring has no master secret or no capsule-id secret")


def _is_trusted(key: SigningKey, trust: Trust) -> bool:
    signer = trust.signer(key.kid)
    if signer is None or not signer.has_role(Role.ISSUE) or signer.key.state is not KeyState.ACTIVE:
        return False
    trusted = signer.key
    validity = (key.not_before, key.not_after)
    return trusted.publicKey == key.public_key_text and (trusted.notBefore, trusted.notAfter) == validity


def _last_active(secrets_in_order: Sequence[Secret], name: str) -> Secret:
    for secret in reversed(secrets_in_order):
        if secret.state is KeyState.ACTIVE:
            return secret
    raise KeyRingError(f"no {name} is active; add one to the key ring")


def _read(path: Path, passphrase: bytes, curve: str | None) -> tuple[StoredKey, ...]:
    keys = read_key_set(path, passphrase, encrypted=True)
    for key in keys:
        if key.crv != curve:
            raise KeyFileError(f"{path}: key {key.kid!r} is of another kind than this file holds")
    return keys
