"""Reading: polls that become batches, and explicit seeks (names of Faust and aiokafka overridden here: docs/faust.md).

Runs in Faust's consumer thread. Nothing is polled unless the assignment in force was seeked explicitly: aiokafka would
otherwise read from the group's committed offsets, which may have expired or come from nowhere. Each explicit seek of
the whole assignment begins a new epoch.
"""

# ruff: noqa: SLF001 - aiokafka offers no other way; docs/faust.md lists each name, a unit test pins it

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from streams.runtime.batches import Batch, Record, TopicRange
from streams.runtime.errors import ConsumerFailedError
from streams.runtime.topic_watch import TopicWatch
from streams.runtime.topics import require_topics
from transport.client import consumer_arguments
from transport.lean_fetches import fetch_leanly
from transport.lenient_fetches import fetch_leniently

if TYPE_CHECKING:
    from streams.runtime.application import CopartitionedApp

_WAIT_FOR_SEEK_SECONDS = 0.02
_WAIT_FOR_ROOM_SECONDS = 0.01
_LONGEST_STANDSTILL_SECONDS = 30.0
_LONGEST_POLL_PAUSE_MS = 1_800_000
"""Restoring rows may take long, and nothing is polled meanwhile; the member stays in its group by its heartbeats."""

PARTITION_FETCH_BYTES = 1_048_576
"""Bytes fetched ahead of one partition: with it and the bounded buffers a backlog of any size takes bounded memory."""

FETCH_MIN_BYTES = 65_536
"""A broker holds a smaller response back for `transport.client.FETCH_MAX_WAIT_MS` at most. Asked for a single byte, it
answered a fleet of 20,000 records/s two hundred times a second, at 50 records each time: a quarter of the worker's time
(docs/performance.md)."""


Ranges = dict[int, list[TopicRange]]
"""What one poll read, by co-partition."""


