"""A reply goes where the request may ask for, and echoes what it may echo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.correlation import ReplyTopics, reply_address
from transport.partitioner import partition_of

TOPICS = ReplyTopics("k.capsule.replies.v1", {"k.capsule.replies.v1": 12, "my.replies": 3})
KEY = b"node-1"
HOME = partition_of(KEY, 12)


def four(number: int) -> bytes:
    return number.to_bytes(4, "big", signed=True)


def placed(*headers: tuple[str, bytes | None]) -> tuple[str, int]:
    address = reply_address(headers, KEY, TOPICS, 5)
    return address.topic, address.partition


def test_without_headers_a_reply_goes_to_the_reply_topic_by_node_id() -> None:
    assert placed() == ("k.capsule.replies.v1", HOME)


def test_an_allowed_topic_and_an_existing_partition_are_used() -> None:
    assert placed(("kafka_replyTopic", b"my.replies")) == ("my.replies", partition_of(KEY, 3))
    assert placed(("reply-to", b"my.replies")) == ("my.replies", partition_of(KEY, 3))
    assert placed(("kafka_replyTopic", b"my.replies"), ("kafka_replyPartition", four(2))) == ("my.replies", 2)
    assert placed(("kafka_replyPartition", four(11))) == ("k.capsule.replies.v1", 11)


@pytest.mark.parametrize("topic", [b"k.node.risk.v1", b"other", b"", None, b"\xff", b"my.replies\n", b"MY.REPLIES"])
def test_a_topic_that_is_not_allowed_means_the_reply_topic(topic: bytes | None) -> None:
    assert placed(("kafka_replyTopic", topic), ("kafka_replyPartition", four(1))) == ("k.capsule.replies.v1", HOME)


@pytest.mark.parametrize(
    "partition", [four(3), four(-1), four(2**31 - 1), b"", b"\x01", b"1", b"\0\0\0\0\1", b"\0" * 8, None]
)
def test_a_partition_that_does_not_exist_means_the_reply_topic(partition: bytes | None) -> None:
    headers = (("kafka_replyTopic", b"my.replies"), ("kafka_replyPartition", partition))
    assert placed(*headers) == ("k.capsule.replies.v1", HOME)


def test_a_correlation_id_is_echoed_byte_for_byte_under_the_name_received() -> None:
    for name in ("kafka_correlationId", "correlation-id"):
        for value in (b"\x00\xff\n", b"", b"x" * 256):
            assert reply_address([(name, value)], KEY, TOPICS, 0).headers == ((name, value),)


def test_a_correlation_id_that_is_too_long_or_absent_is_not_echoed() -> None:
    for value in (b"x" * 257, None):
        assert reply_address([("kafka_correlationId", value)], KEY, TOPICS, 0).headers == ()


def test_nothing_else_is_echoed_and_the_last_of_a_name_counts() -> None:
    headers = [
        ("x", b"1"),
        ("kafka_correlationId", b"a"),
        ("kafka_replyTopic", b"my.replies"),
        ("correlation-id", b"c"),
    ]
    address = reply_address([*headers, ("kafka_correlationId", b"b")], KEY, TOPICS, 0)
    assert address.headers == (("kafka_correlationId", b"b"), ("correlation-id", b"c"))


def test_a_request_without_a_node_id_is_answered_beside_its_own_partition() -> None:
    assert reply_address((), None, TOPICS, 5).partition == 5
    assert reply_address([("kafka_replyTopic", b"my.replies")], None, TOPICS, 5).partition == 2


NAMES = st.sampled_from(
    ["kafka_correlationId", "kafka_replyTopic", "kafka_replyPartition", "correlation-id", "reply-to"]
)


@given(st.lists(st.tuples(NAMES | st.text(max_size=9), st.none() | st.binary(max_size=300)), max_size=8))
def test_whatever_the_headers_hold_the_address_exists(headers: list[tuple[str, bytes | None]]) -> None:
    address = reply_address(headers, KEY, TOPICS, 5)
    assert 0 <= address.partition < TOPICS.partitions[address.topic]
    assert all(len(value or b"") <= 256 for _, value in address.headers)
