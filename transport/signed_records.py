"""Records that count only when an operator signed them: the header ``kordon-signature`` (design.md section 3).

Kafka does not tell a consumer who produced. A registry record or command therefore carries a compact JWS with detached
payload (RFC 7515, appendix F) over the exact bytes of its value. The protected header names topic (without prefix) and
key too, so that a signature cannot be carried to another topic or node. Freshness is not its matter: a registry
record's ``revision`` and a command's ``issuedAt`` and ``commandId`` make an old record, sent again, void.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.commands import Action, Command
from schemas.registry import NodeRegistryStatus, RegistryRecord
from schemas.trust import KeyState, Role
from transport.compact_jws import ED25519_ALGORITHMS, MalformedJwsError, detach, parse, verifies
from transport.compact_jws import sign as sign_jws
from transport.trust import Signer, Trust

SIGNATURE_HEADER: Final = "kordon-signature"
RECORD_TYP: Final = "kordon-record+jws"
FUTURE_MILLIS: Final = 300_000
"""An ``iat`` further than this after the record's timestamp is refused."""

_MEMBERS: Final = frozenset({"alg", "typ", "kid", "topic", "key", "iat"})
_SECOND_MILLIS: Final = 1000


class RefusalReason(StrEnum):
    """Why a signed record has no effect."""

    UNSIGNED = "UNSIGNED"
    SIGNED_TWICE = "SIGNED_TWICE"
    MALFORMED_SIGNATURE = "MALFORMED_SIGNATURE"
    OTHER_TOPIC = "OTHER_TOPIC"
    OTHER_KEY = "OTHER_KEY"
    UNKNOWN_SIGNER = "UNKNOWN_SIGNER"
    REVOKED_SIGNER = "REVOKED_SIGNER"
    SIGNER_NOT_VALID_THEN = "SIGNER_NOT_VALID_THEN"
    SIGNED_IN_THE_FUTURE = "SIGNED_IN_THE_FUTURE"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    ROLE_MISSING = "ROLE_MISSING"


REFUSAL_TEXTS: Final = {
    RefusalReason.UNSIGNED: f"there is no {SIGNATURE_HEADER} header",
    RefusalReason.SIGNED_TWICE: f"there is more than one {SIGNATURE_HEADER} header",
    RefusalReason.MALFORMED_SIGNATURE: f"the {SIGNATURE_HEADER} header is no detached JWS of the expected form",
    RefusalReason.OTHER_TOPIC: "it was signed for another topic",
    RefusalReason.OTHER_KEY: "it was signed for another record key",
    RefusalReason.UNKNOWN_SIGNER: "trust.json has no key of that kid",
    RefusalReason.REVOKED_SIGNER: "the signing key is revoked",
    RefusalReason.SIGNER_NOT_VALID_THEN: "the signing key was not valid then",
    RefusalReason.SIGNED_IN_THE_FUTURE: "its iat is more than 300 s after the record's timestamp",
    RefusalReason.BAD_SIGNATURE: "the signature does not verify",
    RefusalReason.ROLE_MISSING: "the signing key may not do this",
}
"""For people; programs use the reason."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record without effect, and why."""

    reason: RefusalReason

    @property
    def text(self) -> str:
        """The reason in words."""
        return REFUSAL_TEXTS[self.reason]


def sign(
    value: bytes, *, topic: str, key: bytes, kid: str, private_key: Ed25519PrivateKey, issued_at: int
) -> tuple[str, bytes]:
    """Return the header to send with a record of exactly this value and key.

    ``topic`` carries no prefix; ``issued_at`` is whole seconds since the epoch.
    """
    header: dict[str, str | int] = {
        "typ": RECORD_TYP,
        "kid": kid,
        "topic": topic,
        "key": key.decode("utf-8"),
        "iat": issued_at,
    }
    return SIGNATURE_HEADER, detach(sign_jws(value, header, private_key))


