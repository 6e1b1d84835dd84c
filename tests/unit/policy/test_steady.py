"""The hot path comes to what the rules come to, for every record, and takes the records it is there for."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.fleet import Fleet
from policy.policy_file import default_policy
from policy.risk import Folded
from policy.standing import standing_of
from schemas.codec import decode, encode
from schemas.network import NetworkObservation
from schemas.risk import RiskRow
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp
from tests.unit.policy.fleet_records import START, Record, at, command, record, records, report, seen

HOME: dict[str, Any] = {"ip": "192.0.2.1", "asn": 64500, "region": "eu-west"}

rest = st.one_of(
    st.builds(lambda s, key, more: seen(s, key=key, **more), st.integers(0, 800), st.sampled_from(["n1", "n2"]),
              st.sampled_from([HOME, {"ip": HOME["ip"]}, {"asn": 64500}, {"region": "eu-west"}, {"observer": "gate"}])),
    st.builds(lambda s, clean, boot: report(s, clean, **boot), st.integers(0, 800), st.booleans(),
              st.sampled_from([{}, {"bootId": "b1"}, {"bootId": "b2"}])),
    st.builds(lambda late: seen(10, arrives=10 - late, **HOME), st.sampled_from([299.999, 300, 300.001])),
)  # fmt: skip
"""What a fleet at rest sends, and what only looks like it."""


def folded(fleet: Fleet, each: Record, offset: int, *, steadily: bool) -> tuple[bool, object]:
    """Whether the record was taken as steady, and the outcome: for a steady one the row, in the rules' words."""
    key = None if each.key is None else each.key.encode()
    if steadily and (standing := fleet.steady(each.topic)(key, each.value, each.timestamp)) is not None:
        assert standing is fleet.standings[standing.nodeId]
        return True, Folded(standing.row())
    return False, fleet.fold(each.topic, 0, offset, each.timestamp, key, each.value)


@given(st.lists(st.one_of(records, rest), max_size=40))
def test_with_and_without_it_every_record_has_the_same_outcome_and_every_row_the_same_bytes(
    story: list[Record],
) -> None:
    quick, plain = Fleet(default_policy()), Fleet(default_policy())
    for offset, each in enumerate(story):
        assert folded(quick, each, offset, steadily=True)[1] == folded(plain, each, offset, steadily=False)[1]
    assert {node: encode(row) for node, row in quick.standings.items()} == {
        node: encode(row) for node, row in plain.rows.items()
    }


def settled() -> Fleet:
    fleet = Fleet(default_policy())
    for offset, each in enumerate([seen(0, **HOME), report(0, True, bootId="b1")]):
        folded(fleet, each, offset, steadily=False)
    return fleet


@pytest.mark.parametrize(
    "each",
    [
        seen(1, **HOME),
        seen(0, asn=64500),
        report(1, True, bootId="b1", kind="heartbeat", metrics={"load": 0.5}),
        report(1, True),
        report(1, True, bootId="b2"),
        record("node.telemetry.v1", 1, {"observedAt": "2026-11-23t21:00:01.0001+01:00", "lastShutdownClean": True}),
    ],
)
def test_what_says_nothing_new_is_taken(each: Record) -> None:
    assert folded(settled(), each, 2, steadily=True)[0]


def test_a_row_that_was_given_out_stays_what_it_was() -> None:
    fleet = settled()
    before = fleet.row("n1")
    assert before is not None
    assert folded(fleet, seen(1, **HOME), 2, steadily=True)[0]
    assert folded(fleet, report(2, True, bootId="b2"), 3, steadily=True)[0]
    after = fleet.row("n1")
    assert after is not None
    assert (before.revision, before.updatedAt, before.lastBootId) == (2, Timestamp(START), "b1")
    assert (after.revision, after.updatedAt, after.lastBootId) == (4, Timestamp(START + 2_000), "b2")


