"""Taking a co-partition, in steps. A crash at any of them leaves nothing behind but a fenced former owner.

1. Fence: ``InitProducerId`` of the co-partition's transactional id ends the former owner's commits and settles its
   open transaction. From here on nobody else writes rows, outputs or progress of this co-partition.
2. Restore the rows: the changelog partition, up to the high watermark.
3. Find the checkpoint: the last progress record of this co-partition.
4. Without one, make sure that nothing was ever written, and start at the beginning of the source topics.
   With one, check it: written by this version or an older one, under this policy or an older one, with the same
   partition count, naming an offset for every source topic that the topic still holds (or has just reached).
5. Hand over a :class:`~streams.runtime.copartition.Copartition` that stands at the checkpoint. The consumer seeks to it
   explicitly; the group's committed offsets are for monitoring only.

What cannot be squared is a :class:`~streams.runtime.errors.RefusedError` that says what would be lost.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from aiokafka import ConsumerRecord, TopicPartition

from schemas.codec import DecodeError, decode
from schemas.progress import PROGRESS_SCHEMA_VERSION, StreamsProgress
from streams.runtime.copartition import Copartition, Table
from streams.runtime.errors import (
    CheckpointMissingError,
    CheckpointOutOfRangeError,
    NewerStateError,
    PartitionCountError,
    UnreadableStateError,
)
from streams.runtime.lag import Lag
from transport.views import last_record, read_to_high_watermark
from transport.watermarks import Watermarks
from transport.writer import TransactionalWriter

if TYPE_CHECKING:
    from streams.runtime.runtime import Runtime

RESTORE_TIMEOUT_SECONDS = 600.0
"""For the rows of one co-partition; about 80 million rows."""

CHECKPOINT_TIMEOUT_SECONDS = 60.0

_log = structlog.get_logger("kordon.streams")


async def take_over(runtime: Runtime, partition: int, partition_count: int) -> Copartition[Table]:
    """Take co-partition ``partition`` over and return it, ready to be sought and folded.

    Raises:
        RefusedError: a person has to decide first; the text says about what.
        WriterError, KafkaError, NotCaughtUpError: the broker does not answer as it should; crash and try again.
    """
    began = time.monotonic()
    writer = runtime.new_writer(partition)
    await writer.open()
    try:
        copartition = await _restore(runtime, partition, partition_count, writer)
    except BaseException:
        await writer.close()
        raise
    _log.info(
        "copartition.taken",
        partition=partition,
        offsets=copartition.positions,
        milliseconds=round((time.monotonic() - began) * 1000),
    )
    return copartition


async def _restore(
    runtime: Runtime, partition: int, partition_count: int, writer: TransactionalWriter
) -> Copartition[Table]:
    table = runtime.new_table(partition)
    rows = await _restore_rows(runtime, table, partition)
    checkpoint = await _read_checkpoint(runtime, partition)
    async with Watermarks(runtime.kafka) as watermarks:
        if checkpoint is None:
            await _require_untouched(runtime, watermarks, partition, rows)
            positions = await _beginning(runtime, watermarks, partition)
            since = risk_end = 0
        else:
            _check_versions(runtime, checkpoint, partition_count)
            positions = await _check_offsets(runtime, watermarks, checkpoint)
            since, risk_end = checkpoint.at - checkpoint.lagMillis, checkpoint.riskEnd
    lag = Lag(tuple(runtime.sources), since, runtime.read_mark_of(partition))
    return Copartition(partition, partition_count, table, positions, risk_end, lag, writer, runtime)


async def _restore_rows(runtime: Runtime, table: Table, partition: int) -> int:
    changelog = TopicPartition(runtime.changelog, partition)
    rows = 0

    def restore(_: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        nonlocal rows
        rows += len(records)
        for record in records:
            table.restore(record.key, record.value)

    await read_to_high_watermark(runtime.kafka, [changelog], restore, timeout_seconds=RESTORE_TIMEOUT_SECONDS)
    return rows


async def _read_checkpoint(runtime: Runtime, partition: int) -> StreamsProgress | None:
    record = await last_record(
        runtime.kafka,
        TopicPartition(runtime.progress_topic, partition),
        timeout_seconds=CHECKPOINT_TIMEOUT_SECONDS,
    )
    if record is None:
        return None
    try:
        checkpoint = decode(StreamsProgress, record.value, runtime.progress_topic)
    except DecodeError as error:
        raise UnreadableStateError(
            f"the last progress record of co-partition {partition} (offset {record.offset}) cannot be read: {error}. "
            "Without it nobody knows which records the rows hold"
        ) from error
    if checkpoint.partition != partition:
        raise UnreadableStateError(
            f"the last progress record on {runtime.progress_topic} [{partition}] describes co-partition "
            f"{checkpoint.partition}"
        )
    return checkpoint


async def _require_untouched(runtime: Runtime, watermarks: Watermarks, partition: int, rows: int) -> None:
    """Allow a start at the beginning only if this co-partition never committed anything.

    Aborted records do not count: a first commit that failed left nothing. What retention has deleted counts.
    """
    written = [TopicPartition(topic, partition) for topic in (runtime.progress_topic, *runtime.outputs)]
    low = await watermarks.low(written)
    if rows or any(low.values()) or await _holds_records(runtime, written[1:]):
        raise CheckpointMissingError(
            f"co-partition {partition} has rows or outputs but no progress record, so it is not known which records "
            "they hold. Folding from the beginning would repeat transitions and count records twice; folding from the "
            f"end would lose what was not folded yet. Restore {runtime.progress_topic}, or delete and create again "
            "the topics that the worker writes"
        )


async def _holds_records(runtime: Runtime, partitions: Sequence[TopicPartition]) -> bool:
    for partition in partitions:
        if await last_record(runtime.kafka, partition, timeout_seconds=CHECKPOINT_TIMEOUT_SECONDS) is not None:
            return True
    return False


async def _beginning(runtime: Runtime, watermarks: Watermarks, partition: int) -> dict[str, int]:
    found = await watermarks.low([TopicPartition(runtime.source(topic), partition) for topic in runtime.sources])
    return {runtime.source_names[tp.topic]: offset for tp, offset in found.items()}


def _check_versions(runtime: Runtime, checkpoint: StreamsProgress, partition_count: int) -> None:
    where = f"the checkpoint of co-partition {checkpoint.partition}"
    if checkpoint.schemaVersion > PROGRESS_SCHEMA_VERSION:
        raise NewerStateError(
            f"{where} was written by a newer Kordon (schema {checkpoint.schemaVersion}, this one knows "
            f"{PROGRESS_SCHEMA_VERSION}); what it says beyond would be lost. Run that version"
        )
    if checkpoint.policyVersion > runtime.policy_version:
        raise NewerStateError(
            f"{where} was written under policy version {checkpoint.policyVersion}, this worker has version "
            f"{runtime.policy_version}: nodes would be judged by rules that were replaced. Give it the newer file"
        )
    if checkpoint.partitionCount != partition_count:
        raise PartitionCountError(
            f"{where} was written with {checkpoint.partitionCount} partitions, now there are {partition_count}: nodes "
            "belong to other co-partitions now, and their rows and quarantines would be lost to them. Create topics "
            "with the new count under another prefix and fold the log anew"
        )


async def _check_offsets(runtime: Runtime, watermarks: Watermarks, checkpoint: StreamsProgress) -> dict[str, int]:
    partition = checkpoint.partition
    if missing := [topic for topic in runtime.sources if topic not in checkpoint.offsets]:
        raise CheckpointMissingError(
            f"the checkpoint of co-partition {partition} names no offset for {', '.join(missing)}, so it is not known "
            "which of its records were folded"
        )
    sources = {TopicPartition(runtime.source(topic), partition): topic for topic in runtime.sources}
    low, high = await watermarks.low(sources), await watermarks.high(sources)
    for tp, topic in sources.items():
        offset = checkpoint.offsets[topic]
        if offset < low[tp]:
            raise CheckpointOutOfRangeError(
                f"{tp.topic} [{partition}] begins at offset {low[tp]}, the checkpoint stands at {offset}: "
                f"{low[tp] - offset} offsets were deleted before they were folded. What they said of nodes is lost"
            )
        if offset > high[tp]:
            raise CheckpointOutOfRangeError(
                f"{tp.topic} [{partition}] ends at offset {high[tp]}, the checkpoint stands at {offset}: the topic was "
                "created anew or its broker lost data. Records that come below the checkpoint would never be folded"
            )
    return {topic: checkpoint.offsets[topic] for topic in runtime.sources}
