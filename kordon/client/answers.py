"""What the issuer answers: a capsule that was verified and opened, or a denial that was verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.decisions import DenialReason
    from schemas.timestamp import Timestamp


@dataclass(frozen=True)
class Capsule:
    """A granted capsule: the issuer's signature, the request it answers and the key were all checked.

    ``expires_at`` is exclusive. ``runtime_key`` is 32 bytes, the same for the same node, fingerprint, runtime version
    and master secret; it is in no repr. ``envelope`` is the signed JWS to show to verifiers, which holds it sealed.
    """

    capsule_id: str
    node_id: str
    request_id: str
    expires_at: Timestamp
    runtime_key: bytes = field(repr=False)
    runtime_version: str
    master_id: str
    service_principal: str | None
    risk_score: int
    risk_revision: int
    policy_version: int
    envelope: str = field(repr=False)


@dataclass(frozen=True)
class Denial:
    """A denied request: the issuer's signature and the request it answers were checked.

    ``risk_score`` and ``risk_revision`` are None where the denial was decided before risk was looked at.
    ``retry_after_seconds`` is advice that nobody signed.
    """

    reason: DenialReason
    node_id: str | None
    request_id: str | None
    risk_score: int | None
    risk_revision: int | None
    policy_version: int
    envelope: str = field(repr=False)
    retry_after_seconds: int | None = None