@pytest.mark.parametrize(
    "each",
    [
        seen(1, ip="192.0.2.2"),
        seen(1, ip="192.0.2.01"),
        seen(1),
        seen(1, ip=None, asn=None),
        seen(1, **HOME, observer=""),
        seen(-1, **HOME),
        seen(301, arrives=0.999, **HOME),
        seen(1, **HOME, key="n3"),
        report(1, False),
        report(1, False, bootId="b2"),
        report(1, True, bootId=""),
        report(1, True, bootId="b1", fingerprint="no hex"),
        command(1, "release"),
        Record("node.network.v1", START, None, seen(1, **HOME).value),
        Record("node.network.v1", START, "n1", None),
        Record("node.network.v1", START, "n1", b"\xff"),
        Record("node.network.v1", -1, "n1", seen(1, **HOME).value),
        Record("node.network.v1", START, "n2", seen(1, **HOME).value),
        record("node.network.v1", 1, {"observedAt": "2026-11-23T20:00:01", "ip": "192.0.2.1"}),
    ],
)
def test_what_may_change_something_or_is_in_doubt_is_left_to_the_rules(each: Record) -> None:
    assert not folded(settled(), each, 2, steadily=True)[0]


def test_a_boot_after_an_orderly_end_is_left_to_the_rules_where_it_clears_a_signal() -> None:
    fleet = settled()
    assert not folded(fleet, report(1, False, bootId="b2"), 2, steadily=True)[0]
    taken, outcome = folded(fleet, report(2, True, bootId="b3"), 3, steadily=True)
    assert not taken
    assert isinstance(outcome, Folded)
    assert outcome.row.signals == ()
    assert folded(fleet, report(3, True, bootId="b4"), 4, steadily=True)[0]
    row = fleet.row("n1")
    assert row is not None
    assert row.lastBootId == "b4"


odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2**65),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.sampled_from(["0" * 32, "F" * 32, "0" * 31, "g" * 32, "0" * 129, "1.2", "1 2", "é" * 4, "v" * 64, "v" * 65]),
    st.sampled_from(["boot", "heartbeat", "::ffff:192.0.2.1", "192.0.2.1%eth0", at(1), "2026-11-23T20:00:01"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["load", ""]), st.one_of(st.none(), st.floats(allow_nan=False)), max_size=2),
)


@given(
    st.sampled_from([seen(1, **HOME), report(1, True, bootId="b1")]),
    st.sampled_from(list(NetworkObservation.__struct_fields__ + Telemetry.__struct_fields__)),
    odd_values,
)
def test_a_message_with_an_odd_value_in_any_field_is_steady_only_if_the_rules_accept_it(
    each: Record, field: str, value: object
) -> None:
    message = json.dumps(json.loads(each.value or b"") | {field: value}).encode()
    odd = Record(each.topic, each.timestamp, each.key, message)
    assert folded(settled(), odd, 2, steadily=True)[1] == folded(settled(), odd, 2, steadily=False)[1]


def test_nothing_is_steady_while_a_node_is_exempt_or_its_row_was_judged_by_another_policy() -> None:
    fleet = settled()
    folded(fleet, command(1, "exempt", expiresAt=at(60)), 2, steadily=False)
    assert not folded(fleet, seen(2, **HOME), 3, steadily=True)[0]
    successor = Fleet(msgspec.structs.replace(default_policy(), version=2))
    for row in settled().rows.values():
        successor.put(row)
    assert not folded(successor, seen(2, **HOME), 3, steadily=True)[0]


@given(st.lists(st.one_of(records, rest), max_size=20))
def test_a_row_as_it_is_kept_has_the_rows_own_bytes_and_comes_back_as_the_row(story: list[Record]) -> None:
    fleet = Fleet(default_policy())
    for offset, each in enumerate(story):
        folded(fleet, each, offset, steadily=True)
    for row in fleet.rows.values():
        assert standing_of(row).row() == row
        assert encode(standing_of(row)) == encode(row)
        assert decode(RiskRow, encode(standing_of(row)), "node.risk.v1") == row


@given(st.integers(0, Timestamp.LATEST), st.integers(0, Timestamp.LATEST))
def test_instants_kept_as_text_are_ordered_as_the_instants(one: int, other: int) -> None:
    assert (str(Timestamp(one)) < str(Timestamp(other))) == (one < other)
