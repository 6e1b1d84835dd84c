"""Claims about the demo's words: what came of a step, as the scenario spells it."""

from __future__ import annotations

import pytest

from kordon.client import Capsule, Denial
from kordon.demo.director import words_of_answer, words_of_row
from kordon.demo.narration import Narrator, Outcome, kind_of
from kordon.demo.scenario import SCENARIO
from schemas.decisions import DenialReason
from schemas.risk import Cause, NodeStatus, Quarantine, RiskRow
from schemas.timestamp import Timestamp

AT = Timestamp.parse("2026-11-24T00:00:00Z")


def row(score: int, quarantine: Quarantine | None = None) -> RiskRow:
    status = NodeStatus.ACTIVE if quarantine is None else NodeStatus.QUARANTINED
    return RiskRow(1, "node", status, score, (), 1, 1, AT, quarantine=quarantine)


def denial(reason: DenialReason, risk_score: int | None = None) -> Denial:
    return Denial(reason, "node", "id", risk_score, None, 1, "envelope")


def capsule(risk_score: int) -> Capsule:
    return Capsule("id", "node", "request", AT, bytes(32), "1", "m", None, risk_score, 1, 1, "envelope")


def outcome(expected: str, actual: str) -> Outcome:
    return Outcome("kind", "act", "amber does something", expected, actual, 0.1)


def test_an_active_row_is_its_score() -> None:
    assert words_of_row(row(20)) == "active 20"


def test_a_held_row_is_the_score_and_cause_of_its_quarantine_whatever_its_score_is_now() -> None:
    assert words_of_row(row(0, Quarantine("id", AT, Cause.POLICY, 90))) == "quarantined at 90 by policy"


def test_a_capsule_is_its_risk() -> None:
    assert words_of_answer(capsule(20)) == "capsule, risk 20"


@pytest.mark.parametrize("reason", DenialReason)
def test_a_denial_is_its_reason_and_for_the_network_its_risk(reason: DenialReason) -> None:
    expected = reason.value + (", risk 90" if reason is DenialReason.NETWORK_POLICY_VIOLATION else "")

    assert words_of_answer(denial(reason, 90)) == expected


def test_every_step_is_counted_under_a_kind_and_every_denial_under_its_own() -> None:
    kinds = {kind_of(step) for act in SCENARIO for step in act.steps}

    assert {kind.removeprefix("denied: ") for kind in kinds if kind.startswith("denied")} == set(DenialReason)


def test_a_missed_expectation_is_told_with_what_was_expected(capsys: pytest.CaptureFixture[str]) -> None:
    Narrator(silent=False).outcome(outcome("active 0", "active 20"))

    line = capsys.readouterr().out
    assert line.startswith("   ✗ amber does something")
    assert line.endswith("active 20   (expected: active 0)\n")


def test_the_summary_counts_what_was_missed(capsys: pytest.CaptureFixture[str]) -> None:
    Narrator(silent=False).summary([outcome("a", "a"), outcome("a", "b")], 12.3)

    told = capsys.readouterr().out
    assert "kind     2         1" in told
    assert "1 of 2 outcomes were not as expected (12 s)." in told


def test_a_silent_narrator_says_nothing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    narrator = Narrator(silent=True)
    narrator.stage("broker")
    narrator.act(1, SCENARIO[0])
    narrator.outcome(outcome("a", "b"))
    narrator.summary([outcome("a", "b")], 1.0)

    assert capsys.readouterr().out == ""


def test_a_narrator_makes_no_pauses_where_nobody_reads() -> None:
    assert Narrator(silent=False).pause_seconds == 0
