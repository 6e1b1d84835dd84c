"""Taking co-partitions, in steps. No step writes a record, so a crash at any of them loses and doubles nothing.

Each step's name is that of the model's action (docs/model).

1. FENCED: ``InitProducerId`` of the co-partition's transactional id gives out a new producer epoch. The coordinator
   aborts what the former owner left open, or finishes a commit that was decided, before it answers. From here on nobody
   else writes rows, outputs or progress of this co-partition. (Kafka Streams fences a task by the group's generation,
   KIP-447; aiokafka sends none, hence an id for each co-partition.)
   A crash here leaves the former owner fenced: it crashes at its next commit, if it lives. The next owner fences anew.
2. ROWS_RESTORED: the changelog partition was read to the high watermark, which waits for every open transaction in
   front; the last stable offset would pass over what is committed behind one. It comes after the fence: before it, the
   former owner could still commit rows behind our back.
   A crash from here to step 5 leaves what step 1 left: what was read was in memory only.
3. CHECKPOINT_FOUND: the last progress record of this co-partition, likewise up to the high watermark.
4. CHECKPOINT_CHECKED: without one, nothing was ever committed, so the fold starts at the beginning of the source
   topics. With one: written by this version or an older one, under this policy or an older one, with the same
   partition count and topics (by Kafka's ids), naming an offset for every source topic that the topic still holds (or
   has just reached), and rows up to an offset that the changelog has reached.
   What cannot be squared is a :class:`~streams.runtime.errors.RefusedError` that says what would be lost; nothing has
   been written, so it is refused again until a person decides. But first, FENCE_ASKED: does this process still own the
   co-partition? The coordinator is asked, in a transaction without records that is aborted. A process that was paused
   may have read half of it before its successor's commits and half after them; then it crashes
   (:class:`~streams.runtime.errors.OvertakenError`), and takes over again.
5. HANDED_OVER: a :class:`~streams.runtime.copartition.Copartition` stands at the checkpoint, and commits on its
   interval from now on. The consumer then seeks to it explicitly (SOUGHT, ``Consumer.perform_seek``); the group's
   committed offsets are for monitoring only. A crash here is a crash between two commits.

A process that was paused meanwhile may take these steps although the group has named another owner. It then fences that
owner, who crashes and takes over again; or it is fenced itself, read what two owners wrote, and can commit none of it
nor refuse because of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from aiokafka import ConsumerRecord, TopicPartition

from schemas.codec import DecodeError, decode
from schemas.progress import StreamsProgress
from streams.runtime.checkpoints import Positions, positions_at
from streams.runtime.copartition import Copartition
from streams.runtime.errors import (
    CheckpointMissingError,
    OvertakenError,
    RefusedError,
    UnreadableStateError,
)
from streams.runtime.lag import Lag
from streams.runtime.table import Table
from streams.runtime.topics import require_same_ids
from transport.views import last_record, read_to_high_watermark
from transport.watermarks import Watermarks
from transport.writer import TransactionalWriter

if TYPE_CHECKING:
    from streams.runtime.runtime import Runtime

RESTORE_TIMEOUT_SECONDS = 600.0
"""For the rows of all co-partitions taken at once; about a hundred million rows."""

CHECKPOINT_TIMEOUT_SECONDS = 60.0
TAIL_OFFSETS = 256
"""The last progress record is usually among the last two; the others are markers."""

_log = structlog.get_logger("kordon.streams")


async def take_over(
    runtime: Runtime, partitions: Collection[int], partition_count: int
) -> dict[int, Copartition[Table]]:
    """Take co-partitions over and return them, ready to be sought and folded.

    They are taken together: a connection costs more than reading the rows of an idle partition.

    Raises:
        RefusedError: a person has to decide first; the text says about what.
        OvertakenError: another owner took over meanwhile; crash and take over again.
        WriterError, KafkaError, NotCaughtUpError: the broker does not answer as it should; crash and try again.
    """
    began = time.monotonic()
    writers = {partition: runtime.new_writer(partition) for partition in sorted(partitions)}
    try:
        async with asyncio.TaskGroup() as tasks:
            for writer in writers.values():
                tasks.create_task(writer.open())  # 1. FENCED
        try:
            taken = await _restore(runtime, writers, partition_count)
        except RefusedError as refusal:
            await _require_owned(runtime, writers, refusal)  # FENCE_ASKED
            raise
    except BaseException as error:
        await asyncio.gather(*(writer.close() for writer in writers.values()), return_exceptions=True)
        if isinstance(error, BaseExceptionGroup):
            raise error.exceptions[0] from None  # the others failed of the same, or were cancelled
        raise
    milliseconds = round((time.monotonic() - began) * 1000)
    for partition, copartition in taken.items():
        _log.info("copartition.taken", partition=partition, offsets=copartition.positions, milliseconds=milliseconds)
    return taken


async def _restore(
    runtime: Runtime, writers: Mapping[int, TransactionalWriter], partition_count: int
) -> dict[int, Copartition[Table]]:
    tables = {partition: runtime.new_table(partition) for partition in writers}
    await _restore_rows(runtime, tables)  # 2. ROWS_RESTORED
    async with Watermarks(runtime.kafka) as watermarks:
        checkpoints = await _read_checkpoints(runtime, watermarks, writers)  # 3. CHECKPOINT_FOUND
        topic_ids = await _topic_ids(runtime, watermarks)
        for checkpoint in checkpoints.values():
            # What a checkpoint without ids was written for is not known.
            require_same_ids((checkpoint and checkpoint.topicIds) or {}, topic_ids)
        positions = await _positions(runtime, watermarks, checkpoints, partition_count)  # 4. CHECKPOINT_CHECKED
    taken = {}
    for partition, writer in writers.items():
        checkpoint = checkpoints[partition]
        since = 0 if checkpoint is None else checkpoint.at - checkpoint.lagMillis
        taken[partition] = Copartition(
            partition,
            partition_count,
            tables[partition],
            positions[partition],
            0 if checkpoint is None else checkpoint.riskEnd,
            Lag(tuple(runtime.sources), since, runtime.read_mark_of(partition)),
            writer,
            runtime,
            topic_ids,
        )
    return taken


async def _require_owned(runtime: Runtime, writers: Mapping[int, TransactionalWriter], refusal: RefusedError) -> None:
    """Let a refusal stand only if nobody else has written while its reason was read.

    All are asked, as a refusal may be about any of them. The one who is overtaken in one and right about another
    refuses at its next take-over.
    """
    source = runtime.source(runtime.sources[0])
    answers = await asyncio.gather(
        *(writer.is_fenced(runtime.group_id, TopicPartition(source, p)) for p, writer in writers.items())
    )
    if fenced := [partition for partition, is_fenced in zip(writers, answers, strict=True) if is_fenced]:
        raise OvertakenError(
            f"another worker took over co-partitions {fenced} during this take-over, so what was read is no state of "
            f"theirs ({type(refusal).__name__}: {refusal}). A restart reads it anew"
        ) from refusal


async def _topic_ids(runtime: Runtime, watermarks: Watermarks) -> dict[str, str]:
    """Return Kafka's ids of the source topics and the changelog, by name without prefix; none if it has no ids."""
    ids = await watermarks.topic_ids(runtime.watched)
    return {runtime.kafka.without_prefix(topic): topic_id for topic, topic_id in ids.items()}


