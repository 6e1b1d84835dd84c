"""One co-partition in this worker's hands: its rows, where its fold stands, and the commits that make both durable.

Folding (synchronous) and committing (asynchronous) take turns on one event loop. What a commit writes is a snapshot:
rows as bytes, outputs, offsets and batches are taken in one go without awaiting, so they belong together whatever is
folded while the transaction is on its way.

The checkpoint, in steps; each step's name is that of the model's action (docs/model):

0. SNAPSHOT_TAKEN, in :meth:`Copartition._commit`: what is folded is in memory, as bytes for the transaction. A crash
   leaves the last checkpoint, from which the next owner folds the same again. (Kafka Streams flushes its stores
   between two records, so nothing is folded meanwhile. Here folding goes on, and one ``await`` inside this step would
   mix rows of the next commit into this one.)
1. CHECKED, 2. BEGUN, 3. RECORDS_WRITTEN, 4. LAST_WRITTEN, 5. OFFSETS_SENT, 6. COMMITTED:
   :class:`transport.commits.Step` says what a crash at each leaves. An owner whose successor has fenced meets
   ``ProducerFenced`` on its way to any of 3 to 6: the worker crashes, and nothing of the transaction is visible.

A failed commit is never tried again: whether the broker decided it is not known, and its rows are no longer marked as
changed. The worker crashes, and the next take-over finds out.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol

from aiokafka import TopicPartition

from schemas.codec import encode
from schemas.progress import PROGRESS_SCHEMA_VERSION, StreamsProgress
from schemas.progress import Batch as FoldedBatch
from schemas.timestamp import Timestamp
from streams.runtime.batches import Batch
from streams.runtime.errors import BrokenChainError, BrokenFoldError, PartitionCountError
from streams.runtime.intervals import CommitIntervals
from streams.runtime.lag import Lag
from streams.runtime.table import TableT
from streams.runtime.topics import require_same_ids
from transport.outgoing import OutgoingRecord, OutgoingRows
from transport.writer import TransactionalWriter


class Commitment(Protocol):
    """What every commit of this worker has in common; see :class:`streams.runtime.runtime.Runtime`."""

    @property
    def group_id(self) -> str: ...  # noqa: D102

    @property
    def changelog(self) -> str: ...  # noqa: D102

    @property
    def progress_topic(self) -> str: ...  # noqa: D102

    @property
    def policy_version(self) -> int: ...  # noqa: D102

    def source(self, topic: str) -> str: ...  # noqa: D102


class Copartition(Generic[TableT]):
    """A co-partition that this worker owns, from take-over to loss.

    ``positions`` is the next offset to fold of every source topic (without prefix). ``outputs`` collects what the fold
    writes beside rows; records for any topic and partition are allowed. ``topic_ids`` are Kafka's ids of the source
    topics and the changelog as of the take-over, by name without prefix: a successor compares them.
    """

    def __init__(
        self,
        partition: int,
        partition_count: int,
        table: TableT,
        positions: Mapping[str, int],
        risk_end: int,
        lag: Lag,
        writer: TransactionalWriter,
        commitment: Commitment,
        topic_ids: Mapping[str, str] | None = None,
    ) -> None:
        self.partition = partition
        self.partition_count = partition_count
        self.table = table
        self.positions = dict(positions)
        self.outputs: list[OutgoingRecord] = []
        self.lag = lag
        self.uncommitted = 0
        self._risk_end = risk_end
        self._writer = writer
        self._commitment = commitment
        self._topic_ids = dict(topic_ids) if topic_ids else None
        self._batches: list[FoldedBatch] = []
        self._committed_positions = dict(positions)
        self._committed_at = 0.0
        self._broken = False
        self._suspended = False
        self._committing = asyncio.Lock()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_urgent = asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None

    def fold(self, batch: Batch, function: Callable[[Copartition[TableT], Batch], None]) -> None:
        """Fold a batch whole, or break this co-partition.

        Raises:
            BrokenChainError: the batch does not begin where the fold stands.
            BrokenFoldError: ``function`` raised.
        """
        self._refuse_if_broken()
        self._broken = True
        self._check_chain(batch)
        try:
            function(self, batch)
        except Exception as error:
            raise BrokenFoldError(f"co-partition {self.partition}: a batch could not be folded: {error!r}") from error
        folded: FoldedBatch = {}
        for found in batch.ranges:
            self.positions[found.topic] = found.stop
            if found.records:
                folded[found.topic] = (found.first, found.stop)
                self.uncommitted += len(found.records)
                self.lag.folded(found.topic, found.records[-1].timestamp)
        if folded:
            self._batches.append(folded)
        self._broken = False

    def _check_chain(self, batch: Batch) -> None:
        for found in batch.ranges:
            expected = self.positions[found.topic]
            if found.first != expected or found.stop < found.first:
                raise BrokenChainError(
                    f"{found.topic} [{self.partition}]: the fold stands at {expected}, but a batch came that holds "
                    f"[{found.first}, {found.stop})"
                )
            records = found.records
            if records and not found.first <= records[0].offset <= records[-1].offset < found.stop:
                raise BrokenChainError(
                    f"{found.topic} [{self.partition}]: a batch of [{found.first}, {found.stop}) came with the records "
                    f"{records[0].offset} to {records[-1].offset}"
                )

    def require_count(self, partitions: int) -> None:
        """Refuse to go on once the topics have another partition count than at the take-over.

        Raises:
            PartitionCountError: they have ``partitions`` now.
        """
        if partitions != self.partition_count:
            raise PartitionCountError(
                f"co-partition {self.partition} was taken with {self.partition_count} partitions, now there are "
                f"{partitions}: nodes belong to other co-partitions now, and their rows and quarantines would be lost "
                "to them. Create topics with the new count under another prefix and fold the log anew"
            )

    def require_ids(self, topic_ids: Mapping[str, str]) -> None:
        """Refuse to go on once a topic (name without prefix) is another one than at the take-over.

        Raises:
            CheckpointOutOfRangeError: one was created anew.
        """
        require_same_ids(self._topic_ids or {}, topic_ids)

    async def room(self, most: int) -> None:
        """Wait until at most ``most`` records are folded but not committed."""
        while self.uncommitted > most:
            self._has_room.clear()
            await self._has_room.wait()

    def hasten(self) -> None:
        """Let the next commit begin sooner (:class:`CommitIntervals`): somebody waits for what was folded."""
        self._is_urgent.set()

    def suspend(self) -> None:
        """Let nothing be committed on the interval until :meth:`resume`.

        Between two assignments somebody else may become the owner, who would fence a commit of ours.
        """
        self._suspended = True

    def resume(self) -> None:
        """Commit on the interval again."""
        self._suspended = False

    def start(self, intervals: CommitIntervals) -> asyncio.Task[None]:
        """Begin to commit what there is, at ``intervals``, and progress without news.

        The longer interval of a fold that lags behind ends as soon as it has caught up, and does not keep who waits
        for :meth:`room`. The returned task ends when a commit fails, with its exception, or when it is cancelled by
        :meth:`close`.
        """
        self._ticker = asyncio.create_task(
            self._keep_committing(intervals), name=f"commits of co-partition {self.partition}"
        )
        return self._ticker

    async def _keep_committing(self, intervals: CommitIntervals) -> None:
        took = 0.0
        while True:
            in_any_case, unless_urgent = intervals.pauses(took)
            await asyncio.sleep(in_any_case)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(unless_urgent):
                    await self._is_urgent.wait()
            took = 0.0
            if self._has_room.is_set() and intervals.may_wait(
                time.monotonic() - self._committed_at,
                self.lag.millis(self.positions),
                self.uncommitted,
                len(self.table.changed),
            ):
                continue
            async with self._committing:
                due = self._has_news() or time.monotonic() - self._committed_at >= intervals.progress
                if due and not self._suspended:
                    began = time.monotonic()
                    await self._commit()
                    took = time.monotonic() - began

    def _has_news(self) -> bool:
        return bool(self._batches or self.outputs)

    async def commit_pending(self) -> None:
        """Commit what was folded, suspended or not, after the commit under way; without news do nothing."""
        async with self._committing:
            if self._has_news():
                await self._commit()

    async def close(self) -> None:
        """Give up the writer after the commit under way; nothing more is committed."""
        async with self._committing:
            self._broken = True
            if self._ticker is not None:
                # It sleeps or waits for the lock: a commit is never cancelled half-way.
                self._ticker.cancel()
        await self._writer.close()

    async def _commit(self) -> None:
        """Write one transaction: rows, outputs, progress, offsets. Raises what the writer raises."""
        self._refuse_if_broken()
        partition, commitment = self.partition, self._commitment
        # 0. SNAPSHOT_TAKEN: nothing is awaited from here until `commit` has taken copies.
        rows = OutgoingRows(commitment.changelog, partition, self.table.take_changes())
        positions = dict(self.positions)
        moved = {
            TopicPartition(commitment.source(topic), partition): position
            for topic, position in positions.items()
            if position != self._committed_positions.get(topic)
        }
        batches, outputs = tuple(self._batches), self.outputs
        lag_millis = self.lag.millis(positions)
        commit = self._writer.commit(
            outputs,
            moved,
            commitment.group_id,
            lambda ends: self._progress(ends, positions, batches, lag_millis),
            rows,
        )
        self._batches, self.outputs, self.uncommitted = [], [], 0
        self._has_room.set()
        self._is_urgent.clear()
        # The snapshot ends; 1. CHECKED to 6. COMMITTED are the writer's.
        await commit
        self._committed_positions = positions
        self._committed_at = time.monotonic()

    def _progress(
        self,
        ends: Mapping[TopicPartition, int],
        positions: dict[str, int],
        batches: tuple[FoldedBatch, ...],
        lag_millis: int,
    ) -> Sequence[OutgoingRecord]:
        commitment = self._commitment
        self._risk_end = ends.get(TopicPartition(commitment.changelog, self.partition), self._risk_end)
        progress = StreamsProgress(
            schemaVersion=PROGRESS_SCHEMA_VERSION,
            partition=self.partition,
            at=Timestamp(time.time_ns() // 1_000_000),
            offsets=positions,
            partitionCount=self.partition_count,
            batches=batches,
            riskEnd=self._risk_end,
            lagMillis=lag_millis,
            policyVersion=commitment.policy_version,
            topicIds=self._topic_ids,
        )
        return (OutgoingRecord(commitment.progress_topic, self.partition, None, encode(progress)),)

    def _refuse_if_broken(self) -> None:
        if self._broken:
            raise BrokenFoldError(f"co-partition {self.partition} holds a half-folded batch")
