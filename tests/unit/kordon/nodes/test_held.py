"""Claims about kordon/nodes/held.py and decisions.py, on a small fleet's day as records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from kordon.nodes.decisions import NewestDecisions, WantedDecisions, newest, view_of
from kordon.nodes.held import HeldNodes
from kordon.nodes.reading import KeptRecord
from schemas.decisions import DenialReason
from schemas.risk import Cause
from schemas.topics import DECISIONS, QUARANTINE, RISK
from tests.ledgers.fleet import Fleet, Log
from tests.ledgers.made import KAFKA, operators


@pytest.fixture
def log(tmp_path: Path) -> Log:
    operator, revoker, _ = operators(tmp_path)
    log = Log()
    for written in Fleet(operator, revoker).day():
        log.append(written)
    return log


def of(log: Log, topic: str) -> Iterator[ConsumerRecord[bytes, bytes]]:
    for place, records in log.records.items():
        if place.topic == KAFKA.topic(topic):
            yield from records


def held(log: Log) -> HeldNodes:
    found = HeldNodes()
    for record in of(log, RISK):
        found.read_row(record)
    for record in of(log, QUARANTINE):
        found.read_transition(record)
    return found


def test_who_was_released_is_not_held(log: Log) -> None:
    assert [each.node_id for each in held(log).nodes()] == ["dahlia"]


def test_a_cause_leaves_those_of_the_other_out(log: Log) -> None:
    assert [each.node_id for each in held(log).nodes(Cause.POLICY)] == ["dahlia"]
    assert held(log).nodes(Cause.OPERATOR) == []


def test_a_row_that_cannot_be_read_is_counted_until_a_later_one_can(log: Log) -> None:
    found = HeldNodes()
    row = next(KeptRecord.of(record) for record in of(log, RISK) if b'"quarantine":' in (record.value or b""))

    found.read_row(row._replace(value=b'{"quarantine":1'))
    assert (found.unreadable, found.nodes()) == (1, [])

    found.read_row(row)
    assert (found.unreadable, len(found.nodes())) == (0, 1)


def decided(log: Log, wanted: WantedDecisions, limit: int | None = None) -> list[str]:
    partitions: dict[int, NewestDecisions] = {}
    for record in of(log, DECISIONS):
        partitions.setdefault(record.partition, NewestDecisions(wanted, limit)).read(record)
    found = newest(partitions.values(), limit)
    return [f"{each.decision.nodeId} {each.decision.reason or 'granted'}" for each in found]


def test_decisions_come_newest_first_over_all_partitions(log: Log) -> None:
    everything = decided(log, WantedDecisions())

    assert everything[:3] == [
        "dahlia NETWORK_POLICY_VIOLATION",
        "dahlia NETWORK_POLICY_VIOLATION",
        "cobalt granted",
    ]
    assert decided(log, WantedDecisions(), 3) == everything[:3]


def test_decisions_are_filtered_by_node_outcome_and_reason(log: Log) -> None:
    assert decided(log, WantedDecisions("cobalt")) == ["cobalt granted", "cobalt NETWORK_POLICY_VIOLATION"]
    assert decided(log, WantedDecisions("cobalt", denied=True)) == ["cobalt NETWORK_POLICY_VIOLATION"]
    assert decided(log, WantedDecisions(denied=False), 1) == ["cobalt granted"]
    assert decided(log, WantedDecisions(reason=DenialReason.NODE_REVOKED)) == []


def test_a_decision_is_told_with_its_place(log: Log) -> None:
    newest_of_one = NewestDecisions(WantedDecisions("amber"), 1)
    for record in of(log, DECISIONS):
        newest_of_one.read(record)

    view = view_of(newest_of_one.found[0])
    assert view["nodeId"] == "amber"
    assert view["denied"] is False
    assert {"partition", "offset", "requestDigest", "capsuleId"} <= view.keys()