async def _restore_rows(runtime: Runtime, tables: Mapping[int, Table]) -> None:
    def restore(tp: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        table = tables[tp.partition]
        for record in records:
            table.restore(record.key, record.value)

    changelog = [TopicPartition(runtime.changelog, partition) for partition in tables]
    await read_to_high_watermark(
        runtime.kafka, changelog, restore, timeout_seconds=RESTORE_TIMEOUT_SECONDS, leanly=True
    )
    steps = [table.gather_restored for table in tables.values()] + [table.check_restored for table in tables.values()]
    for step in steps:
        step()
        # Many rows take a while, and heartbeats must go out meanwhile.
        await asyncio.sleep(0)


async def _read_checkpoints(
    runtime: Runtime, watermarks: Watermarks, partitions: Collection[int]
) -> dict[int, StreamsProgress | None]:
    """Return the last progress record of each co-partition, ``None`` where none was ever committed."""
    topic = [TopicPartition(runtime.progress_topic, partition) for partition in partitions]
    low, high = await watermarks.low(topic), await watermarks.high(topic)
    found: dict[int, ConsumerRecord | None] = {}

    def keep_last(tp: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        found[tp.partition] = records[-1]

    if written := [tp for tp in topic if low[tp] < high[tp]]:
        tails = {tp: max(low[tp], high[tp] - TAIL_OFFSETS) for tp in written}
        await read_to_high_watermark(
            runtime.kafka, written, keep_last, start=tails, timeout_seconds=CHECKPOINT_TIMEOUT_SECONDS
        )
    for tp in written:
        if tp.partition not in found:  # aborted transactions alone: look further back
            found[tp.partition] = await last_record(
                runtime.kafka, tp, timeout_seconds=CHECKPOINT_TIMEOUT_SECONDS, first_look=8 * TAIL_OFFSETS
            )
    return {partition: _checkpoint_of(runtime, partition, found.get(partition)) for partition in partitions}


def _checkpoint_of(runtime: Runtime, partition: int, record: ConsumerRecord | None) -> StreamsProgress | None:
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


async def _positions(
    runtime: Runtime,
    watermarks: Watermarks,
    checkpoints: Mapping[int, StreamsProgress | None],
    partition_count: int,
) -> dict[int, Positions]:
    """Return where each co-partition's fold begins: at its checkpoint, or at the beginning if it has none."""
    new = [partition for partition, checkpoint in checkpoints.items() if checkpoint is None]
    await _require_untouched(runtime, watermarks, new)
    sources = [
        TopicPartition(runtime.source(topic), partition) for topic in runtime.sources for partition in checkpoints
    ]
    changelog = [TopicPartition(runtime.changelog, partition) for partition in checkpoints]
    low, high = await watermarks.low(sources), await watermarks.high([*sources, *changelog])
    positions: dict[int, Positions] = {}
    for partition, checkpoint in checkpoints.items():
        if checkpoint is None:
            positions[partition] = {
                topic: low[TopicPartition(runtime.source(topic), partition)] for topic in runtime.sources
            }
        else:
            positions[partition] = positions_at(runtime, checkpoint, partition_count, low, high)
    return positions


async def _require_untouched(runtime: Runtime, watermarks: Watermarks, partitions: Collection[int]) -> None:
    """Allow a start at the beginning only where nothing was ever committed.

    Aborted records do not count: a first commit that failed left nothing. What retention has deleted counts.
    """
    topics = (runtime.progress_topic, runtime.changelog, *runtime.outputs)
    written = [TopicPartition(topic, partition) for topic in topics for partition in partitions]
    low, high = await watermarks.low(written), await watermarks.high(written)
    for tp in written:
        if low[tp] > 0 or (high[tp] > 0 and await _holds_a_record(runtime, tp)):
            raise CheckpointMissingError(
                f"co-partition {tp.partition} has no progress record, but something was written to {tp.topic}, so it "
                "is not known which records were folded. Folding from the beginning would repeat transitions and count "
                "records twice; folding from the end would lose what was not folded yet. Restore "
                f"{runtime.progress_topic}, or delete and create again the topics that the worker writes"
            )


async def _holds_a_record(runtime: Runtime, tp: TopicPartition) -> bool:
    return await last_record(runtime.kafka, tp, timeout_seconds=CHECKPOINT_TIMEOUT_SECONDS) is not None
