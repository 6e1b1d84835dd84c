"""Whom this process believes: ``trust.json``, loaded once, asked by kid (docs/trust.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from schemas.codec import DecodeError, decode, encode
from schemas.trust import TRUST_SCHEMA_VERSION, KeyState, Role, TrustDocument, TrustedKey
from transport.compact_jws import MalformedJwsError, strict_json_object
from transport.private_files import PrivateFileError, read_private_file, write_private_file
from transport.public_keys import InvalidPublicKeyError, check_on_curve, ed25519_public_key, x25519_public_key


class TrustFileError(Exception):
    """``trust.json`` cannot be used. The text names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A trusted key, ready to verify."""

    key: TrustedKey
    public_key: Ed25519PublicKey

    @property
    def kid(self) -> str:
        """The key's name in headers."""
        return self.key.kid

    def has_role(self, role: Role) -> bool:
        """Whether ``trust.json`` gives the key this role."""
        return role in self.key.roles


class Trust:
    """The content of a ``trust.json`` whose keys were all found fit for use."""

    def __init__(self, document: TrustDocument) -> None:
        """Check the document's keys.

        Raises:
            InvalidPublicKeyError: one of them is unfit; the text names its kid.
        """
        self.document: Final = document
        self._signers: Final[Mapping[str, Signer]] = MappingProxyType(
            {key.kid: Signer(key, _named(key.kid, key.publicKey)) for key in document.keys}
        )
        try:
            self.sealing_key: Final[X25519PublicKey] = x25519_public_key(document.sealingKey.publicKey)
        except InvalidPublicKeyError as error:
            raise InvalidPublicKeyError(f"sealingKey {document.sealingKey.kid!r}: {error}") from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of mode 0600.

        Raises:
            TrustFileError: it is missing, readable by others, or not what it should be.
        """
        try:
            content = read_private_file(path)
            strict_json_object(content)
            document = decode(TrustDocument, content, "trust.json")
            if document.schemaVersion > TRUST_SCHEMA_VERSION:
                raise TrustFileError(
                    f"{path} is of schemaVersion {document.schemaVersion}; this program knows up to "
                    f"{TRUST_SCHEMA_VERSION}: upgrade it"
                )
            return cls(document)
        except PrivateFileError as error:
            raise TrustFileError(str(error)) from None
        except (DecodeError, MalformedJwsError, InvalidPublicKeyError) as error:
            raise TrustFileError(f"{path} is no trust.json: {error}; docs/trust.md shows one") from None

    def save(self, path: Path, *, replace: bool = False) -> None:
        """Write the document, mode 0600.

        Raises:
            PrivateFileError: it cannot be written, or exists and ``replace`` is not given.
        """
        write_private_file(path, format_document(self.document), replace=replace)

    @property
    def cluster_id(self) -> str:
        """The cluster's name."""
        return self.document.clusterId

    @property
    def issuer(self) -> str:
        """The envelopes' ``iss``."""
        return self.document.issuer

    def audience(self, prefix: str) -> str:
        """The ``aud`` of requests and envelopes: clusterId/prefix, the prefix verbatim."""
        return f"{self.cluster_id}/{prefix}"

    def signer(self, kid: str) -> Signer | None:
        """The key of that name, whatever its state."""
        return self._signers.get(kid)

    def signer_at(self, kid: str, at: int) -> Signer | None:
        """The key of that name if what it signed at ``at`` (ms since the epoch) counts: not revoked, in validity."""
        signer = self._signers.get(kid)
        if signer is None or signer.key.state is KeyState.REVOKED or not signer.key.valid_at(at):
            return None
        return signer

    def __repr__(self) -> str:
        return f"Trust(clusterId={self.cluster_id!r}, issuer={self.issuer!r}, keys={sorted(self._signers)})"


def format_document(document: TrustDocument) -> bytes:
    """Return the file's text, indented for a person."""
    return msgspec.json.format(encode(document), indent=2) + b"\n"


def _named(kid: str, text: str) -> Ed25519PublicKey:
    try:
        key = ed25519_public_key(text)
        check_on_curve(key)
    except InvalidPublicKeyError as error:
        raise InvalidPublicKeyError(f"key {kid!r}: {error}") from None
    return key
