"""Who a node is: what operators enrol, and the first fingerprint the issuer bound (design.md sections 4 and 6)."""

from enum import StrEnum
from typing import Annotated

import msgspec

from schemas.identifiers import Fingerprint, Identifier, NodeId, Revision, Version
from schemas.network import InvalidFieldError
from schemas.timestamp import Timestamp

KeyId = Annotated[str, msgspec.Meta(min_length=1, max_length=128, description="Names a key or a secret.")]
Base64Url = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+$(?!\n)", description="Base64url without padding, RFC 7515 section 2."),
]
PublicKeyText = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$(?!\n)", description="32 bytes in base64url without padding."),
]

CREDENTIALS_LIMIT = 16
"""More credentials than this a node cannot have: each costs the issuer memory, none costs the sender anything."""


class NodeRegistryStatus(StrEnum):
    """Where a node's enrolment stands. There are no tombstones: ``removed`` is a record like any other."""

    ACTIVE = "active"
    REVOKED = "revoked"
    REMOVED = "removed"


class CredentialType(StrEnum):
    """How a node proves who it is. The algorithm follows from this, never from a message."""

    ED25519 = "ed25519"
    HMAC = "hmac"


class Credential(msgspec.Struct, frozen=True, omit_defaults=True):
    """One proof of a node, named by ``kid``.

    ``ed25519`` (the default) has ``publicKey``, 32 bytes in base64url. ``hmac`` has ``sealedVerifier``: SHA-256 of the
    node's token, HPKE-sealed to the issuer's sealing key (:func:`transport.sealing.seal_verifier`), as the verifier
    is as good as the token. Whether a public key is fit for use is decided by :mod:`transport.public_keys`.
    """

    kid: KeyId
    type: CredentialType | None = None
    publicKey: PublicKeyText | None = None
    sealedVerifier: Annotated[Base64Url, msgspec.Meta(max_length=256)] | None = None

    @property
    def credential_type(self) -> CredentialType:
        """The type, with its default filled in."""
        return self.type or CredentialType.ED25519

    def __post_init__(self) -> None:
        hmac = self.credential_type is CredentialType.HMAC
        required, other = ("sealedVerifier", "publicKey") if hmac else ("publicKey", "sealedVerifier")
        if getattr(self, required) is None:
            raise InvalidFieldError(required, f"required for a credential of type {self.credential_type.value}")
        if getattr(self, other) is not None:
            raise InvalidFieldError(other, f"has no place in a credential of type {self.credential_type.value}")


class RegistryRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node's enrolment. Counts only when signed by an operator.

    ``revision`` rises by 1 with each change; a record at or below the one seen is ignored. ``fingerprint`` enrolled
    here wins over a binding; raising ``bindingEpoch`` (0 when absent) voids the binding, so that the next granted
    capsule binds anew. ``runtimeVersion`` wins over what a request says.
    """

    nodeId: NodeId
    revision: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    status: NodeRegistryStatus
    enabled: bool
    credentials: Annotated[tuple[Credential, ...], msgspec.Meta(max_length=CREDENTIALS_LIMIT)]
    bindingEpoch: Revision | None = None
    fingerprint: Fingerprint | None = None
    servicePrincipal: Identifier | None = None
    runtimeVersion: Version | None = None
    ring: Identifier | None = None
    architecture: Identifier | None = None
    updatedAt: Timestamp | None = None
    updatedBy: Identifier | None = None

    @property
    def binding_epoch(self) -> int:
        """``bindingEpoch`` with its default filled in."""
        return self.bindingEpoch or 0

    def __post_init__(self) -> None:
        if self.fingerprint is not None:
            msgspec.structs.force_setattr(self, "fingerprint", self.fingerprint.lower())
        if len({credential.kid for credential in self.credentials}) != len(self.credentials):
            raise InvalidFieldError("credentials", "two credentials have the same kid")


class Binding(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first fingerprint of a node that was granted a capsule.

    It counts while the registry's ``bindingEpoch`` is the same and the registry names no fingerprint itself.
    """

    nodeId: NodeId
    fingerprint: Fingerprint
    bindingEpoch: Revision
    boundAt: Timestamp

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "fingerprint", self.fingerprint.lower())
