"""A member owns whole co-partitions or nothing."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from issuer.copartition import SOURCES
from issuer.errors import SplitCopartitionError
from issuer.group import _whole
from transport.settings import KafkaSettings

KAFKA = KafkaSettings(prefix="k.")
REQUESTS, REPARTITION = (KAFKA.topic(name) for name in SOURCES)


def test_the_same_partitions_of_both_topics_are_co_partitions() -> None:
    both = [TopicPartition(topic, partition) for topic in (REQUESTS, REPARTITION) for partition in (0, 4)]
    assert _whole(KAFKA, both) == {0, 4}
    assert _whole(KAFKA, []) == frozenset()


@pytest.mark.parametrize(
    "assigned",
    [
        [TopicPartition(REQUESTS, 0)],
        [TopicPartition(REPARTITION, 0)],
        [TopicPartition(REQUESTS, 0), TopicPartition(REPARTITION, 1)],
        [TopicPartition(REQUESTS, 0), TopicPartition(REPARTITION, 0), TopicPartition(REPARTITION, 1)],
    ],
)
def test_a_part_of_a_co_partition_is_refused(assigned: list[TopicPartition]) -> None:
    with pytest.raises(SplitCopartitionError):
        _whole(KAFKA, assigned)


@pytest.mark.parametrize("members", [1, 2, 3, 5, 12, 20])
def test_the_range_assignor_keeps_co_partitions_whole(members: int) -> None:
    class Cluster:
        def partitions_for_topic(self, _topic: str) -> set[int]:
            return set(range(12))

    metadata = {f"member-{n}": RangePartitionAssignor.metadata({REQUESTS, REPARTITION}) for n in range(members)}
    assignment = RangePartitionAssignor.assign(Cluster(), metadata)
    owned = [
        _whole(KAFKA, [TopicPartition(topic, p) for topic, partitions in given.assignment for p in partitions])
        for given in assignment.values()
    ]
    assert sorted(partition for partitions in owned for partition in partitions) == list(range(12))
