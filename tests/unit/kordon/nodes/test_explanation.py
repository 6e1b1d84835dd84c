"""Claims about kordon/nodes/refold.py and explanation.py: points add up, and a row is the same or said to differ."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kordon.commands.explanation_text import print_explanation
from kordon.nodes.evidence_reading import EvidenceState, FoundEvidence
from kordon.nodes.explanation import explanation_of, log_view, wanted_evidence
from kordon.nodes.log_reading import Kept, NodeLog
from kordon.nodes.node_state import NodeState
from kordon.nodes.reading import KeptRecord
from kordon.nodes.recorded_order import NodeRecord, RecordedOrder
from kordon.nodes.refold import Refolded, differences, refold
from policy.policy_file import default_policy
from schemas.codec import encode
from schemas.commands import Action, Command
from schemas.network import NetworkObservation
from schemas.quarantine import QuarantineTransition
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, NETWORK

BEGIN = Timestamp.parse("2026-03-02T08:00:00.000Z")
PLACES = (
    ("198.51.100.10", 64500, "eu-west-1"),
    ("198.51.100.77", 64500, "eu-west-1"),
    ("198.51.100.10", 64511, "us-east-1"),
)


def seen(number: int) -> NodeRecord:
    """The node's observations, one a minute, at one place after the other."""
    at = Timestamp(BEGIN + number * 60_000)
    ip, asn, region = PLACES[number % len(PLACES)]
    value = encode(NetworkObservation("cobalt", at, ip, asn, region))
    return NodeRecord(number, ((number, at),), NETWORK, 5, number, at, b"cobalt", value)


def ordered(number: int, action: Action) -> NodeRecord:
    at = Timestamp(BEGIN + number * 60_000)
    value = encode(Command(f"c{number}", "cobalt", action, "alice", "ticket 4711", at))
    return NodeRecord(number, ((number, at),), COMMANDS, 5, number, at, b"cobalt", value)


def refolded(*records: NodeRecord, refused: dict[int, str] | None = None) -> Refolded:
    return refold("cobalt", records, default_policy(), refused or {})


def transition_of(found: Refolded) -> QuarantineTransition | None:
    transitions = [step.transition for step in found.steps if step.transition is not None]
    return transitions[-1] if transitions else None


def held() -> NodeState:
    found = refolded(*map(seen, range(3)))
    return NodeState("cobalt", None, None, found.row, transition_of(found))


def test_each_record_that_changed_the_score_is_a_step_whose_points_lead_to_the_next() -> None:
    steps = refolded(*map(seen, range(3)), ordered(3, Action.RELEASE)).steps

    assert [(step.score_before, step.score_after) for step in steps] == [(0, 20), (20, 90), (90, 0)]
    assert [step.status_after.value for step in steps] == ["active", "quarantined", "active"]
    assert steps[-1].transition is not None
    assert steps[-1].transition.actor == "alice"


def test_records_that_change_nothing_are_folded_and_are_no_steps() -> None:
    found = refolded(seen(0), seen(0), seen(0))

    assert (found.folded, found.steps) == (3, ())
    assert found.row is not None
    assert found.row.revision == 3


def test_a_command_that_the_worker_refused_has_no_effect() -> None:
    records = (*map(seen, range(3)), ordered(3, Action.RELEASE))

    obeyed, refused = refolded(*records), refolded(*records, refused={3: "SignatureRefused"})

    assert obeyed.row is not None
    assert refused.row is not None
    assert (obeyed.row.quarantine, refused.refused) == (None, 1)
    assert refused.row.quarantine is not None


def test_what_no_rule_reads_is_counted() -> None:
    late, unreadable = seen(0), seen(1)._replace(value=b"{")

    found = refolded(seen(1), late, unreadable)

    assert (found.folded, found.late, found.rejected) == (1, 1, 1)


def test_the_points_of_an_explanation_add_up_to_the_score() -> None:
    explanation = explanation_of(held(), {})

    assert explanation["score"] == sum(signal["points"] for signal in explanation["signals"]) == 90
    assert explanation["addsUp"]
    assert [(signal["from"], signal["to"]) for signal in explanation["signals"]] == [
        (64500, 64511),
        ("eu-west-1", "us-east-1"),
    ]
    assert sum(signal["points"] for signal in explanation["quarantine"]["signals"]) == 90


def test_a_row_that_does_not_add_up_is_said_not_to(capsys: pytest.CaptureFixture[str]) -> None:
    state = held()
    assert state.row is not None
    explanation = explanation_of(state._replace(row=msgspec.structs.replace(state.row, score=85)), {})

    assert not explanation["addsUp"]
    print_explanation(explanation | {"fromLog": None})
    assert "do not add up" in capsys.readouterr().out


