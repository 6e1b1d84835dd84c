"""Claims about kordon/nodes/recorded_order.py: a node's records come in the order in which the whole log was folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kordon.nodes.reading import KeptRecord
from kordon.nodes.recorded_order import Lane, RecordedOrder
from policy.order import FOLD_ORDER, merge_by_heads
from schemas.progress import Batch, StreamsProgress
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, NETWORK, TELEMETRY, repartition_of, source_of
from transport.repartition import forwarded
from transport.settings import KafkaSettings

KAFKA = KafkaSettings(prefix="")
NODE = b"cobalt"


def progress(*batches: Batch, risk_end: int = 0, policy_version: int = 1) -> StreamsProgress:
    return StreamsProgress(1, 0, Timestamp(0), {}, 1, batches, risk_end, lagMillis=0, policyVersion=policy_version)


def record(topic: str, offset: int, timestamp: int, key: bytes = NODE) -> KeptRecord:
    """A record of partition 0; on a .repartition topic one that was forwarded from partition 1."""
    if topic == source_of(topic):
        return KeptRecord(topic, 0, offset, timestamp, key, b"{}", ())
    original = KeptRecord(source_of(topic), 1, offset + 1000, timestamp, key, b"{}", ())
    outgoing = forwarded(KAFKA, original, 0)
    return KeptRecord(topic, 0, offset, 1, key, b"{}", outgoing.headers)


def order_of(topics: Mapping[str, Sequence[KeptRecord]], *records: StreamsProgress) -> RecordedOrder:
    lanes = {topic: Lane(topic, NODE) for topic in FOLD_ORDER}
    for topic, found in topics.items():
        for each in found:
            lanes[topic].read(each)
    order = RecordedOrder({topic: lane.records for topic, lane in lanes.items()})
    for recorded in records:
        order.read(recorded)
    return order


Log = dict[str, list[tuple[int, bool]]]
"""By topic, the records' timestamps and whether they are the node's."""
logs: st.SearchStrategy[Log] = st.dictionaries(
    st.sampled_from(FOLD_ORDER), st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=12), max_size=4
)


@given(log=logs, cuts=st.lists(st.integers(0, 12), max_size=3))
def test_the_node_s_records_come_as_they_came_among_all_others(log: Log, cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), 12]
    batches: list[Batch] = [
        {topic: (min(first, len(found)), min(stop, len(found))) for topic, found in log.items()}
        for first, stop in pairwise(bounds)
    ]
    expected = []
    for batch in batches:
        times = {topic: [at for at, _ in log[topic][first:stop]] for topic, (first, stop) in batch.items()}
        for topic, first, stop in merge_by_heads(times):
            indexes = range(batch[topic][0] + first, batch[topic][0] + stop)
            expected += [(topic, index) for index in indexes if log[topic][index][1]]
    topics = {
        topic: [record(topic, offset, at, NODE if mine else b"another") for offset, (at, mine) in enumerate(found)]
        for topic, found in log.items()
    }

    order = order_of(topics, *(progress(batch) for batch in batches))

    assert [(_lane(each.topic, each.origin_offset), each.offset) for each in order.ordered] == expected
    assert (order.before, order.after) == (0, 0)


def _lane(topic: str, origin_offset: int) -> str:
    return repartition_of(topic) if origin_offset >= 1000 else topic


def test_a_forwarded_record_comes_by_when_and_where_it_was_first_written() -> None:
    topic = repartition_of(NETWORK)
    order = order_of(
        {topic: [record(topic, 0, 5)], NETWORK: [record(NETWORK, 0, 7)]}, progress({topic: (0, 1), NETWORK: (0, 1)})
    )

    first, second = order.ordered
    assert (first.topic, first.origin_partition, first.origin_offset, first.timestamp) == (NETWORK, 1, 1000, 5)
    assert (second.origin_partition, second.origin_offset) == (0, 0)


def test_a_forwarded_record_that_does_not_say_from_where_is_none() -> None:
    topic = repartition_of(TELEMETRY)
    illegible = record(topic, 0, 5)._replace(headers=())

    assert order_of({topic: [illegible]}, progress({topic: (0, 1)})).ordered == []


def test_records_that_no_kept_batch_has_are_counted_apart() -> None:
    order = order_of(
        {COMMANDS: [record(COMMANDS, offset, offset) for offset in range(5)]},
        progress({COMMANDS: (2, 3)}, risk_end=4),
        progress({COMMANDS: (3, 4)}, risk_end=6, policy_version=2),
    )

    assert [each.offset for each in order.ordered] == [2, 3]
    assert (order.before, order.after, order.risk_end) == (2, 1, 6)
    assert order.policy_versions == {1, 2}


def test_without_any_progress_no_record_was_folded() -> None:
    order = order_of({COMMANDS: [record(COMMANDS, 0, 0)]})

    assert (order.ordered, order.before, order.after, order.risk_end) == ([], 0, 1, None)
