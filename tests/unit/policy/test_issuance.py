from itertools import combinations

import msgspec
import pytest

from policy.issuance import Denial, Grant, IssuanceLimits, Request, View, decide
from policy.policy_file import default_policy
from schemas.capsules import RequestClaims
from schemas.decisions import DenialReason
from schemas.network import Network
from schemas.progress import StreamsProgress
from schemas.registry import Binding, Credential, NodeRegistryStatus, RegistryRecord
from schemas.risk import Cause, NodeStatus, Quarantine, RiskRow
from schemas.timestamp import Timestamp

NOW = Timestamp.parse("2026-11-23T20:00:00Z")
AUDIENCE = "berlin/kordon."
FINGERPRINT = "ab" * 32
HOME = Network("192.0.2.10", 64500, "eu-west")
POLICY = default_policy()
LIMITS = IssuanceLimits()

CLAIMS = RequestClaims("request-00000000", "n1", NOW // 1000, AUDIENCE, FINGERPRINT, "1.0", "A" * 43, None)
NODE = RegistryRecord(
    "n1",
    1,
    NodeRegistryStatus.ACTIVE,
    enabled=True,
    credentials=(Credential("k1", publicKey="A" * 43),),
    fingerprint=FINGERPRINT,
)
ROW = RiskRow(1, "n1", NodeStatus.ACTIVE, 0, (), 3, 1, NOW, baseline=HOME, current=HOME)
PROGRESS = StreamsProgress(1, 0, NOW, {}, 12, (), 0, 0, 1)
GOOD_REQUEST = Request(CLAIMS, "d1", NODE, None, proof_verified=True, remembered_digest=None)
GOOD_VIEW = View(caught_up=True, progress=PROGRESS, row=ROW)

replace = msgspec.structs.replace


def decided(request: Request = GOOD_REQUEST, view: View = GOOD_VIEW, now: int = NOW) -> Grant | Denial:
    return decide(request, view, Timestamp(now), AUDIENCE, POLICY, LIMITS)


def reason(request: Request = GOOD_REQUEST, view: View = GOOD_VIEW, now: int = NOW) -> DenialReason | None:
    outcome = decided(request, view, now)
    return outcome.reason if isinstance(outcome, Denial) else None


def held(cause: Cause, score: int = 90) -> RiskRow:
    quarantine = Quarantine("0" * 32, NOW, cause, score)
    return replace(ROW, status=NodeStatus.QUARANTINED, quarantine=quarantine)


Facts = tuple[Request, View]


def malformed(facts: Facts) -> Facts:
    return replace(facts[0], claims=None), facts[1]


def unknown(facts: Facts) -> Facts:
    return replace(facts[0], proof_verified=False), facts[1]


def expired(facts: Facts) -> Facts:
    claims = facts[0].claims
    return replace(facts[0], claims=claims and replace(claims, iat=claims.iat - 301)), facts[1]


def replayed(facts: Facts) -> Facts:
    return replace(facts[0], remembered_digest="other"), facts[1]


def revoked(facts: Facts) -> Facts:
    return replace(facts[0], node=replace(NODE, status=NodeRegistryStatus.REVOKED)), facts[1]


def disabled(facts: Facts) -> Facts:
    return replace(facts[0], node=replace(NODE, enabled=False)), facts[1]


def mismatched(facts: Facts) -> Facts:
    return replace(facts[0], node=replace(NODE, fingerprint="cd" * 32)), facts[1]


def stale(facts: Facts) -> Facts:
    return facts[0], replace(facts[1], caught_up=False)


def held_by_operator(facts: Facts) -> Facts:
    return facts[0], replace(facts[1], row=held(Cause.OPERATOR))


def roaming(facts: Facts) -> Facts:
    claims = facts[0].claims
    return replace(facts[0], claims=claims and replace(claims, network=Network(asn=1, region="us-east"))), facts[1]


IN_ORDER = [
    (malformed, DenialReason.MALFORMED_REQUEST),
    (unknown, DenialReason.AUTHENTICATION_FAILED),
    (expired, DenialReason.REQUEST_EXPIRED),
    (replayed, DenialReason.REPLAYED_REQUEST),
    (revoked, DenialReason.NODE_REVOKED),
    (disabled, DenialReason.NODE_DISABLED),
    (mismatched, DenialReason.FINGERPRINT_MISMATCH),
    (stale, DenialReason.RISK_STATE_STALE),
    (held_by_operator, DenialReason.NODE_QUARANTINED),
    (roaming, DenialReason.NETWORK_POLICY_VIOLATION),
]


def test_the_order_of_the_checks_is_the_order_of_the_reasons() -> None:
    assert [expected for _, expected in IN_ORDER] == list(DenialReason)


@pytest.mark.parametrize(("spoil", "expected"), IN_ORDER, ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_failing_check_alone_names_its_denial(spoil: object, expected: DenialReason) -> None:
    assert callable(spoil)
    assert reason(*spoil((GOOD_REQUEST, GOOD_VIEW))) is expected


@pytest.mark.parametrize(
    ("earlier", "later"),
    list(combinations(IN_ORDER, 2)),
    ids=lambda pair: pair[0].__name__ if isinstance(pair, tuple) else "",
)
def test_of_two_failing_checks_the_earlier_names_the_denial(
    earlier: tuple[object, DenialReason], later: tuple[object, DenialReason]
) -> None:
    (spoil_first, expected), (spoil_second, _) = earlier, later
    assert callable(spoil_first)
    assert callable(spoil_second)
    assert reason(*spoil_first(spoil_second((GOOD_REQUEST, GOOD_VIEW)))) is expected


def test_a_request_that_passes_all_checks_is_granted() -> None:
    assert decided() == Grant(risk_score=0, binds_fingerprint=False)


def test_a_node_without_a_row_has_score_0() -> None:
    assert decided(view=replace(GOOD_VIEW, row=None)) == Grant(0, binds_fingerprint=False)
    request, view = roaming((GOOD_REQUEST, replace(GOOD_VIEW, row=None)))
    assert decided(request, view) == Grant(0, binds_fingerprint=False)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"node": None}, "NODE_NOT_FOUND"),
        ({"node": replace(NODE, status=NodeRegistryStatus.REMOVED)}, "NODE_REMOVED"),
        ({"proof_verified": False}, "PROOF_INVALID"),
        ({"claims": replace(CLAIMS, aud="paris/kordon.")}, "WRONG_AUDIENCE"),
        ({"claims": replace(CLAIMS, aud="berlin/kordon")}, "WRONG_AUDIENCE"),
    ],
)
def test_what_authentication_lacked_is_told_to_operators_alone(changes: dict[str, object], detail: str) -> None:
    outcome = decided(replace(GOOD_REQUEST, **changes))
    assert outcome == Denial(DenialReason.AUTHENTICATION_FAILED, detail)