class CopartitionConsumerThread(driver.AIOKafkaConsumerThread):
    """The consumer thread: builds the consumer, polls whole co-partitions, seeks."""

    app: CopartitionedApp

    _epoch: int = 0
    _sought_assignment: Any = None
    _polled_at: float = 0.0

    async def on_start(self) -> None:
        """Check the topics before anything asks for them: a question about a missing topic may create it."""
        runtime = self.app.runtime
        await require_topics(runtime.kafka, runtime.topics)
        await super().on_start()

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        runtime = self.app.runtime
        worker = runtime.worker
        arguments = consumer_arguments(runtime.kafka, group_id=runtime.group_id) | {
            "group_instance_id": worker.instance_id,
            "partition_assignment_strategy": [self.app.assignor],
            "session_timeout_ms": worker.session_timeout_ms,
            "heartbeat_interval_ms": worker.heartbeat_interval_ms,
            "rebalance_timeout_ms": worker.rebalance_timeout_ms,
            "max_poll_interval_ms": _LONGEST_POLL_PAUSE_MS,
            "max_partition_fetch_bytes": PARTITION_FETCH_BYTES,
            "fetch_min_bytes": FETCH_MIN_BYTES,
        }
        self._assignor = self.app.assignor
        return AIOKafkaConsumer(**arguments)

    async def seek_assignment(self, positions: Mapping[TP, int]) -> int | None:
        """Seek the whole assignment and begin a new epoch; return it.

        ``None``: a rebalance is under way, so these are not the positions to read from. Another seek follows it.

        Raises:
            ConsumerFailedError: the positions are not those of the assignment although no rebalance is under way.
        """
        epoch: int | None = await self.call_thread(self._seek_assignment, positions)
        return epoch

    async def _seek_assignment(self, positions: Mapping[TP, int]) -> int | None:
        consumer = self._ensure_consumer()
        subscriptions = consumer._subscription
        if subscriptions.reassignment_in_progress:
            return None
        if set(consumer.assignment()) != set(positions):
            if consumer._coordinator.generation != self.app.consumer_generation_id or self.app.runtime.is_taking_over:
                return None
            raise ConsumerFailedError(
                f"this member owns the positions of {len(positions)} partitions, but was assigned "
                f"{len(consumer.assignment())}"
            )
        for tp, offset in positions.items():
            consumer.seek(TopicPartition(tp.topic, tp.partition), offset)
        self._epoch += 1
        self._sought_assignment = subscriptions.subscription.assignment
        return self._epoch

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, list[Batch]]:
        """Return the batches of one poll, each under one of its partitions, after at most ``timeout`` seconds."""
        self._polled_at = time.monotonic()
        deadline = self._polled_at + (timeout or 0.0)
        fetcher = consumer._fetcher
        fetch_leanly(consumer, consecutive=True)
        with fetcher._subscriptions.fetch_context():
            while True:
                self._raise_failure(consumer)
                if not self._may_poll(consumer):
                    await asyncio.sleep(_WAIT_FOR_SEEK_SECONDS)
                    return {}
                epoch = self._epoch
                ranges, unreadable = self._drain(fetcher, active_partitions)
                for tp in unreadable:
                    await self._read_leniently(consumer, tp, ranges)
                remaining = deadline - time.monotonic()
                if ranges or remaining <= 0:
                    return self._batches(ranges, epoch)
                if not fetcher._records.keys() <= active_partitions:
                    # Faust reads no more of what has enough batches waiting, and says so at the next poll only, also
                    # when there is room again: no fetch would wake this one, as the records are here already.
                    await asyncio.sleep(min(remaining, _WAIT_FOR_ROOM_SECONDS))
                    return {}
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait([waiter], timeout=remaining)
                if not done:
                    waiter.cancel()
                    return {}
                waiter.result()

    def _may_poll(self, consumer: AIOKafkaConsumer) -> bool:
        subscriptions = consumer._subscription
        return (
            self.consumer.flow_active
            and subscriptions.subscription is not None
            and subscriptions.subscription.assignment is self._sought_assignment
            and not subscriptions.reassignment_in_progress
        )

    def _drain(self, fetcher: Any, active_partitions: set[TP]) -> tuple[Ranges, list[TopicPartition]]:
        """Take what was fetched, without awaiting; also return the partitions whose next record aiokafka cannot read.

        What aiokafka parsed of those before it raised is read again with the rest.
        """
        limit = self.app.runtime.worker.poll_records
        ranges: Ranges = {}
        unreadable = []
        for tp in list(fetcher._records):
            if tp not in active_partitions:
                continue
            fetched = fetcher._records[tp]
            if not isinstance(fetched, FetchResult):
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
                fetched.check_raise()
                continue
            state = self._sought_assignment.state_value(tp)
            first = state.position
            try:
                records = fetched.getall(limit)
            except (UnicodeDecodeError, CorruptRecordException):
                del fetcher._records[tp]
                unreadable.append(tp)
                continue
            if not fetched.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            self._add(ranges, tp, first, state.position, records)
        return ranges, unreadable

    async def _read_leniently(self, consumer: AIOKafkaConsumer, tp: TopicPartition, ranges: Ranges) -> None:
        """Read past a record that aiokafka cannot parse; a batch that is really corrupt raises here again."""
        epoch, first = self._epoch, self._sought_assignment.state_value(tp).position
        fetched = await fetch_leniently(consumer, tp, first, self.app.runtime.worker.poll_records)
        if self._may_poll(consumer) and epoch == self._epoch:
            # Also drops what was fetched from the old position meanwhile.
            consumer.seek(tp, fetched.position)
            self._add(ranges, tp, first, fetched.position, fetched.records)

    def _add(self, ranges: Ranges, tp: TopicPartition, first: int, stop: int, records: Sequence[Record]) -> None:
        if stop != first:
            topic = self.app.runtime.source_names[tp.topic]
            ranges.setdefault(tp.partition, []).append(TopicRange(topic, first, stop, records))

    def _batches(self, ranges: Ranges, epoch: int) -> dict[TP, list[Batch]]:
        """Make the ranges of each co-partition one batch, under one of its partitions."""
        kafka = self.app.runtime.kafka
        return {
            TP(kafka.topic(found[0].topic), partition): [Batch(partition, epoch, tuple(found))]
            for partition, found in ranges.items()
        }

    def _raise_failure(self, consumer: AIOKafkaConsumer) -> None:
        """Raise what aiokafka's background tasks met: Faust's way of polling would never ask them."""
        if consumer._closed or consumer._fetcher._closed:
            raise self.consumer.consumer_stopped_errors[0]
        consumer._coordinator.check_errors()
        if consumer._fetcher._fetch_task.done():
            raise ConsumerFailedError("aiokafka's fetching task has ended")

    def _may_stand(self, consumer: AIOKafkaConsumer) -> bool:
        """Whether there is a reason to read nothing: a seek is still to come, or there is nothing to read.

        Faust's own flag is not enough: it falls when a take-over was superseded, while the next one goes on.
        """
        return (
            self.app.rebalancing
            or self.app.runtime.is_taking_over
            or consumer._subscription.reassignment_in_progress
            or not consumer.assignment()
        )

    @Service.task
    async def _watch(self) -> None:
        """Look for failures that no poll meets: a group that refuses this member, no poll, other topics."""
        well_at = time.monotonic()
        topics = TopicWatch(self.app.runtime)
        # A poll waits while the buffers are full, at most until a commit has succeeded or failed.
        longest_pause = _LONGEST_STANDSTILL_SECONDS + self.app.runtime.kafka.delivery_timeout_ms / 1000
        async for _ in self.itertimer(1.0, name="kordon-watch"):
            consumer = self._consumer
            if consumer is None or consumer._fetcher is None or consumer._closed:
                continue
            now = time.monotonic()
            if (self._may_poll(consumer) and now - self._polled_at < longest_pause) or self._may_stand(consumer):
                well_at = now
            try:
                self._raise_failure(consumer)
                await topics.check(consumer._client, now)
                if now - well_at > _LONGEST_STANDSTILL_SECONDS:
                    raise ConsumerFailedError("nothing is read although partitions are assigned")  # noqa: TRY301
            except Exception as error:  # noqa: BLE001 - whatever it is, the worker crashes of it
                self.app.runtime.crash_from_thread(error)
                return
