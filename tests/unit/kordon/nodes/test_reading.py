"""Claims about kordon/nodes/reading.py."""

from __future__ import annotations

from aiokafka import TopicPartition

from kordon.nodes.reading import OFFSETS_AT_ONCE, Bounds, groups_of


def bounds(*offsets: int) -> Bounds:
    places = [TopicPartition(topic, number) for topic in ("rows", "bindings") for number in range(len(offsets))]
    return Bounds(
        len(offsets),
        dict.fromkeys(places, 10),
        {place: 10 + (offsets[place.partition] if place.topic == "rows" else 0) for place in places},
    )


def test_a_small_fleet_is_read_at_once() -> None:
    (group,) = groups_of(bounds(5, 5, 5))

    assert len(group) == 6


def test_a_large_fleet_is_read_one_co_partition_after_the_other_and_each_whole() -> None:
    groups = list(groups_of(bounds(OFFSETS_AT_ONCE, OFFSETS_AT_ONCE, 1)))

    assert [{place.partition for place in group} for group in groups] == [{0}, {1}, {2}]
    assert all({place.topic for place in group} == {"rows", "bindings"} for group in groups)


def test_of_one_topic_no_other_is_read() -> None:
    assert list(groups_of(bounds(1, 1), "rows")) == [[TopicPartition("rows", 0), TopicPartition("rows", 1)]]
