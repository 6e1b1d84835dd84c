"""Kafka followed into the ledger: poll, write, poll again.

The writing is done in a thread, so that the client fetches the next batch meanwhile. Positions move over transaction
markers and aborted records too, and are written with the records that were read on the way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from kordon.ledger.origin import Offsets, check, look
from kordon.ledger.retention import prune
from kordon.ledger.settings import LedgerSettings
from kordon.ledger.writer import LedgerWriter
from transport.client import consumer_arguments
from transport.polling import poll
from transport.settings import KafkaSettings

POLL_MS: Final = 100

OnWritten = Callable[[int, int], None]
"""Called after each transaction with the records written and the offsets passed, markers included."""

_log: Final = structlog.get_logger("kordon.ledger")


def _silent(_records: int, _offsets: int) -> None:
    pass


class Follower:
    """Reads on from ``positions``, full topic names, into a writer whose ledger stands there."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: LedgerSettings,
        writer: LedgerWriter,
        positions: Offsets,
        on_written: OnWritten = _silent,
    ) -> None:
        self.positions = dict(positions)
        self._kafka = kafka
        self._settings = settings
        self._writer = writer
        self._on_written = on_written

    async def read_to(self, goals: Offsets) -> None:
        """Read until every position has reached its goal; raises as :meth:`follow`."""
        async with self._consumer() as consumer:
            while any(self.positions[place] < goal for place, goal in goals.items()):
                await self._step(consumer)

    async def follow(self, stopping: asyncio.Event) -> None:
        """Read until told to stop, looking now and then whether the topics are the same, and pruning.

        A broker that does not answer is waited for.

        Raises:
            PositionLostError: the topics no longer hold what comes next, or were created anew.
            NewerRecordError: a record is of a newer schema.
            KafkaError: the broker refuses.
        """
        checked = pruned = time.monotonic()
        await self._prune()
        async with self._consumer() as consumer:
            while not stopping.is_set():
                await self._step(consumer)
                now = time.monotonic()
                if now - checked >= self._settings.check_interval_seconds:
                    checked = now
                    await self._check()
                if now - pruned >= self._settings.prune_interval_minutes * 60:
                    pruned = now
                    await self._prune()

    async def _step(self, consumer: AIOKafkaConsumer) -> None:
        """Write one batch with the positions behind it. A crash anywhere in here leaves the ledger before or after."""
        reached = dict(self.positions)
        try:
            batches = await poll(consumer, reached, timeout_ms=POLL_MS, max_records=self._settings.batch_records)
        except OffsetOutOfRangeError:
            check(self._writer.database, await look(self._kafka), self.positions)
            raise
        moved = {place: offset for place, offset in reached.items() if offset != self.positions[place]}
        if moved:
            # A cancelled wait must not close the file under the thread that writes it.
            writing = asyncio.ensure_future(asyncio.to_thread(self._writer.write, batches, moved))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait({writing})
                raise
            passed = sum(offset - self.positions[place] for place, offset in moved.items())
            self.positions = reached
            self._on_written(sum(map(len, batches.values())), passed)

    async def _check(self) -> None:
        try:
            origin = await look(self._kafka)
        except KafkaError as error:
            _log.warning("ledger.unchecked", reason=f"{type(error).__name__}: {error}")
            return
        check(self._writer.database, origin, self.positions)

    async def _prune(self) -> None:
        pruned = await asyncio.to_thread(prune, self._writer.database, self._settings, time.time_ns() // 1_000_000)
        if any(pruned.values()):
            _log.info("ledger.pruned", **{table: count for table, count in pruned.items() if count})

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(**consumer_arguments(self._kafka))
        try:
            await consumer.start()
            # aiokafka's `stop` raises CancelledError while a task that `start` made has not run yet.
            await asyncio.sleep(0)
            consumer.assign(list(self.positions))
            for place, offset in self.positions.items():
                consumer.seek(place, offset)
            yield consumer
        finally:
            await consumer.stop()
