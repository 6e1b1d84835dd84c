"""One Kafka transaction for everything that a co-partition's batch leads to.

`TransactionalWriter` owns a transactional id. Opening it fences whoever owned the id before, and settles
what that owner had left open. A commit then goes through the steps of `Step`, in this order; whatever
happens between two of them, a reader at read_committed sees all of the transaction or nothing of it.

Three facts about brokers and aiokafka shape the order:
- group offsets sent while produce requests of the same transaction are in flight make the broker back off,
  so the produce futures are awaited first;
- the progress record names the offset that the risk topic reached, which is known only then, so it comes
  after the rows and before the group offsets;
- an error in the middle leaves the producer in a state nobody should reason about, so a writer that failed
  once refuses to go on: its owner crashes, and the next owner's `open()` settles the transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced, UnknownTopicOrPartitionError
from aiokafka.structs import RecordMetadata

from transport.client import transactional_producer
from transport.commits import (
    Committed,
    DeliveryTimeoutError,
    OffsetUnknownError,
    Step,
    UnknownPartitionError,
    UnknownTopicError,
    WriterError,
    WriterUnusableError,
)
from transport.outgoing import OutgoingRecord, OutgoingRows, RecordTooLargeError, record_size
from transport.producer_shutdown import stop_producer
from transport.record_batches import Batches, in_batches
from transport.settings import KafkaSettings

__all__ = [
    "Committed",
    "DeliveryTimeoutError",
    "OffsetUnknownError",
    "OutgoingRecord",
    "OutgoingRows",
    "RecordTooLargeError",
    "Step",
    "TransactionalWriter",
    "UnknownPartitionError",
    "UnknownTopicError",
    "WriterError",
    "WriterUnusableError",
    "record_size",
]


class TransactionalWriter:
    """The one writer of a transactional id, such as `kordon.streams-3`; one commit at a time.

    `on_step` is called with each `Step` as it is reached, between the steps, so that a test can end the
    process there.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        on_step: Callable[[Step], None] = lambda _: None,
    ) -> None:
        self.transactional_id = transactional_id
        self._settings = settings
        self._on_step = on_step
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self._failure: BaseException | None = None
        self._closed = False
        self._aborts_on_close = False
        self._closing: frozenset[TopicPartition] = frozenset()

    async def open(self) -> None:
        """Take over the transactional id: this fences the former owner and aborts what it left open.

        Do it before reading any state. Raises DeliveryTimeoutError, or aiokafka's KafkaError.
        """
        if self._producer is not None or self._closed:
            raise WriterUnusableError(f"the writer of {self.transactional_id} can be opened once")
        producer = transactional_producer(self._settings, self.transactional_id)
        try:
            async with asyncio.timeout(self._delivery_timeout_seconds):
                await producer.start()
        except BaseException as error:
            await stop_producer(producer, self._delivery_timeout_seconds)
            if isinstance(error, TimeoutError):
                raise DeliveryTimeoutError(f"taking over {self.transactional_id}: {self._timeout_text}") from error
            raise
        self._producer = producer

    async def partition_count(self, topic: str) -> int:
        """How many partitions `topic` (full name) has, by the client's metadata.

        Raises UnknownTopicError after `request_timeout_ms`; WriterUnusableError.
        """
        try:
            return len(await self._opened().partitions_for(topic))
        except UnknownTopicOrPartitionError:
            raise UnknownTopicError(topic) from None

    def commit(
        self,
        records: Iterable[OutgoingRecord],
        offsets: Mapping[TopicPartition, int],
        group_id: str,
        last: Callable[[Mapping[TopicPartition, int]], Sequence[OutgoingRecord]] = lambda _: (),
        rows: OutgoingRows | None = None,
    ) -> Coroutine[Any, Any, Committed]:
        """Write `rows` and `records`, what `last` returns, then `offsets` of `group_id`, in one transaction.

        Call it and await the result. What is given is copied, and the records are put into batches, before
        this method returns, so nothing that changes while it is awaited gets into the transaction.
        `offsets` are next offsets (the one after the last record done), by full topic name. `last` is given
        the next offset of each partition that `rows` and `records` wrote to; a partition without one is absent.
        Records of one partition keep their order. With no rows, no records, no offsets and nothing from `last({})`
        no transaction is opened.

        Raises RecordTooLargeError at the call; when awaited UnknownPartitionError and UnknownTopicError,
        both before the transaction begins (such a record may be left out and the commit repeated);
        DeliveryTimeoutError, OffsetUnknownError, aiokafka's ProducerFenced (another owner took over) or
        another KafkaError, after which the writer refuses every further commit; WriterUnusableError.
        """
        producer = self._opened()
        batches = in_batches(producer, records, self._settings.max_record_bytes, rows)
        return self._commit(producer, batches, dict(offsets), group_id, last)

    async def is_fenced(self, group_id: str, offset_of: TopicPartition) -> bool:
        """Ask the transaction coordinator whether another owner has opened this transactional id since.

        It looks at the epoch of every request, so a transaction is begun that adds to `group_id` an offset of
        `offset_of` (full topic name), and aborted: no record is written and no offset changes. A crash in between
        leaves what `Step.OFFSETS_SENT` leaves, without records. After a no, nobody else had written under this
        transactional id when the question was asked.

        After a yes the writer refuses every commit. Raises DeliveryTimeoutError, WriterUnusableError, aiokafka's
        KafkaError: there was no answer.
        """
        async with self._lock:
            producer = self._opened()
            try:
                async with asyncio.timeout(self._delivery_timeout_seconds):
                    await producer.begin_transaction()
                    self._aborts_on_close = True
                    await producer.send_offsets_to_transaction({offset_of: 0}, group_id)
                    self._aborts_on_close = False
                    await producer.abort_transaction()
            except BaseException as error:
                self._failure = error
                if isinstance(error, ProducerFenced):
                    return True
                if isinstance(error, TimeoutError):
                    raise DeliveryTimeoutError(
                        f"asking who owns {self.transactional_id}: {self._timeout_text}"
                    ) from error
                raise
            return False

    async def close(self) -> None:
        """Wait for a commit under way, abort an open transaction, disconnect; may be called again."""
        async with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._producer is None:
                return
            if self._aborts_on_close:
                # An abort that fails leaves what a crash leaves: the next owner, or the broker in time,
                # aborts.
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(self._delivery_timeout_seconds):
                        await self._producer.abort_transaction()
            await stop_producer(self._producer, self._delivery_timeout_seconds)

    async def _commit(
        self,
        producer: AIOKafkaProducer,
        batches: Batches,
        offsets: dict[TopicPartition, int],
        group_id: str,
        last: Callable[[Mapping[TopicPartition, int]], Sequence[OutgoingRecord]],
    ) -> Committed:
        async with self._lock:
            self._opened()
            if not batches and not offsets:
                batches = in_batches(producer, last({}), self._settings.max_record_bytes)
                if not batches:
                    return Committed({})
                last = _nothing
            await self._check_partitions(batches)
            try:
                async with asyncio.timeout(self._delivery_timeout_seconds):
                    return await self._transaction(producer, batches, offsets, group_id, last)
            except BaseException as error:
                self._failure = error
                if isinstance(error, TimeoutError):
                    raise DeliveryTimeoutError(
                        f"committing as {self.transactional_id}: {self._timeout_text}"
                    ) from error
                raise

    async def _transaction(
        self,
        producer: AIOKafkaProducer,
        batches: Batches,
        offsets: dict[TopicPartition, int],
        group_id: str,
        last: Callable[[Mapping[TopicPartition, int]], Sequence[OutgoingRecord]],
    ) -> Committed:
        self._on_step(Step.CHECKED)
        await producer.begin_transaction()
        self._aborts_on_close = True
        self._on_step(Step.BEGUN)
        for target in self._closing:
            # What comes last goes where it went before: added with the first records, it takes no question of its own.
            producer._txn_manager.maybe_add_partition_to_txn(target)  # noqa: SLF001 - a test pins the name
        next_offsets = await self._write(producer, batches)
        self._on_step(Step.RECORDS_WRITTEN)
        closing = in_batches(producer, last(dict(next_offsets)), self._settings.max_record_bytes)
        self._closing = frozenset(closing)
        if closing:
            await self._check_partitions(closing)
            next_offsets |= await self._write(producer, closing)
        self._on_step(Step.LAST_WRITTEN)
        if offsets:
            await producer.send_offsets_to_transaction(offsets, group_id)
        self._on_step(Step.OFFSETS_SENT)
        self._aborts_on_close = False
        await producer.commit_transaction()
        self._on_step(Step.COMMITTED)
        return Committed(next_offsets)

    async def _write(self, producer: AIOKafkaProducer, batches: Batches) -> dict[TopicPartition, int]:
        """Send the batches and wait until each is acknowledged; the next offset of every partition."""
        sent: list[tuple[TopicPartition, int, asyncio.Future[Any]]] = []
        for target, builders in batches.items():
            for builder in builders:
                delivery = await producer.send_batch(builder, target.topic, partition=target.partition)
                sent.append((target, builder.record_count(), delivery))
        results = await asyncio.gather(*(delivery for _, _, delivery in sent), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            # Fencing explains the other failures of the same transaction, not the other way round.
            raise next((failure for failure in failures if isinstance(failure, ProducerFenced)), failures[0])
        next_offsets: dict[TopicPartition, int] = {}
        for (target, count, _), result in zip(sent, results, strict=True):
            if not isinstance(result, RecordMetadata) or result.offset < 0:
                raise OffsetUnknownError(f"the broker did not say where it wrote a batch of {target.topic}")
            next_offsets[target] = result.offset + count
        return next_offsets

    async def _check_partitions(self, batches: Batches) -> None:
        for target in batches:
            partitions = await self.partition_count(target.topic)
            if not 0 <= target.partition < partitions:
                raise UnknownPartitionError(target.topic, target.partition, partitions)

    def _opened(self) -> AIOKafkaProducer:
        if self._producer is None or self._closed:
            raise WriterUnusableError(f"the writer of {self.transactional_id} is not open")
        if self._failure is not None:
            raise WriterUnusableError(f"the writer of {self.transactional_id} has failed before") from self._failure
        return self._producer

    @property
    def _delivery_timeout_seconds(self) -> float:
        return self._settings.delivery_timeout_ms / 1000

    @property
    def _timeout_text(self) -> str:
        return f"not done within delivery_timeout_ms = {self._settings.delivery_timeout_ms}"


def _nothing(next_offsets: Mapping[TopicPartition, int]) -> Sequence[OutgoingRecord]:
    del next_offsets
    return ()
