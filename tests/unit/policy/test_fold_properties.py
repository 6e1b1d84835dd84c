from hypothesis import given, settings
from hypothesis import strategies as st

from policy.admission import Rejection
from policy.fleet import INPUTS, Fleet
from policy.policy_file import default_policy
from policy.risk import Folded, Late
from schemas.codec import decode, encode
from schemas.quarantine import transition_id
from schemas.risk import NodeStatus, RiskRow
from schemas.topics import COMMANDS, NETWORK
from tests.unit.policy.fleet_records import Record, Story, records

stories = st.lists(records, max_size=40)


@given(stories)
def test_the_score_is_the_sum_of_the_raised_signals(story: list[Record]) -> None:
    told = Story()
    for each in story:
        told.tell(each)
        for row in told.fleet.rows.values():
            assert row.score == sum(signal.points for signal in row.signals)
            assert len({signal.kind for signal in row.signals}) == len(row.signals)
    for transition in told.transitions:
        assert transition.score == sum(signal.points for signal in transition.signals)


@given(stories, st.lists(st.integers(0, 40), max_size=6))
def test_any_batching_of_the_same_order_gives_the_same_rows_and_transitions(
    story: list[Record], cuts: list[int]
) -> None:
    whole = Story().tell(*story)
    in_batches = Story()
    for index, each in enumerate(story):
        if index in cuts:  # a restart: the rows come back from their bytes
            for row in in_batches.fleet.rows.values():
                in_batches.fleet.put(decode(RiskRow, encode(row), "node.risk.v1"))
        in_batches.tell(each)
    assert in_batches.fleet.rows == whole.fleet.rows
    assert in_batches.transitions == whole.transitions


@given(stories)
def test_a_quarantine_is_left_only_by_release(story: list[Record]) -> None:
    told = Story()
    for each in story:
        before = dict(told.fleet.rows)
        told.tell(each)
        for node, row in told.fleet.rows.items():
            held = node in before and before[node].status is NodeStatus.QUARANTINED
            if held and row.status is NodeStatus.ACTIVE:
                assert each.topic == COMMANDS
                assert each.value is not None
                assert b'"release"' in each.value


@given(stories)
def test_claims_and_decisions_never_change_current(story: list[Record]) -> None:
    told = Story()
    for each in story:
        before = {node: row.current for node, row in told.fleet.rows.items()}
        told.tell(each)
        after = {node: row.current for node, row in told.fleet.rows.items()}
        if each.topic != NETWORK:
            assert {node: current for node, current in after.items() if current is not None} == {
                node: current for node, current in before.items() if current is not None
            }


@given(stories)
def test_each_accepted_record_adds_one_to_the_revision_and_nothing_else_does(story: list[Record]) -> None:
    told = Story().tell(*story)
    accepted = sum(isinstance(outcome, Folded) for outcome in told.outcomes)
    assert sum(row.revision for row in told.fleet.rows.values()) == accepted


@given(stories)
def test_a_late_or_rejected_record_changes_nothing(story: list[Record]) -> None:
    told = Story()
    for each in story:
        before = dict(told.fleet.rows)
        told.tell(each)
        if isinstance(told.outcomes[-1], (Late, Rejection)):
            assert told.fleet.rows == before


@given(stories)
def test_transitions_alternate_and_their_ids_are_never_repeated(story: list[Record]) -> None:
    told = Story().tell(*story)
    for node in ("n1", "n2"):
        mine = [transition for transition in told.transitions if transition.nodeId == node]
        states = [NodeStatus.ACTIVE] + [transition.to for transition in mine]
        assert [transition.from_ for transition in mine] == states[:-1]
        assert all(transition.from_ is not transition.to for transition in mine)
        assert [transition.transitionId for transition in mine] == [
            transition_id(node, transition.revision) for transition in mine
        ]
        assert len({transition.transitionId for transition in mine}) == len(mine)
        if node in told.fleet.rows:
            row = told.row(node)
            assert row.status is states[-1]
            held = [transition for transition in mine if transition.to is NodeStatus.QUARANTINED]
            assert row.capsulesValidFrom == (held[-1].revision if held else None)
            assert (row.quarantine is not None) == (row.status is NodeStatus.QUARANTINED)


@given(stories)
def test_an_unexempt_active_node_is_always_below_the_threshold(story: list[Record]) -> None:
    told = Story()
    for each in story:
        told.tell(each)
        for row in told.fleet.rows.values():
            assert row.status is NodeStatus.QUARANTINED or row.exemptUntil is not None or row.score < 80


@given(
    st.sampled_from([*INPUTS, "other"]),
    st.integers(-(2**63), 2**63 - 1),
    st.none() | st.binary(max_size=8) | st.text(max_size=8),
    st.none() | st.binary(max_size=64),
)
def test_no_record_makes_the_fold_raise(
    topic: str, timestamp: int, key: bytes | str | None, value: bytes | None
) -> None:
    assert isinstance(Fleet(default_policy()).fold(topic, 0, 0, timestamp, key, value), Rejection)


@settings(max_examples=200)
@given(records, st.integers(-(2**63), 2**63 - 1), st.sampled_from([b"n1", b"n2", b"", b"\xff", None]))
def test_no_timestamp_and_no_key_makes_the_fold_raise_or_its_row_unwritable(
    each: Record, timestamp: int, key: bytes | None
) -> None:
    fleet = Fleet(default_policy())
    outcome = fleet.fold(each.topic, 0, 0, timestamp, key, each.value)
    if isinstance(outcome, Folded):
        assert decode(RiskRow, encode(outcome.row), "node.risk.v1") == outcome.row
    else:
        assert fleet.rows == {}


@given(stories)
def test_a_row_survives_its_wire_form(story: list[Record]) -> None:
    for row in Story().tell(*story).fleet.rows.values():
        assert decode(RiskRow, encode(row), "node.risk.v1") == row
