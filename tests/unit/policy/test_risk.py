"""What the shared cases do not show: evidence, times, policy versions, and the corners between the rules."""

from typing import Any

import msgspec

from policy.admission import Rejection, RejectionRule
from policy.policy_file import default_policy
from policy.risk import LATE
from schemas.network import Network
from schemas.quarantine import transition_id
from schemas.risk import Cause, Evidence, LastCapsule, NodeStatus, SignalKind
from schemas.timestamp import Timestamp
from tests.unit.policy.fleet_records import START, Story, at, command, decision, report, seen

HOME: Any = {"ip": "192.0.2.10", "asn": 64500, "region": "eu-west"}
AWAY: Any = {"asn": 64501, "region": "us-east"}


def instant(second: float) -> Timestamp:
    return Timestamp.parse(at(second))


def test_a_transition_says_when_why_and_on_what_evidence() -> None:
    story = Story().tell(seen(0, **HOME), seen(10, **AWAY, arrives=11))
    (transition,) = story.transitions
    assert transition.at == instant(11)
    assert (transition.threshold, transition.policyVersion, transition.revision) == (80, 1, 2)
    assert transition.transitionId == transition_id("n1", 2)
    assert transition.actor is None
    assert [(s.kind, s.points, s.from_, s.to) for s in transition.signals] == [
        (SignalKind.ASN_CHANGED, 40, 64500, 64501),
        (SignalKind.REGION_CHANGED, 50, "eu-west", "us-east"),
    ]
    assert {s.evidence for s in transition.signals} == {Evidence("node.network.v1", 0, 1)}
    quarantine = story.row().quarantine
    assert quarantine is not None
    assert (quarantine.since, quarantine.cause, quarantine.score) == (instant(11), Cause.POLICY, 90)
    assert quarantine.transitionId == transition.transitionId


def test_a_signal_keeps_its_time_and_evidence_until_its_value_changes() -> None:
    story = Story().tell(seen(0, **HOME), seen(10, asn=64501), seen(20, asn=64501, ip="192.0.2.11"))
    ip, asn = story.row().signals
    assert (asn.raisedAt, asn.evidence.offset) == (instant(10), 1)
    assert (ip.raisedAt, ip.evidence.offset) == (instant(20), 2)
    (_, moved_on) = story.tell(seen(30, asn=64502)).row().signals
    assert (moved_on.raisedAt, moved_on.evidence.offset, moved_on.to) == (instant(30), 3, 64502)


def test_an_abrupt_stop_names_the_boots_and_a_further_one_is_a_new_signal() -> None:
    story = Story().tell(report(0, True, bootId="b1"), report(10, False, bootId="b2"))
    (signal,) = story.row().signals
    assert (signal.kind, signal.from_, signal.to) == (SignalKind.ABRUPT_STOP, "b1", "b2")
    (again,) = story.tell(report(20, False, bootId="b3")).row().signals
    assert (again.from_, again.to, again.raisedAt) == ("b2", "b3", instant(20))


def test_the_operators_name_and_reason_stand_on_the_transitions_they_caused() -> None:
    story = Story().tell(seen(0, **HOME), command(5, "quarantine"), command(10, "release"))
    assert [(t.actor, t.reason, t.cause) for t in story.transitions] == [
        ("ops@example.org", "checked on site", Cause.OPERATOR)
    ] * 2
    assert story.row().capsulesValidFrom == 2
    assert story.row().baselineRevision == 3


def test_an_order_is_obeyed_however_long_its_reason_is_and_the_transition_carries_its_beginning() -> None:
    story = Story().tell(
        seen(0, **HOME), command(5, "quarantine", reason="r" * 500_000), command(6, "release", reason="")
    )
    assert [transition.reason for transition in story.transitions] == ["r" * 1024, ""]


def test_an_operator_who_takes_over_keeps_when_and_why_the_node_was_held() -> None:
    story = Story().tell(seen(0, **HOME), seen(10, **AWAY))
    before = story.row().quarantine
    after = story.tell(command(20, "quarantine")).row().quarantine
    assert before is not None
    assert after == msgspec.structs.replace(before, cause=Cause.OPERATOR)


def test_a_newer_policy_applies_to_a_row_from_its_next_record_of_any_kind() -> None:
    story = Story().tell(seen(0, **HOME), seen(10, asn=64501, ip="192.0.2.11"))
    assert (story.row().score, story.row().policyVersion) == (60, 1)
    stricter = msgspec.structs.replace(default_policy(), version=2, threshold=60)
    successor = Story(stricter)
    successor.fleet.put(story.row())
    successor.tell(seen(20, asn=64501))
    assert successor.row().policyVersion == 2
    assert successor.row().status is NodeStatus.QUARANTINED
    assert successor.transitions[0].threshold == 60


def test_points_of_a_standing_signal_follow_the_policy() -> None:
    story = Story().tell(report(0, False, bootId="b1"), seen(1, **HOME), seen(2, asn=64501))
    dearer = msgspec.structs.replace(default_policy(), version=2)
    dearer = msgspec.structs.replace(dearer, points=msgspec.structs.replace(dearer.points, abruptStop=7, asnChanged=9))
    successor = Story(dearer)
    successor.fleet.put(story.row())
    assert successor.tell(report(3, False, bootId="b1")).row().score == 16


