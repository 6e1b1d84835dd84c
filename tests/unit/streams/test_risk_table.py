from __future__ import annotations

from typing import Any

import msgspec
import pytest

from policy.policy_file import default_policy
from policy.risk import Folded
from schemas.codec import encode
from schemas.topics import NETWORK
from streams.risk_table import RiskTable
from streams.runtime.errors import NewerStateError, RefusedError, UnreadableStateError

ROW: dict[str, Any] = {
    "schemaVersion": 1,
    "nodeId": "node-1",
    "status": "active",
    "score": 0,
    "signals": [],
    "revision": 4,
    "policyVersion": 1,
    "updatedAt": "2026-11-24T00:00:00.000Z",
}
ROW_BYTES = msgspec.json.encode(ROW)
OBSERVATION = b'{"nodeId": "node-1", "observedAt": "2026-11-24T00:00:00Z", "ip": "192.0.2.1"}'
ROW_OF_NO_TIME = msgspec.json.encode(ROW | {"updatedAt": "yesterday"})


def restored(**changes: Any) -> RiskTable:
    return restored_from(b"node-1", msgspec.json.encode(ROW | changes))


def restored_from(key: bytes | None, value: bytes) -> RiskTable:
    table = RiskTable(default_policy())
    table.restore(key, value)
    table.check_restored()
    return table


def test_a_restored_row_is_folded_on_and_does_not_count_as_changed() -> None:
    table = restored()
    assert not table.take_changes()
    outcome = table.fleet.fold(NETWORK, 0, 7, 1795478400000, b"node-1", OBSERVATION)
    assert isinstance(outcome, Folded)
    assert outcome.row.revision == 5


def test_changes_are_taken_once_and_as_they_are_then() -> None:
    table = restored()
    table.fleet.fold(NETWORK, 0, 7, 1795478400000, b"node-1", OBSERVATION)
    table.change("node-1")
    assert list(table.take_changes()) == [(b"node-1", encode(table.fleet.rows["node-1"]))]
    assert list(table.take_changes()) == []


def test_a_row_that_says_nothing_new_and_then_moves_is_taken_as_it_is_at_last() -> None:
    table = restored()
    moved = OBSERVATION.replace(b"192.0.2.1", b"192.0.2.2")
    table.fleet.fold(NETWORK, 0, 7, 1795478400000, b"node-1", OBSERVATION)
    row = table.fleet.steady(NETWORK)(b"node-1", OBSERVATION, 1795478400000)
    assert row is not None
    table.changed["node-1"] = row
    table.fleet.fold(NETWORK, 0, 9, 1795478400000, b"node-1", moved)
    table.change("node-1")
    assert list(table.take_changes()) == [(b"node-1", encode(table.fleet.rows["node-1"]))]


def test_a_removed_row_is_gone() -> None:
    table = restored()
    table.restore(b"node-1", None)
    assert not table.fleet.rows


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"schemaVersion": 2}, NewerStateError),
        ({"schemaVersion": 2, "status": "paused"}, NewerStateError),
        ({"policyVersion": 2}, NewerStateError),
        ({"status": "paused"}, UnreadableStateError),
    ],
)
def test_a_row_of_another_world_is_refused_by_name(changes: dict[str, Any], error: type[RefusedError]) -> None:
    with pytest.raises(error):
        restored(**changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, b"{}"), (b"node-1", b""), (b"node-1", b"\xff"), (b"node-2", ROW_BYTES), (b"node-1", ROW_OF_NO_TIME)],
)
def test_what_is_no_row_is_refused(key: bytes | None, value: bytes) -> None:
    with pytest.raises(UnreadableStateError):
        restored_from(key, value)


def test_only_the_last_of_a_nodes_rows_has_to_be_one_that_this_worker_can_read() -> None:
    table = RiskTable(default_policy())
    table.restore(b"node-1", b"superseded")
    table.restore(b"node-1", ROW_BYTES)
    table.check_restored()
    assert table.fleet.rows.keys() == {"node-1"}
