"""Where a reply goes and what it echoes, from a request's headers (design.md section 6).

Spring's ReplyingKafkaTemplate sends ``kafka_correlationId``, ``kafka_replyTopic`` and ``kafka_replyPartition``; the
plain spelling is ``correlation-id`` and ``reply-to``. They are the sender's to choose, so each is checked, and
whatever is wrong with an address sends the reply to ``capsule.replies.v1``, where it would go without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transport.outgoing import Headers
from transport.partitioner import partition_of

CORRELATION_HEADERS: Final = ("kafka_correlationId", "correlation-id")
TOPIC_HEADERS: Final = ("kafka_replyTopic", "reply-to")
PARTITION_HEADER: Final = "kafka_replyPartition"
LONGEST_CORRELATION_BYTES: Final = 256

_PARTITION_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class ReplyAddress:
    """Where to write a reply: full topic name, partition, the headers to echo."""

    topic: str
    partition: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class ReplyTopics:
    """Where replies may go: partition counts by full topic name; ``default`` is one of them."""

    default: str
    partitions: Mapping[str, int]


def reply_address(
    headers: Sequence[tuple[str, bytes | None]], key: bytes | None, topics: ReplyTopics, own_partition: int
) -> ReplyAddress:
    """Return where the reply goes; of headers with one name the last counts.

    ``key`` is the node id, ``None`` where the request had none: then ``own_partition`` stands in for its place.
    """
    last = dict(headers)
    echoed = tuple(
        (name, correlation)
        for name in CORRELATION_HEADERS
        if (correlation := last.get(name)) is not None and len(correlation) <= LONGEST_CORRELATION_BYTES
    )
    topic = _topic(last, topics)
    partition = _partition(last, topics.partitions[topic]) if topic is not None else None
    if topic is None or partition == _WRONG:
        topic, partition = topics.default, None
    if partition is None:
        count = topics.partitions[topic]
        partition = own_partition % count if key is None else partition_of(key, count)
    return ReplyAddress(topic, partition, echoed)


_WRONG: Final = -1


def _topic(last: Mapping[str, bytes | None], topics: ReplyTopics) -> str | None:
    """Return the topic asked for, the default one if none is, ``None`` for one that is not allowed."""
    for name in TOPIC_HEADERS:
        if name in last:
            try:
                topic = (last[name] or b"").decode("utf-8")
            except UnicodeDecodeError:
                return None
            return topic if topic in topics.partitions else None
    return topics.default


def _partition(last: Mapping[str, bytes | None], count: int) -> int | None:
    """Return the partition asked for, ``None`` if none is, ``_WRONG`` for one that does not exist."""
    if PARTITION_HEADER not in last:
        return None
    text = last[PARTITION_HEADER] or b""
    partition = int.from_bytes(text, "big", signed=True)
    return partition if len(text) == _PARTITION_BYTES and 0 <= partition < count else _WRONG
