"""Records as a consumer would hand them over, whatever a producer may have written."""

from __future__ import annotations

from aiokafka import ConsumerRecord
from hypothesis import strategies as st

from transport.outgoing import Headers, OutgoingRecord


def incoming(
    topic: str = "kordon.node.telemetry.v1",
    partition: int = 3,
    offset: int = 41,
    timestamp: int = 1_700_000_000_000,
    key: bytes | None = b"node-1",
    value: bytes | None = b"{}",
    headers: Headers = (),
) -> ConsumerRecord[bytes, bytes]:
    sizes = (len(key or b""), len(value or b""))
    return ConsumerRecord(topic, partition, offset, timestamp, 0, key, value, None, *sizes, headers)


def delivered(
    record: OutgoingRecord, offset: int = 0, timestamp: int = 1_800_000_000_000
) -> ConsumerRecord[bytes, bytes]:
    """What a consumer reads after `record` was written."""
    return incoming(record.topic, record.partition, offset, timestamp, record.key, record.value, record.headers)


def some_bytes(longest: int) -> st.SearchStrategy[bytes | None]:
    """None, short bytes, or long ones (made by repetition, so that generating them is cheap)."""
    long = st.builds(
        lambda unit, size: (unit * size)[:size], st.binary(min_size=1, max_size=3), st.integers(0, longest)
    )
    return st.none() | st.binary(max_size=40) | long


header_names = st.text(max_size=20) | st.sampled_from(
    [
        "__streams.errors.topic",
        "__streams.errors.offset",
        "kordon-original-topic",
        "kordon-original-timestamp",
        "ü" * 90,
    ]
)


def headers(longest: int) -> st.SearchStrategy[Headers]:
    """Header lists: few large ones, many small ones, names that ours also have."""
    few = st.lists(st.tuples(header_names, some_bytes(longest)), max_size=5)
    many = st.builds(
        lambda header, times: [header] * times, st.tuples(header_names, some_bytes(8)), st.integers(0, 5_000)
    )
    return (few | many).map(tuple)


def any_incoming(longest: int) -> st.SearchStrategy[ConsumerRecord[bytes, bytes]]:
    """Any record that a broker could deliver, parts up to `longest` bytes."""
    return st.builds(
        incoming,
        partition=st.integers(0, 2**31 - 1),
        offset=st.integers(0, 2**63 - 1),
        timestamp=st.integers(-1, 2**63 - 1),
        key=some_bytes(longest),
        value=some_bytes(longest),
        headers=headers(longest),
    )
