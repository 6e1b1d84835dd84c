"""Making the keys of a cluster: the issuer's key ring, operators' keys, and the trust.json that goes with them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from issuer.key_ring import KeyRing
from schemas.codec import decode, encode
from schemas.trust import KeyState, Role, TrustDocument, TrustedKey
from transport.key_files import generate_signing_key, save_signing_key
from transport.private_files import PrivateFileError, read_private_file, write_private_file
from transport.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transport.key_files import SigningKey

OPERATOR_ROLES: Final = (Role.ENROL, Role.REVOKE, Role.QUARANTINE, Role.RELEASE)

KEYS_FOLDER: Final = "keys"
PASSPHRASE_FILE: Final = "passphrase"  # noqa: S105 - a file's name
TRUST_FILE: Final = "trust.json"


@dataclass(frozen=True)
class NewKeys:
    """What was made, and where. ``operators`` maps each operator's key file to its key."""

    directory: Path
    trust: Trust
    passphrase_file: Path
    operators: dict[Path, SigningKey]

    @property
    def keys_folder(self) -> Path:
        """The folder of the issuer's key ring."""
        return self.directory / KEYS_FOLDER

    @property
    def trust_file(self) -> Path:
        """Where trust.json is."""
        return self.directory / TRUST_FILE


def make_keys(
    directory: Path,
    *,
    cluster_id: str,
    issuer: str,
    label: str,
    operators: Sequence[str] = ("operator",),
    passphrase_file: Path | None = None,
    iterations: int | None = None,
) -> NewKeys:
    """Make everything a new cluster needs, in files of mode 0600 that are never overwritten.

    ``label`` ends every id of the key ring. Each operator gets a key of that name, with all four operators' roles,
    in a file of that name. The key ring is encrypted; without ``passphrase_file`` a passphrase is drawn and written
    beside it. ``iterations`` are PBKDF2's, the library's own without it.

    Raises:
        PrivateFileError: a file exists, or cannot be written.
        KeyFileError: the passphrase is too short.
        DecodeError: the cluster id or a name is not fit for trust.json; it names the field.
    """
    ring = KeyRing.generate(label)
    keys = {directory / f"{name}.json": generate_signing_key(name) for name in operators}
    trusted = [TrustedKey(key.kid, key.public_key_text, OPERATOR_ROLES, KeyState.ACTIVE) for key in keys.values()]
    trust = Trust(ring.trust_document(cluster_id, issuer, trusted))
    # Everything is checked before the first file, so that a mistake leaves nothing behind.
    decode(TrustDocument, encode(trust.document), TRUST_FILE)
    own_passphrase = directory / PASSPHRASE_FILE
    for path in (directory / KEYS_FOLDER, directory / TRUST_FILE, *keys, own_passphrase):
        if path.exists() and path != passphrase_file:
            raise PrivateFileError(f"{path} exists and is not overwritten; move it away, or name another directory")
    if passphrase_file is None:
        passphrase_file = own_passphrase
        write_private_file(passphrase_file, secrets.token_urlsafe(32).encode() + b"\n")
    # As the issuer's settings read it: one newline at the end is cut.
    passphrase = read_private_file(passphrase_file).removesuffix(b"\n").removesuffix(b"\r")
    if iterations is None:
        ring.save(directory / KEYS_FOLDER, passphrase)
    else:
        ring.save(directory / KEYS_FOLDER, passphrase, iterations=iterations)
    for file, key in keys.items():
        save_signing_key(file, key)
    trust.save(directory / TRUST_FILE)
    return NewKeys(directory, trust, passphrase_file, keys)
