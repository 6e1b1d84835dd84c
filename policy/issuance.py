"""Whether a capsule request is granted, or which check denies it (design.md section 6).

The issuer gathers facts; here the checks run over them in their order, and the first that fails names the denial.
Its own failures of checks 1 and 2 carry a detail for the dead letter, which the requester never sees.
"""

from hmac import compare_digest
from typing import Final

import msgspec

from policy.policy_file import Policy
from policy.scoring import NOWHERE, Source, overlay, raised_signals, score_of, signal_of
from schemas.capsules import RequestClaims
from schemas.decisions import DenialReason
from schemas.network import Network
from schemas.progress import StreamsProgress
from schemas.registry import Binding, NodeRegistryStatus, RegistryRecord
from schemas.risk import Cause, NodeStatus, RiskRow, SignalKind
from schemas.timestamp import Timestamp

_SECOND_MILLIS: Final = 1000


class IssuanceLimits(msgspec.Struct, frozen=True):
    """What counts as fresh, in milliseconds; every bound is inclusive.

    ``clock_skew_millis``: how far a request's ``iat`` may lie from the issuer's clock, either way.
    ``progress_age_millis``: the age of the worker's last progress record. ``lag_millis``: the lag it reports.
    ``lifetime_seconds``: a capsule's lifetime from ``iat``.
    """

    clock_skew_millis: int = 300_000
    progress_age_millis: int = 30_000
    lag_millis: int = 30_000
    lifetime_seconds: int = 86_400


class View(msgspec.Struct, frozen=True):
    """What the issuer has read of a node's state.

    ``caught_up``: the registry and the risk topic were read to the high watermarks taken after the request was read,
    and risk to the progress record's ``riskEnd``. ``progress`` is the co-partition's last, ``None`` if there is none.
    """

    caught_up: bool
    progress: StreamsProgress | None
    row: RiskRow | None


class Request(msgspec.Struct, frozen=True):
    """A request record as the issuer found it.

    ``claims`` is ``None`` for a malformed one. ``proof_verified`` tells of the signature under the node's enrolled
    credential. ``digest`` is the requestDigest; ``remembered_digest`` the first digest under this node and requestId
    that passed check 3 before.
    """

    claims: RequestClaims | None
    digest: str
    node: RegistryRecord | None
    binding: Binding | None
    proof_verified: bool
    remembered_digest: str | None


class Denial(msgspec.Struct, frozen=True):
    """A refusal. ``detail`` is the true reason for operators (``NODE_NOT_FOUND``, …); ``risk_score`` where computed."""

    reason: DenialReason
    detail: str
    risk_score: int | None = None


class Grant(msgspec.Struct, frozen=True):
    """A granted request: the score it was judged at, and whether its fingerprint is bound by it."""

    risk_score: int
    binds_fingerprint: bool


def decide(
    request: Request, view: View, now: Timestamp, audience: str, policy: Policy, limits: IssuanceLimits
) -> Grant | Denial:
    """Run the eight checks; ``now`` is the issuer's clock and ``audience`` this cluster's ``clusterId/prefix``."""
    claims = request.claims
    if claims is None:
        return Denial(DenialReason.MALFORMED_REQUEST, "MALFORMED_REQUEST")
    node = request.node
    authentication = _check_authentication(request, claims, audience)
    if authentication is not None or node is None:
        return authentication or Denial(DenialReason.AUTHENTICATION_FAILED, "NODE_NOT_FOUND")
    score = score_with_claims(view.row, claims.network, policy)
    return (
        _check_replay(request, claims, now, limits)
        or _check_enrolment(node)
        or _check_fingerprint(claims, node, request.binding)
        or _check_freshness(view, now, policy, limits)
        or _check_quarantine(view.row)
        or _check_network(view.row, score, now, policy)
        or Grant(score, binds_fingerprint=known_fingerprint(node, request.binding) is None)
    )


def known_fingerprint(node: RegistryRecord, binding: Binding | None) -> str | None:
    """Return the fingerprint a node must show: the enrolled one, else the one bound in the registry's epoch."""
    if node.fingerprint is not None:
        return node.fingerprint
    if binding is not None and binding.bindingEpoch == node.binding_epoch:
        return binding.fingerprint
    return None