def test_an_exemption_holds_to_the_millisecond_before_its_end() -> None:
    story = Story().tell(seen(0, **HOME), command(1, "exempt", expiresAt=at(60)))
    assert story.tell(seen(50, **AWAY, arrives=59.999)).row().status is NodeStatus.ACTIVE
    assert story.row().exemptUntil == instant(60)
    assert story.tell(report(55, True, arrives=60)).row().status is NodeStatus.QUARANTINED
    assert story.row().exemptUntil is None


def test_a_late_record_past_its_end_does_not_end_an_exemption() -> None:
    story = Story().tell(seen(50, **HOME), command(51, "exempt", expiresAt=at(60)), seen(40, **AWAY, arrives=70))
    assert story.outcomes[-1] is LATE
    assert story.row().exemptUntil == instant(60)


def test_a_release_keeps_the_exemption_and_an_ended_one_is_not_kept() -> None:
    story = Story().tell(seen(0, **HOME), command(1, "exempt", expiresAt=at(60)), command(2, "release"))
    assert story.row().exemptUntil == instant(60)
    assert story.tell(command(61, "release")).row().exemptUntil is None


def test_an_ended_exemption_may_be_renewed_by_the_record_that_ends_it() -> None:
    story = Story().tell(seen(0, **HOME), command(1, "exempt", expiresAt=at(60)), seen(10, **AWAY))
    story.tell(command(60, "exempt", expiresAt=at(120)))
    assert (story.row().status, story.row().exemptUntil) == (NodeStatus.ACTIVE, instant(120))


def test_claims_quarantine_with_their_score_and_the_decision_as_evidence() -> None:
    story = Story().tell(
        seen(0, **HOME), decision(10, True, 1, reason="NETWORK_POLICY_VIOLATION", claims=AWAY, current=HOME)
    )
    (transition,) = story.transitions
    assert transition.score == 90
    assert {s.evidence.topic for s in transition.signals} == {"capsule.decisions.v1"}
    row = story.row()
    assert (row.score, row.signals, row.current) == (0, (), Network(**HOME))
    assert row.quarantine is not None
    assert row.quarantine.score == 90


def test_claims_add_to_an_abrupt_stop_and_to_what_is_raised_already() -> None:
    lenient = msgspec.structs.replace(default_policy(), threshold=150)
    story = Story(lenient).tell(seen(0, **HOME), report(1, False, bootId="b1"), seen(2, asn=64501))
    assert story.row().score == 120
    story.tell(decision(10, True, 3, reason="NETWORK_POLICY_VIOLATION", claims={"region": "us-east"}))
    assert [transition.score for transition in story.transitions] == [170]
    assert [s.evidence.topic for s in story.transitions[0].signals] == [
        "node.network.v1",
        "capsule.decisions.v1",
        "node.telemetry.v1",
    ]


def test_a_granted_decision_is_remembered_as_the_last_capsule_unless_it_is_moot() -> None:
    capsule = {"capsuleId": "0" * 32, "expiresUtc": "2026-11-24T20:00:10Z"}
    story = Story().tell(seen(0, **HOME), decision(10, False, 1, current=HOME, **capsule))
    assert story.row().lastCapsule == LastCapsule(**capsule)
    assert story.row().baselineRevision == 2
    moot = capsule | {"capsuleId": "1" * 32}
    assert story.tell(decision(20, False, 1, current=HOME, **moot)).row().lastCapsule == LastCapsule(**capsule)


def test_a_first_decision_command_or_report_makes_a_row() -> None:
    for first in (decision(1, True, 0), command(1, "quarantine"), command(1, "release"), report(1, True)):
        row = Story().tell(first).row()
        assert (row.revision, row.schemaVersion, row.updatedAt) == (1, 1, instant(1))


def test_rejections_name_the_rule_and_what_to_do() -> None:
    story = Story().tell(seen(301, arrives=0, **HOME), command(10, "quarantine", expiresAt=at(10)))
    future, expired = story.outcomes
    assert isinstance(future, Rejection)
    assert future.rule is RejectionRule.FROM_THE_FUTURE
    assert "clock" in future.reason
    assert isinstance(expired, Rejection)
    assert expired.rule is RejectionRule.EXPIRED_COMMAND


def test_a_record_without_a_usable_timestamp_is_rejected() -> None:
    good = seen(0, **HOME)
    for timestamp in (-1, Timestamp.LATEST + 1):
        outcome = Story().fleet.fold(good.topic, 0, 0, timestamp, good.key, good.value)
        assert isinstance(outcome, Rejection)
        assert outcome.rule is RejectionRule.UNUSABLE_TIMESTAMP


def test_a_key_is_its_node_id_in_bytes_or_text() -> None:
    good = seen(0, **HOME)
    for key, accepted in ((b"n1", True), ("n1", True), (b"n2", False), (b"N1", False), (None, False), (b"\xff", False)):
        outcome = Story().fleet.fold(good.topic, 0, 0, START, key, good.value)
        assert isinstance(outcome, Rejection) is not accepted
