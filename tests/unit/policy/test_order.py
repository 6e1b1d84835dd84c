import heapq

from hypothesis import given
from hypothesis import strategies as st

from policy.order import FOLD_ORDER, merge_by_heads

COMMANDS, DECISIONS, NETWORK, NETWORK_FORWARDED, TELEMETRY, TELEMETRY_FORWARDED = FOLD_ORDER


def flat(timestamps: dict[str, list[int]]) -> list[tuple[str, int]]:
    return [(topic, index) for topic, first, stop in merge_by_heads(timestamps) for index in range(first, stop)]


def test_the_smallest_head_goes_first() -> None:
    assert flat({NETWORK: [1, 4], TELEMETRY: [2, 3]}) == [(NETWORK, 0), (TELEMETRY, 0), (TELEMETRY, 1), (NETWORK, 1)]


def test_at_equal_timestamps_commands_then_decisions_then_network_then_telemetry() -> None:
    everywhere = {topic: [7] for topic in reversed(FOLD_ORDER)}
    assert [topic for topic, _ in flat(everywhere)] == [
        "node.commands.v1",
        "capsule.decisions.v1",
        "node.network.v1",
        "node.network.v1.repartition",
        "node.telemetry.v1",
        "node.telemetry.v1.repartition",
    ]


def test_a_topic_keeps_its_own_order_whatever_its_timestamps_say() -> None:
    assert flat({NETWORK: [9, 1, 5], TELEMETRY: [6]}) == [(TELEMETRY, 0), (NETWORK, 0), (NETWORK, 1), (NETWORK, 2)]


def test_one_topic_alone_is_one_run() -> None:
    assert list(merge_by_heads({TELEMETRY: [3, 1, 2]})) == [(TELEMETRY, 0, 3)]
    assert list(merge_by_heads({})) == []
    assert list(merge_by_heads({TELEMETRY: []})) == []


@given(st.dictionaries(st.sampled_from(FOLD_ORDER), st.lists(st.integers(0, 9), max_size=8)))
def test_it_is_the_merge_of_the_heads_that_the_standard_library_gives(timestamps: dict[str, list[int]]) -> None:
    queues = [
        [(time, FOLD_ORDER.index(topic), index) for index, time in enumerate(times)]
        for topic, times in timestamps.items()
    ]
    expected = heapq.merge(*queues, key=lambda head: head[:2])
    assert flat(timestamps) == [(FOLD_ORDER[rank], index) for _, rank, index in expected]
