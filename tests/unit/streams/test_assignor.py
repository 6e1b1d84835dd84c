from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st

from streams.runtime.assignor import CopartitionAssignor, divide

members = st.dictionaries(st.text("abc", min_size=1), st.sets(st.integers(0, 20)), min_size=1, max_size=6)


@given(st.integers(0, 16), members)
def test_every_copartition_goes_to_exactly_one_member_and_shares_differ_by_at_most_one(
    partitions: int, owned: dict[str, set[int]]
) -> None:
    shares = divide(partitions, owned)
    assert sorted(partition for share in shares.values() for partition in share) == list(range(partitions))
    assert shares.keys() == owned.keys()
    assert max(map(len, shares.values())) - min(map(len, shares.values())) <= 1


@given(st.integers(1, 16), st.integers(1, 6))
def test_a_division_that_stands_is_kept(partitions: int, count: int) -> None:
    shares = divide(partitions, {f"member-{number}": set() for number in range(count)})
    assert divide(partitions, shares) == shares


@given(st.integers(2, 16))
def test_a_member_that_joins_takes_no_more_than_its_share_from_the_others(partitions: int) -> None:
    shares = divide(partitions, {"one": set(range(partitions)), "two": set()})
    assert len(shares["two"]) == partitions // 2
    assert shares["one"] <= set(range(partitions))


def test_no_members_get_nothing() -> None:
    assert divide(3, {}) == {}


def assignor() -> CopartitionAssignor:
    return CopartitionAssignor(app=SimpleNamespace())  # type: ignore[arg-type]


def cluster(**counts: int) -> Any:
    return SimpleNamespace(partitions_for_topic=lambda topic: set(range(counts.get(topic, 0))))


def test_partition_p_of_every_topic_goes_to_the_same_member_which_keeps_it_at_the_next_join() -> None:
    first, second = assignor(), assignor()
    topics = ["t1", "t2"]
    alone = first.assign(cluster(t1=4, t2=4), {"first": first.metadata(topics)})
    first.on_assignment(alone["first"])
    both = first.assign(cluster(t1=4, t2=4), {"first": first.metadata(topics), "second": second.metadata(topics)})
    for assignment in both.values():
        partitions = dict(assignment.assignment)
        assert partitions["t1"] == partitions["t2"]
    first.on_assignment(both["first"])
    second.on_assignment(both["second"])
    again = first.assign(cluster(t1=4, t2=4), {"first": first.metadata(topics), "second": second.metadata(topics)})
    assert again == both


def test_what_another_version_says_of_itself_costs_only_stickiness() -> None:
    foreign = ConsumerProtocolMemberMetadata(9, ["t1"], b"\xff")
    assigned = assignor().assign(cluster(t1=2), {"foreign": foreign})
    assert dict(assigned["foreign"].assignment) == {"t1": [0, 1]}