def score_with_claims(row: RiskRow | None, claims: Network | None, policy: Policy) -> int:
    """Return a node's score with a request's claims laid over ``current``; 0 without a row."""
    if row is None:
        return 0
    signals = raised_signals(
        row.baseline or NOWHERE,
        overlay(row.current or NOWHERE, claims or NOWHERE),
        signal_of(row.signals, SignalKind.ABRUPT_STOP),
        row.signals,
        _JUDGED,
        policy,
    )
    return score_of(signals)


# Where a signal would come from does not bear on the score.
_JUDGED: Final = Source("", 0, 0, Timestamp(0))


def _check_authentication(request: Request, claims: RequestClaims, audience: str) -> Denial | None:
    if request.node is None:
        detail = "NODE_NOT_FOUND"
    elif request.node.status is NodeRegistryStatus.REMOVED:
        detail = "NODE_REMOVED"
    elif not request.proof_verified:
        detail = "PROOF_INVALID"
    elif claims.aud != audience:
        detail = "WRONG_AUDIENCE"
    else:
        return None
    return Denial(DenialReason.AUTHENTICATION_FAILED, detail)


def _check_replay(request: Request, claims: RequestClaims, now: Timestamp, limits: IssuanceLimits) -> Denial | None:
    issued = claims.iat * _SECOND_MILLIS
    # For the same bytes again too: before a clock that is behind the one that first judged them, the capsule would
    # reach further than a node believes.
    if issued - now > limits.clock_skew_millis:
        return Denial(DenialReason.REQUEST_EXPIRED, "iat is too far ahead of the issuer's clock")
    if request.remembered_digest == request.digest:
        # The same bytes passed this check before, and a retry may come late; but nobody is given an expired capsule.
        if now >= issued + limits.lifetime_seconds * _SECOND_MILLIS:
            return Denial(DenialReason.REQUEST_EXPIRED, "the capsule this request was granted has expired")
        return None
    if now - issued > limits.clock_skew_millis:
        return Denial(DenialReason.REQUEST_EXPIRED, "iat is too far behind the issuer's clock")
    if request.remembered_digest is not None:
        return Denial(DenialReason.REPLAYED_REQUEST, "the requestId was used with other bytes")
    return None


def _check_enrolment(node: RegistryRecord) -> Denial | None:
    if node.status is not NodeRegistryStatus.ACTIVE:
        return Denial(DenialReason.NODE_REVOKED, "the registry says revoked")
    if not node.enabled:
        return Denial(DenialReason.NODE_DISABLED, "the registry says not enabled")
    return None


def _check_fingerprint(claims: RequestClaims, node: RegistryRecord, binding: Binding | None) -> Denial | None:
    known = known_fingerprint(node, binding)
    if known is None or compare_digest(known, claims.fingerprint):
        return None
    return Denial(DenialReason.FINGERPRINT_MISMATCH, "not the enrolled or bound fingerprint")


def _check_freshness(view: View, now: Timestamp, policy: Policy, limits: IssuanceLimits) -> Denial | None:
    progress = view.progress
    if progress is None:
        detail = "no progress record of the worker"
    elif not view.caught_up:
        detail = "registry or risk not read to their ends in time"
    elif abs(now - progress.at) > limits.progress_age_millis:
        # A worker's clock far ahead would make its last progress look fresh long after its death.
        detail = "the worker's last progress is too old, or its clock is off"
    elif progress.lagMillis > limits.lag_millis:
        detail = "the worker lags behind"
    elif progress.policyVersion != policy.version:
        detail = "the worker scores by another policy version"
    else:
        return None
    return Denial(DenialReason.RISK_STATE_STALE, detail)


def _check_quarantine(row: RiskRow | None) -> Denial | None:
    if row is not None and row.quarantine is not None and row.quarantine.cause is Cause.OPERATOR:
        return Denial(DenialReason.NODE_QUARANTINED, "held by an operator")
    return None


def _check_network(row: RiskRow | None, score: int, now: Timestamp, policy: Policy) -> Denial | None:
    if row is not None and row.status is NodeStatus.QUARANTINED:
        held_at = row.score if row.quarantine is None else row.quarantine.score
        return Denial(DenialReason.NETWORK_POLICY_VIOLATION, "quarantined by policy", held_at)
    exempt = row is not None and row.exemptUntil is not None and now < row.exemptUntil
    if score >= policy.threshold and not exempt:
        return Denial(DenialReason.NETWORK_POLICY_VIOLATION, "the score with the request's claims", score)
    return None
