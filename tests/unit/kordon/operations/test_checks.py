"""Verdicts: what is well, what is to be looked at, what has failed."""

from __future__ import annotations

import msgspec
import pytest

from issuer.key_ring import KeyRing
from kordon.new_keys import OPERATOR_ROLES
from kordon.operations.checks import (
    SOON_MILLIS,
    Verdict,
    judge_dead_letters,
    judge_ledger,
    judge_policy,
    judge_progress,
    judge_signing_key,
    judge_trust,
)
from kordon.operations.lag import CopartitionLag
from kordon.operations.letters import Count
from schemas.timestamp import Timestamp
from schemas.trust import KeyState, Role, TrustDocument, TrustedKey
from transport.key_files import generate_signing_key

NOW = 1_800_000_000_000
OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


def document(*operators: TrustedKey, issuer_until: int | None = None) -> TrustDocument:
    ring = KeyRing.generate("1", not_after=None if issuer_until is None else Timestamp(issuer_until))
    return ring.trust_document("c", "i", operators)


def operator(**fields: object) -> TrustedKey:
    key = TrustedKey("alice", generate_signing_key("alice").public_key_text, OPERATOR_ROLES, KeyState.ACTIVE)
    return msgspec.structs.replace(key, **fields)


@pytest.mark.parametrize(
    ("trust", "verdict", "told"),
    [
        (document(operator()), OK, "none ends soon"),
        (document(operator(notAfter=Timestamp(NOW + SOON_MILLIS))), OK, "none ends soon"),
        (document(operator(notAfter=Timestamp(NOW + SOON_MILLIS - 1))), WARNING, "alice ends at 20"),
        (document(operator(notAfter=Timestamp(NOW))), WARNING, "nobody may enrol, revoke, quarantine, release now"),
        (document(operator(), operator(kid="old", notAfter=Timestamp(NOW))), WARNING, "old ended at 20"),
        (document(operator(), operator(kid="old", notAfter=Timestamp(5), state=KeyState.RETIRED)), OK, "none ends"),
        (document(operator(roles=(Role.ENROL,))), WARNING, "nobody may revoke, quarantine, release now"),
        (document(operator(state=KeyState.REVOKED)), WARNING, "nobody may enrol"),
        (document(operator(), issuer_until=NOW), FAILED, "none may issue now"),
        (document(operator(), issuer_until=NOW + 1), WARNING, "issuer-1 ends at 20"),
    ],
)
def test_trust_is_judged_by_the_roles_that_count_now_and_by_what_ends_soon(
    trust: TrustDocument, verdict: Verdict, told: str
) -> None:
    check = judge_trust("trust.json", trust, NOW)

    assert check.verdict is verdict
    assert told in check.found
    assert (check.remedy is None) == (verdict is OK)


@pytest.mark.parametrize(("until", "verdict"), [(None, OK), (NOW + SOON_MILLIS, OK), (NOW + SOON_MILLIS - 1, WARNING)])
def test_a_signing_key_that_ends_soon_is_told_of(until: int | None, verdict: Verdict) -> None:
    (key,) = KeyRing.generate("1", not_after=None if until is None else Timestamp(until)).signing

    assert judge_signing_key("key ring", key, NOW).verdict is verdict


def lag(stale: str | None = None, at: int | None = NOW, millis: int | None = 0) -> CopartitionLag:
    return CopartitionLag("worker", 3, at, 500, millis, {}, stale)


@pytest.mark.parametrize(
    ("lags", "verdict", "told"),
    [
        ([lag(), lag(millis=4_000)], OK, "2 co-partitions, the oldest progress 0.5 s old, lag at most 4.0 s"),
        ([lag(), lag("it lags")], FAILED, "1 of 2 co-partitions are stale: of 3, it lags"),
        ([lag("none", at=None), lag("none", at=None)], FAILED, "never"),
        ([lag(), lag("none", at=None)], FAILED, "1 of 2"),
        ([], FAILED, "never"),
    ],
)
def test_one_stale_copartition_is_a_failure(lags: list[CopartitionLag], verdict: Verdict, told: str) -> None:
    check = judge_progress("worker", lags)

    assert check.verdict is verdict
    assert told in check.found


@pytest.mark.parametrize(
    ("in_progress", "configured", "verdict"),
    [({1}, 1, OK), ({1}, 2, FAILED), ({1, 2}, 1, FAILED), (set(), 1, OK)],
)
def test_all_go_by_one_policy_or_it_is_a_failure(in_progress: set[int], configured: int, verdict: Verdict) -> None:
    assert judge_policy(in_progress, {"worker": configured, "issuer": 1}).verdict is verdict


def test_dead_letters_that_were_not_replayed_are_a_warning_that_names_the_most_frequent() -> None:
    counts = {("a.dlq", "KeyMismatch"): Count(2, 2), ("a.dlq", "DecodeError"): Count(5, 1)}

    check = judge_dead_letters(counts)
    assert (check.verdict, check.found) == (WARNING, "4 in the last hour: 4 DecodeError on a.dlq")
    assert judge_dead_letters({("a.dlq", "KeyMismatch"): Count(2, 2)}).verdict is OK
    assert judge_dead_letters({}).verdict is OK


@pytest.mark.parametrize(
    ("exists", "writer", "lags", "verdict"),
    [
        (False, None, [], OK),
        (True, 1, [lag()], OK),
        (True, None, [lag()], OK),
        (True, 1, [lag("it lags", millis=60_000)], WARNING),
        (True, None, [lag("it lags", millis=60_000)], WARNING),
    ],
)
def test_a_ledger_that_is_behind_is_a_warning(
    exists: bool, writer: int | None, lags: list[CopartitionLag], verdict: Verdict
) -> None:
    assert judge_ledger(exists, writer, lags).verdict is verdict
