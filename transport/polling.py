"""One poll of a consumer that neither loses records nor stops at one that aiokafka cannot decode.

`AIOKafkaConsumer.getmany` has four faults that matter to a service:
- a header name that is not UTF-8 makes it raise, at every attempt, for ever (`lenient_fetches`);
- it goes by the offsets that a producer wrote into its batch, which may be wrong (`record_offsets`);
- when it raises for one partition it drops what it had already taken from others, whose positions have moved;
- when its fetching task dies it answers "no records" from then on.

So positions are kept here, they move only over records that are returned, and after a failed poll the consumer is set
back to them.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CorruptRecordException

from transport.lenient_fetches import fetch_leniently
from transport.record_offsets import check_offsets

MAX_LENIENT_RECORDS = 500
"""Records of a partition decoded leniently at once, which is slow."""


class FetchingStoppedError(Exception):
    """The consumer's fetching task has ended, so nothing more would ever be read."""


async def poll(
    consumer: AIOKafkaConsumer,
    positions: MutableMapping[TopicPartition, int],
    *,
    timeout_ms: int,
    max_records: int | None = None,
) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
    """Wait at most `timeout_ms` for records of the partitions in `positions`, which are moved past what is returned.

    Every partition must be assigned, and have been sought to its position before the first poll. Positions also move
    over transaction markers and aborted records, which are never returned.

    Raises FetchingStoppedError; aiokafka's OffsetOutOfRangeError and other KafkaErrors, CorruptRecordException among
    them where not only header names or offsets but the batch itself cannot be read. Positions have not moved then.
    """
    check_offsets(consumer)
    try:
        batches = await consumer.getmany(*positions, timeout_ms=timeout_ms, max_records=max_records)
    except (UnicodeDecodeError, CorruptRecordException):
        return await _poll_leniently(consumer, positions)
    check_fetching(consumer)
    for partition in positions:
        positions[partition] = await consumer.position(partition)
    return dict(batches)


def check_fetching(consumer: AIOKafkaConsumer) -> None:
    """Raise FetchingStoppedError if the consumer's fetching task has ended."""
    fetching = consumer._fetcher.error_future  # noqa: SLF001 - only this task tells; a test pins the name
    if fetching.done():
        raise FetchingStoppedError("aiokafka has stopped fetching") from fetching.exception()


async def _poll_leniently(
    consumer: AIOKafkaConsumer, positions: MutableMapping[TopicPartition, int]
) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
    # Whichever partition it was, of those that have something to read: a lenient fetch of an empty one would wait.
    readable = [
        partition for partition, position in positions.items() if (consumer.highwater(partition) or 0) > position
    ]
    batches: dict[TopicPartition, Sequence[ConsumerRecord]] = {}
    reached = dict(positions)
    try:
        for partition in readable:
            fetched = await fetch_leniently(consumer, partition, positions[partition], MAX_LENIENT_RECORDS)
            reached[partition] = fetched.position
            if fetched.records:
                batches[partition] = fetched.records
        positions.update(reached)
    finally:
        for partition, position in positions.items():
            consumer.seek(partition, position)
    return batches