@pytest.mark.parametrize(
    ("offset_millis", "granted"), [(-300_001, False), (-300_000, True), (300_000, True), (300_001, False)]
)
def test_iat_may_lie_300_seconds_off_and_no_millisecond_more(offset_millis: int, granted: bool) -> None:
    view = replace(GOOD_VIEW, progress=replace(PROGRESS, at=Timestamp(NOW + offset_millis)))
    assert reason(view=view, now=NOW + offset_millis) is (None if granted else DenialReason.REQUEST_EXPIRED)


def test_the_same_bytes_again_pass_check_3_until_their_capsule_has_expired() -> None:
    again = replace(GOOD_REQUEST, remembered_digest="d1")
    assert (
        reason(again, replace(GOOD_VIEW, progress=replace(PROGRESS, at=Timestamp(NOW + 3_600_000))), NOW + 3_600_000)
        is None
    )
    assert reason(again, now=NOW + 86_400_000) is DenialReason.REQUEST_EXPIRED
    assert reason(replace(again, node=replace(NODE, enabled=False))) is DenialReason.NODE_DISABLED


def test_the_same_bytes_again_are_denied_by_a_clock_that_is_too_far_behind_the_first_judges() -> None:
    again = replace(GOOD_REQUEST, remembered_digest="d1")
    behind = NOW - 300_000
    view = replace(GOOD_VIEW, progress=replace(PROGRESS, at=Timestamp(behind)))
    assert reason(again, view, behind) is None
    assert reason(again, view, behind - 1) is DenialReason.REQUEST_EXPIRED