def test_evidence_is_shown_or_said_to_be_no_longer_kept(capsys: pytest.CaptureFixture[str]) -> None:
    state = held()
    (place,) = wanted_evidence(state)
    record = KeptRecord("kordon.node.network.v1", 5, 2, BEGIN, b"cobalt", b'{"nodeId":"cobalt"}', ())

    print_explanation(explanation_of(state, {place: FoundEvidence(EvidenceState.KEPT, 0, record)}) | {"fromLog": None})
    kept = capsys.readouterr().out
    print_explanation(explanation_of(state, {place: FoundEvidence(EvidenceState.DELETED, 9, None)}) | {"fromLog": None})
    deleted = capsys.readouterr().out

    assert 'key cobalt\n    {"nodeId":"cobalt"}' in kept
    assert "node.network.v1 [5] offset 2 is no longer kept: the partition begins at offset 9" in deleted


def test_a_held_node_is_told_that_only_a_release_lifts_it_and_another_what_lowers_its_score() -> None:
    (remedy,) = explanation_of(held(), {})["remedies"]
    at_twenty = NodeState("cobalt", None, None, refolded(seen(0), seen(1)).row, None)

    assert "kordon quarantine release cobalt" in remedy
    assert explanation_of(at_twenty, {})["remedies"][0].startswith("ipChanged: an observation at 198.51.100.10 again")


def test_a_node_without_a_row_has_no_points(capsys: pytest.CaptureFixture[str]) -> None:
    explanation = explanation_of(NodeState("cobalt", None, None, None, None), {})

    assert (explanation["score"], explanation["signals"], explanation["addsUp"]) == (0, [], True)
    print_explanation(explanation | {"fromLog": None})
    assert "no record of it was folded yet" in capsys.readouterr().out


def viewed(
    stored: RiskRow | None,
    *,
    first_offset: int = 0,
    policy_versions: tuple[int, ...] = (1,),
    unrecorded_row: int | None = None,
) -> dict[str, Any]:
    order = RecordedOrder({})
    order.policy_versions.update(policy_versions)
    kept = (Kept(NETWORK, 5, first_offset, 10, BEGIN),)
    return log_view(NodeLog(kept, order, {}, None, unrecorded_row), refolded(*map(seen, range(3))), stored, 1)


def test_the_same_row_out_of_the_log_is_said_to_be_equal() -> None:
    assert viewed(held().row)["verdict"] == "equal"
    assert viewed(held().row, first_offset=3)["verdict"] == "equal"


def test_another_row_is_excused_by_a_cut_log_or_another_policy_alone(capsys: pytest.CaptureFixture[str]) -> None:
    stored = held().row
    assert stored is not None
    newer = msgspec.structs.replace(stored, revision=9)

    assert viewed(newer)["verdict"] == "different"
    assert viewed(newer)["differences"] == ["revision"]
    assert viewed(newer, first_offset=3)["verdict"] == "incomplete"
    assert viewed(newer, policy_versions=(1, 2))["verdict"] == "other policy"
    assert viewed(None)["verdict"] == "different"
    print_explanation(explanation_of(held(), {}) | {"fromLog": viewed(newer, first_offset=3)})
    told = capsys.readouterr().out
    assert "revision differ; it has revision 3, the stored one 9" in told
    assert "beginning of the log is gone" in told


def test_two_missing_rows_do_not_differ() -> None:
    assert differences(None, None) == ()


def test_the_transition_that_holds_a_node_is_named_with_who_ordered_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = refolded(seen(0), ordered(1, Action.QUARANTINE))
    explanation = explanation_of(NodeState("cobalt", None, None, found.row, transition_of(found)), {})

    print_explanation(explanation | {"fromLog": None})
    told = capsys.readouterr().out
    assert "by operator, at 0 of 80 points" in told
    assert "alice" in told
    assert "ticket 4711" in told


def test_a_row_that_the_worker_has_not_recorded_is_no_equal_one(capsys: pytest.CaptureFixture[str]) -> None:
    viewed_log = viewed(held().row, unrecorded_row=17)

    assert viewed_log["verdict"] == "different"
    print_explanation(explanation_of(held(), {}) | {"fromLog": viewed_log})
    assert "at offset 17 of node.risk.v1" in capsys.readouterr().out


def test_a_node_that_an_operator_took_over_from_policy_is_said_to_be() -> None:
    found = refolded(*map(seen, range(3)), ordered(3, Action.QUARANTINE))
    assert found.row is not None
    explanation = explanation_of(NodeState("cobalt", None, None, found.row, transition_of(found)), {})

    assert (explanation["quarantine"]["cause"], explanation["quarantine"]["takenOver"]) == ("operator", True)
    assert not explanation_of(held(), {})["quarantine"]["takenOver"]
