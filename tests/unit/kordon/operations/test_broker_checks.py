"""What the doctor makes of brokers."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition

from kordon.operations.broker_checks import (
    NEEDED_APIS,
    UNFINISHED_MILLIS,
    judge_brokers,
    judge_clock,
    judge_topics,
    judge_transactions,
)
from kordon.operations.checks import Check, Verdict
from transport.administration import Cluster, Outcome, State, Topic
from transport.broker_clock import BrokerTime
from transport.transactions import Transaction, TransactionState

NOW = 1_800_000_000_000
OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED

VERSIONS = {**{key: version for key, (_, version) in NEEDED_APIS.items()}, 3: 12}
TOPIC = Topic("kordon.a", 12, 3, 3, 12, {})


def by_name(checks: list[Check]) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in checks}


def cluster(*versions: dict[int, int]) -> Cluster:
    return Cluster("c", 1, {1: "a:9092", 2: "b:9092"}, dict(enumerate(versions, 1)))


@pytest.mark.parametrize(
    ("found", "brokers", "versions"),
    [
        (cluster(VERSIONS, VERSIONS), OK, OK),
        (cluster(VERSIONS), FAILED, OK),
        (cluster(VERSIONS, {**VERSIONS, 3: 11}), OK, WARNING),
        (cluster(VERSIONS, {**VERSIONS, 1: 3}), OK, FAILED),
        (cluster(VERSIONS, {key: each for key, each in VERSIONS.items() if key != 22}), OK, FAILED),
    ],
)
def test_the_weakest_broker_counts(found: Cluster, brokers: Verdict, versions: Verdict) -> None:
    assert by_name(judge_brokers(found)) == {"brokers": brokers, "API versions": versions}


@pytest.mark.parametrize(
    ("outcome", "topic", "topics", "copies"),
    [
        (Outcome("a", State.UNCHANGED), TOPIC, OK, OK),
        (Outcome("a", State.MISSING), TOPIC, FAILED, OK),
        (Outcome("a", State.DIFFERENT, {"retention.ms": ("1", "2")}), TOPIC, WARNING, OK),
        (Outcome("a", State.DIFFERENT, {"partitions": ("1", "2")}), TOPIC, FAILED, OK),
        (Outcome("a", State.UNCHANGED), TOPIC._replace(in_sync=2), OK, WARNING),
        (Outcome("a", State.UNCHANGED), TOPIC._replace(in_sync=0, leaders=11), OK, FAILED),
    ],
)
def test_what_stops_kordon_has_failed_what_may_is_a_warning(
    outcome: Outcome, topic: Topic, topics: Verdict, copies: Verdict
) -> None:
    assert by_name(judge_topics([outcome], [topic])) == {"topics": topics, "copies": copies}


@pytest.mark.parametrize(
    ("ours", "writer", "verdicts"),
    [
        (20, -15, (OK, OK)),
        (-4_999, None, (OK,)),
        (5_000, 0, (WARNING, OK)),
        (-29_999, 29_999, (WARNING, WARNING)),
        (30_000, -3_600_000, (FAILED, FAILED)),
    ],
)
def test_clocks_are_judged_by_how_far_they_are_from_the_brokers(
    ours: int, writer: int | None, verdicts: tuple[Verdict, ...]
) -> None:
    measured = BrokerTime(NOW, None if writer is None else NOW + writer, NOW + ours)

    assert tuple(check.verdict for check in judge_clock("worker", measured)) == verdicts


def test_a_clock_that_could_not_be_measured_is_not_called_well() -> None:
    assert by_name(judge_clock("worker", None)) == {"clock of the worker": WARNING}


def transaction(state: TransactionState, age: int, *places: TopicPartition) -> Transaction:
    return Transaction("kordon.streams-2", 3, state, NOW - age, frozenset(places))


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], OK),
        ([transaction(TransactionState.EMPTY, NOW + 1)], OK),
        ([transaction(state, 10 * UNFINISHED_MILLIS) for state in TransactionState if "Complete" in state], OK),
        ([transaction(TransactionState.ONGOING, UNFINISHED_MILLIS - 1)], OK),
        ([transaction(TransactionState.ONGOING, UNFINISHED_MILLIS)], FAILED),
        ([transaction(TransactionState.PREPARE_COMMIT, UNFINISHED_MILLIS - 1)], OK),
        ([transaction(TransactionState.PREPARE_COMMIT, UNFINISHED_MILLIS)], FAILED),
        ([transaction(TransactionState.PREPARE_ABORT, UNFINISHED_MILLIS)], FAILED),
    ],
)
def test_a_transaction_that_does_not_end_within_a_minute_is_a_failure(
    found: list[Transaction], verdict: Verdict
) -> None:
    assert judge_transactions(found, NOW).verdict is verdict


def test_it_is_named_with_the_partitions_that_wait_and_the_broker_to_look_at() -> None:
    places = [TopicPartition("kordon.node.telemetry.v1.repartition", 1), TopicPartition("kordon.node.risk.v1", 2)]
    later = transaction(TransactionState.PREPARE_COMMIT, 61_000)._replace(transactional_id="kordon.issuer-0")
    check = judge_transactions([later, transaction(TransactionState.PREPARE_COMMIT, 240_000, *places)], NOW)
    assert check.found == (
        "2 transactions without an end: kordon.streams-2 is in PrepareCommit for 240 s, on broker 3; without a "
        "marker: kordon.node.risk.v1 [2], kordon.node.telemetry.v1.repartition [1]"
    )
    assert check.remedy is not None
    assert "restart broker 3" in check.remedy


def test_brokers_that_do_not_tell_of_transactions_are_not_ill() -> None:
    assert judge_transactions(None, NOW).verdict is OK