@pytest.mark.parametrize(
    ("progress", "fresh"),
    [
        (None, False),
        (replace(PROGRESS, at=Timestamp(NOW - 30_000)), True),
        (replace(PROGRESS, at=Timestamp(NOW - 30_001)), False),
        (replace(PROGRESS, at=Timestamp(NOW + 30_001)), False),
        (replace(PROGRESS, lagMillis=30_000), True),
        (replace(PROGRESS, lagMillis=30_001), False),
        (replace(PROGRESS, policyVersion=2), False),
    ],
)
def test_a_stale_or_foreign_view_denies(progress: StreamsProgress | None, fresh: bool) -> None:
    outcome = reason(view=replace(GOOD_VIEW, progress=progress))
    assert outcome is (None if fresh else DenialReason.RISK_STATE_STALE)


def test_a_fingerprint_is_the_enrolled_one_else_the_bound_one_of_the_same_epoch_else_is_bound_now() -> None:
    unbound = replace(NODE, fingerprint=None)
    bound = Binding("n1", "cd" * 32, 0, NOW)
    assert decided(replace(GOOD_REQUEST, node=unbound)) == Grant(0, binds_fingerprint=True)
    assert reason(replace(GOOD_REQUEST, node=unbound, binding=bound)) is DenialReason.FINGERPRINT_MISMATCH
    assert decided(replace(GOOD_REQUEST, node=unbound, binding=replace(bound, fingerprint=FINGERPRINT))) == Grant(
        0, binds_fingerprint=False
    )
    next_epoch = replace(unbound, bindingEpoch=1)
    assert decided(replace(GOOD_REQUEST, node=next_epoch, binding=bound)) == Grant(0, binds_fingerprint=True)
    assert reason(replace(GOOD_REQUEST, binding=bound)) is None


def test_a_policy_quarantine_denies_with_the_quarantines_score_even_when_exempt_or_back_home() -> None:
    row = replace(held(Cause.POLICY), exemptUntil=Timestamp(NOW + 1000))
    outcome = decided(view=replace(GOOD_VIEW, row=row))
    assert isinstance(outcome, Denial)
    assert (outcome.reason, outcome.risk_score) == (DenialReason.NETWORK_POLICY_VIOLATION, 90)


def test_claims_at_the_threshold_deny_with_the_computed_score_unless_exempt_by_the_issuers_clock() -> None:
    request, view = roaming((GOOD_REQUEST, GOOD_VIEW))
    assert decided(request, view) == Denial(
        DenialReason.NETWORK_POLICY_VIOLATION, "the score with the request's claims", 90
    )
    exempt = replace(view, row=replace(ROW, exemptUntil=Timestamp(NOW + 1)))
    assert decided(request, exempt) == Grant(90, binds_fingerprint=False)
    assert isinstance(decided(request, replace(view, row=replace(ROW, exemptUntil=NOW))), Denial)


def test_claims_below_the_threshold_are_granted_with_their_score() -> None:
    claims = replace(CLAIMS, network=Network(ip="192.0.2.11", asn=64501))
    assert decided(replace(GOOD_REQUEST, claims=claims)) == Grant(60, binds_fingerprint=False)
