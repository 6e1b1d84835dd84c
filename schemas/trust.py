"""``trust.json``: whom this cluster believes, delivered out of band (design.md section 6, docs/trust.md).

Topics never introduce keys by themselves: every service, node and verifier starts from a local file of this shape.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

from schemas.identifiers import Identifier
from schemas.json_schema import schema_of
from schemas.network import InvalidFieldError
from schemas.registry import KeyId, PublicKeyText
from schemas.timestamp import Timestamp

TRUST_SCHEMA_VERSION = 1

ClusterId = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,128}$(?!\n)", description="Names the cluster; half of every aud."),
]
IssuerName = Annotated[
    str,
    msgspec.Meta(pattern=r"^[^|\x00-\x1f\x7f]{1,128}$(?!\n)", description="The envelopes' iss; holds no |."),
]


class Role(StrEnum):
    """What a key may sign.

    ``enrol`` registry records; ``revoke`` those that take rights away; ``quarantine`` the commands quarantine and
    unexempt; ``release`` the commands release and exempt; ``issue`` capsules and denials.
    """

    ISSUE = "issue"
    ENROL = "enrol"
    REVOKE = "revoke"
    QUARANTINE = "quarantine"
    RELEASE = "release"


class KeyState(StrEnum):
    """``active`` keys sign; what ``retired`` keys signed still counts; nothing that ``revoked`` keys signed does."""

    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


class TrustedKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """An Ed25519 public key and what it may do.

    ``notBefore`` is inclusive, ``notAfter`` exclusive; absent ends are open. To retire a key, set its state and set
    ``notAfter`` to that moment. ``issue`` stands alone: an issuer's key signs no records, an operator's no capsules.
    """

    kid: KeyId
    publicKey: PublicKeyText
    roles: Annotated[tuple[Role, ...], msgspec.Meta(min_length=1)]
    state: KeyState
    notBefore: Timestamp | None = None
    notAfter: Timestamp | None = None
    owner: Identifier | None = None

    def valid_at(self, at: int) -> bool:
        """Whether ``at`` (ms since the epoch) lies in the key's validity; says nothing of its state."""
        return (self.notBefore is None or self.notBefore <= at) and (self.notAfter is None or at < self.notAfter)

    def __post_init__(self) -> None:
        if Role.ISSUE in self.roles and len(set(self.roles)) > 1:
            raise InvalidFieldError("roles", "issue cannot be joined with an operator's role")
        if self.notBefore is not None and self.notAfter is not None and self.notBefore >= self.notAfter:
            raise InvalidFieldError("notAfter", "not later than notBefore")


class SealingKey(msgspec.Struct, frozen=True):
    """The issuer's X25519 public key, to which hmac verifiers are sealed."""

    kid: KeyId
    publicKey: PublicKeyText


class TrustDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole file."""

    schemaVersion: Annotated[int, msgspec.Meta(ge=1)]
    clusterId: ClusterId
    issuer: IssuerName
    keys: tuple[TrustedKey, ...]
    sealingKey: SealingKey

    def __post_init__(self) -> None:
        if len({key.kid for key in self.keys}) != len(self.keys):
            raise InvalidFieldError("keys", "two keys have the same kid")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of ``trust.json``; ``docs/trust.schema.json`` is this."""
    return schema_of(TrustDocument) | {"title": "Kordon trust.json"}
