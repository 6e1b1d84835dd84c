"""Claims about kordon/client/verifier.py: a capsule is accepted from its holder alone, and each refusal has a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kordon.client import CapsuleRefusedError, CapsuleVerifier, Ed25519Credential, OtherServiceError, Possession
from kordon.client import refusals as refused
from kordon.client.risk_rows import StaleRowsError
from schemas.capsules import REQUEST_TYP
from schemas.risk import NodeStatus, RiskRow
from schemas.timestamp import Timestamp
from schemas.trust import KeyState, Role
from tests.unit.transport.envelopes import (
    CAPSULE_ID,
    EXPIRES,
    NODE,
    NOW,
    OPERATOR,
    TRUST,
    capsule_claims,
    denial_claims,
    signed,
    trust_with,
)
from transport.envelopes import FAULT_TEXTS, EnvelopeFault
from transport.trust import Trust

SERVICE = "payments"
HOLDER = Ed25519Credential("1", NODE)
THIEF = Ed25519Credential("1", OPERATOR)


def verifier(
    trust: Trust = TRUST,
    *,
    at: float = NOW,
    prefix: str = "kordon.",
    row_of: Callable[[str], RiskRow | None] | None = None,
) -> CapsuleVerifier:
    return CapsuleVerifier(trust, prefix, service=SERVICE, row_of=row_of, clock=lambda: at)


def verified(
    envelope: str, by: CapsuleVerifier, holder: Ed25519Credential = HOLDER, node_id: str | None = None
) -> object:
    challenge = by.new_challenge()
    possession = holder.prove_possession(CAPSULE_ID, challenge, service=SERVICE)
    return by.verify(envelope, challenge, possession, node_id=node_id)


def row(valid_from: int | None) -> RiskRow:
    return RiskRow(1, "node-1", NodeStatus.ACTIVE, 0, (), 9, 1, Timestamp(NOW * 1000), capsulesValidFrom=valid_from)


def test_a_capsule_shown_by_its_holder_is_accepted() -> None:
    assert verified(signed(capsule := capsule_claims()), verifier()) == capsule


REFUSED: list[tuple[type[CapsuleRefusedError], str, CapsuleVerifier]] = [
    (refused.NoCapsuleError, "nothing", verifier()),
    (refused.NoCapsuleError, signed(denial_claims()), verifier()),
    (refused.NoCapsuleError, signed(capsule_claims(), typ=REQUEST_TYP), verifier()),
    (refused.NoCapsuleError, signed(b'{"denied":false}'), verifier()),
    (refused.UnknownSignerError, signed(capsule_claims(), kid="nobody"), verifier()),
    (refused.SignerNotAnIssuerError, signed(capsule_claims(), kid="operator", key=OPERATOR), verifier()),
    (refused.SignerRevokedError, signed(capsule_claims()), verifier(trust_with(KeyState.REVOKED))),
    (refused.SignerNotAnIssuerError, signed(capsule_claims()), verifier(trust_with(role=Role.RELEASE))),
    (refused.SignerNotValidError, signed(capsule_claims()), verifier(trust_with(after=EXPIRES - 1))),
    (refused.BadSignatureError, signed(capsule_claims(), key=OPERATOR), verifier()),
    (refused.OtherIssuerError, signed(capsule_claims(iss="another")), verifier()),
    (refused.OtherAudienceError, signed(capsule_claims()), verifier(prefix="another.")),
    (refused.IssuedInTheFutureError, signed(capsule_claims()), verifier(at=NOW - 301)),
    (refused.ExpiredError, signed(capsule_claims()), verifier(at=EXPIRES)),
    (refused.LifetimeError, signed(capsule_claims(exp=EXPIRES + 1)), verifier()),
    (refused.NotBoundError, signed(capsule_claims(cnf=None)), verifier()),
    (refused.VoidError, signed(capsule_claims(riskRevision=5)), verifier(row_of=lambda _: row(6))),
]


@pytest.mark.parametrize(
    ("error", "envelope", "by"), REFUSED, ids=[f"{n}-{r[0].__name__}" for n, r in enumerate(REFUSED)]
)
def test_each_reason_to_refuse_is_an_error_of_its_own(
    error: type[CapsuleRefusedError], envelope: str, by: CapsuleVerifier
) -> None:
    with pytest.raises(CapsuleRefusedError) as caught:
        verified(envelope, by)
    assert type(caught.value) is error


def test_every_fault_that_a_verifier_can_meet_has_its_error_and_its_text() -> None:
    own_request = {EnvelopeFault.OTHER_REQUEST, EnvelopeFault.OTHER_HOLDER, EnvelopeFault.KEY_NOT_CONFIRMED}

    assert set(refused.REFUSALS) == set(EnvelopeFault) - own_request
    malformed = {EnvelopeFault.MALFORMED, EnvelopeFault.MALFORMED_CLAIMS}
    for fault in set(refused.REFUSALS) - malformed:
        assert str(refused.REFUSALS[fault]()) == FAULT_TEXTS[fault]


def test_a_capsule_of_another_node_than_the_one_expected_is_refused() -> None:
    with pytest.raises(refused.OtherNodeError):
        verified(signed(capsule_claims()), verifier(), node_id="node-2")


def test_whoever_has_only_seen_the_capsule_is_refused() -> None:
    with pytest.raises(refused.PossessionNotProvenError):
        verified(signed(capsule_claims()), verifier(), THIEF)


def test_a_proof_counts_for_its_challenge_alone() -> None:
    by = verifier()
    earlier = HOLDER.prove_possession(CAPSULE_ID, by.new_challenge(), service=SERVICE)
    with pytest.raises(refused.PossessionNotProvenError):
        by.verify(signed(capsule_claims()), by.new_challenge(), earlier)


def test_the_thiefs_proof_beside_the_holders_key_is_refused() -> None:
    by = verifier()
    challenge = by.new_challenge()
    stolen = THIEF.prove_possession(CAPSULE_ID, challenge, service=SERVICE).proof
    with pytest.raises(refused.PossessionNotProvenError):
        by.verify(signed(capsule_claims()), challenge, Possession(HOLDER.public_key, stolen))


@pytest.mark.parametrize("possession", [Possession("", ""), Possession("A" * 43, "é.."), Possession("!" * 43, "a..b")])
def test_what_is_no_proof_is_refused(possession: Possession) -> None:
    by = verifier()
    with pytest.raises(refused.PossessionNotProvenError):
        by.verify(signed(capsule_claims()), by.new_challenge(), possession)


def test_a_challenge_of_another_service_is_not_signed_so_none_can_be_passed_on() -> None:
    dishonest = CapsuleVerifier(TRUST, "kordon.", service="games")
    with pytest.raises(OtherServiceError):
        HOLDER.prove_possession(CAPSULE_ID, verifier().new_challenge(), service="games")
    with pytest.raises(ValueError, match="none that this service drew"):
        verifier().verify(signed(capsule_claims()), dishonest.new_challenge(), Possession("", ""))


@pytest.mark.parametrize("valid_from", [None, 4, 5])
def test_a_capsule_judged_at_or_after_the_latest_quarantine_counts(valid_from: int | None) -> None:
    verified(signed(capsule_claims(riskRevision=5)), verifier(row_of=lambda _: row(valid_from)))


def test_a_node_without_a_row_was_never_quarantined() -> None:
    verified(signed(capsule_claims()), verifier(row_of=lambda _: None))


def test_when_nobody_can_say_how_the_node_stands_nothing_is_accepted() -> None:
    def nobody_knows(_: str) -> Any:
        raise StaleRowsError("the risk rows were last up to date 31 s ago")

    with pytest.raises(StaleRowsError):
        verified(signed(capsule_claims()), verifier(row_of=nobody_knows))


def test_without_asking_for_a_proof_everything_else_still_counts() -> None:
    by = verifier(row_of=lambda _: row(6))
    with pytest.raises(refused.VoidError):
        by.verify_unproven(signed(capsule_claims(cnf=None, riskRevision=5)))
    assert by.verify_unproven(signed(capsule_claims(cnf=None, riskRevision=6))).cnf is None