def verify(
    headers: Sequence[tuple[str, bytes | None]],
    *,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    trust: Trust,
    at: int,
) -> Signer | Refusal:
    """Return who signed a record, or why it counts as unsigned.

    ``topic`` carries no prefix. ``at`` is the record's timestamp (ms since the epoch), never a wall clock, so that a
    log that is read again is judged the same. The signer's validity must cover both ``iat`` and ``at``. What the
    signer may do is for :func:`authorise`.
    """
    signatures = [content for name, content in headers if name == SIGNATURE_HEADER]
    if not signatures:
        return Refusal(RefusalReason.UNSIGNED)
    if len(signatures) > 1:
        return Refusal(RefusalReason.SIGNED_TWICE)
    try:
        token = parse(
            signatures[0] or b"",
            typ=RECORD_TYP,
            algorithms=ED25519_ALGORITHMS,
            members=_MEMBERS,
            detached_payload=value or b"",
        )
    except MalformedJwsError:
        return Refusal(RefusalReason.MALFORMED_SIGNATURE)
    if token.header["topic"] != topic:
        return Refusal(RefusalReason.OTHER_TOPIC)
    if str(token.header["key"]).encode("utf-8", "surrogatepass") != key:
        return Refusal(RefusalReason.OTHER_KEY)
    signer = trust.signer(token.kid)
    if signer is None:
        return Refusal(RefusalReason.UNKNOWN_SIGNER)
    refusal = _refuse_times(signer, int(token.header["iat"]) * _SECOND_MILLIS, at)
    if refusal is not None:
        return refusal
    return signer if verifies(token, signer.public_key) else Refusal(RefusalReason.BAD_SIGNATURE)


def _refuse_times(signer: Signer, issued: int, at: int) -> Refusal | None:
    if signer.key.state is KeyState.REVOKED:
        return Refusal(RefusalReason.REVOKED_SIGNER)
    if issued > at + FUTURE_MILLIS:
        return Refusal(RefusalReason.SIGNED_IN_THE_FUTURE)
    # A key made a moment ago on a machine whose clock runs ahead must not lose its first record: only the end is
    # asked of `at`.
    if not signer.key.valid_at(issued) or (signer.key.notAfter is not None and at >= signer.key.notAfter):
        return Refusal(RefusalReason.SIGNER_NOT_VALID_THEN)
    return None


def authorise(signer: Signer, message: Command | RegistryRecord) -> Refusal | None:
    """Return None if one of the signer's roles covers the message, else the refusal."""
    if any(signer.has_role(role) for role in roles_for(message)):
        return None
    return Refusal(RefusalReason.ROLE_MISSING)


def authorised_part(signer: Signer, message: RegistryRecord, former: RegistryRecord | None) -> RegistryRecord:
    """Return what counts of a registry record that :func:`authorise` let pass.

    Who may enrol may say everything. Who may only revoke changes a node's standing: all but revision, status, enabled,
    updatedAt and updatedBy stays as ``former`` has it, and is empty without one. Else a credential planted in a
    revocation would come into force when somebody who may enrol enables the node again.
    """
    if signer.has_role(Role.ENROL):
        return message
    kept = former or RegistryRecord(message.nodeId, message.revision, message.status, message.enabled, ())
    return msgspec.structs.replace(
        kept,
        revision=message.revision,
        status=message.status,
        enabled=message.enabled,
        updatedAt=message.updatedAt,
        updatedBy=message.updatedBy,
    )


def roles_for(message: Command | RegistryRecord) -> frozenset[Role]:
    """Return the roles of which one is needed to say this."""
    if isinstance(message, Command):
        return _COMMAND_ROLES[message.action]
    if message.status is not NodeRegistryStatus.ACTIVE:
        return frozenset({Role.REVOKE})
    if not message.enabled:
        # To enrol a node that is not enabled yet, or to disable one: neither gives anybody a capsule.
        return frozenset({Role.ENROL, Role.REVOKE})
    return frozenset({Role.ENROL})


# What loosens Kordon's hold on a node needs `release`, what tightens it `quarantine`.
_COMMAND_ROLES: Final = {
    Action.RELEASE: frozenset({Role.RELEASE}),
    Action.EXEMPT: frozenset({Role.RELEASE}),
    Action.QUARANTINE: frozenset({Role.QUARANTINE}),
    Action.UNEXEMPT: frozenset({Role.QUARANTINE}),
}
