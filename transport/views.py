"""Reading partitions as state: to the high watermark once, or followed for as long as a service lives.

A reader is caught up with an offset when its position has reached it. Seeing a record is no measure of
that: aborted records and transaction markers have offsets and are never delivered, so the last record may
be well before the end.

Records are handed over in batches, as they were fetched, because a restore reads hundreds of thousands of
rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import NoReturn, Self

from aiokafka import ConsumerRecord, TopicPartition

from transport.committed_reader import NotCaughtUpError, OnBatch, behind, committed_reader
from transport.polling import check_fetching
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks, high_watermark

__all__ = [
    "NotCaughtUpError",
    "OnBatch",
    "View",
    "ViewFailedError",
    "check_fetching",
    "high_watermark",
    "last_record",
    "last_records",
    "read_to_high_watermark",
]


class ViewFailedError(Exception):
    """A followed view has stopped; its cause says why.

    The state it fed is not fresh and its owner must not go on.
    """


async def read_to_high_watermark(
    settings: KafkaSettings,
    partitions: Collection[TopicPartition],
    on_batch: OnBatch,
    *,
    start: Mapping[TopicPartition, int] | None = None,
    timeout_seconds: float,
    leanly: bool = False,
) -> Mapping[TopicPartition, int]:
    """Read committed records up to the high watermark as of this call.

    It begins at `start`, where absent at the first record kept. Returns the position reached in each partition, which
    is at or above that high watermark. Fence the writers of the partitions before: then there is nothing that could
    still be committed below it. `leanly` is for long logs: `on_batch` is given records without topic and partition.

    Raises NotCaughtUpError; aiokafka's OffsetOutOfRangeError if a `start` is no longer kept, or another
    KafkaError; what `on_batch` raises.
    """
    async with committed_reader(settings, partitions, start, leanly=leanly) as reader:
        async with Watermarks(settings) as watermarks:
            goals = await watermarks.high(partitions)
        try:
            async with asyncio.timeout(timeout_seconds):
                while behind(reader.positions, goals):
                    await reader.poll(on_batch)
        except TimeoutError:
            raise NotCaughtUpError(behind(reader.positions, goals), timeout_seconds) from None
        return dict(reader.positions)


async def last_record(
    settings: KafkaSettings, partition: TopicPartition, *, timeout_seconds: float, first_look: int = 256
) -> ConsumerRecord | None:
    """The last committed record of one partition; as `last_records`."""
    found = await last_records(settings, [partition], timeout_seconds=timeout_seconds, first_look=first_look)
    return found.get(partition)


async def last_records(
    settings: KafkaSettings,
    partitions: Collection[TopicPartition],
    *,
    timeout_seconds: float,
    first_look: int = 256,
) -> Mapping[TopicPartition, ConsumerRecord]:
    """The last committed record below the high watermark of each partition; one that holds none is absent.

    It looks `first_look` offsets back from the end and, as long as it finds only markers and aborted
    records, eight times as far again: a checkpoint topic holds a month of records, of which only the last
    counts. All partitions are looked at together, as a connection costs more than a look.

    Raises as `read_to_high_watermark`; `timeout_seconds` bounds each look.
    """
    async with Watermarks(settings) as watermarks:
        low, high = await watermarks.low(partitions), await watermarks.high(partitions)
    found: dict[TopicPartition, ConsumerRecord] = {}

    def keep_last(partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        found[partition] = records[-1]

    distance = first_look
    wanted = [partition for partition in partitions if low[partition] < high[partition]]
    while wanted:
        begins = {partition: max(low[partition], high[partition] - distance) for partition in wanted}
        # The first look starts where retention may delete meanwhile; without a start the reader begins
        # where it is.
        start = {partition: begin for partition, begin in begins.items() if begin > low[partition]}
        await read_to_high_watermark(settings, wanted, keep_last, start=start, timeout_seconds=timeout_seconds)
        wanted = [partition for partition in wanted if partition not in found and partition in start]
        distance *= 8
    return found


class View:
    """Partitions of topics, followed at read_committed into a callback until it is closed.

    It begins at `start`, where absent at the first record kept. If following fails (an offset is no longer
    kept, the broker refuses, `on_batch` raises), every `caught_up` raises ViewFailedError and so does
    `failed`, which the owner awaits beside its work, in a task group for instance. A broker that does not
    answer is no failure: aiokafka tries again, and `caught_up` times out meanwhile.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        partitions: Collection[TopicPartition],
        on_batch: OnBatch,
        *,
        start: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        if not partitions:
            raise ValueError("a view follows at least one partition")
        self._settings = settings
        self._partitions = frozenset(partitions)
        self._on_batch = on_batch
        self._start = start
        self._positions: Mapping[TopicPartition, int] = {}
        self._advanced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and begin to follow. Raises ViewFailedError if that is not possible."""
        self._task = asyncio.create_task(self._follow(), name="view")
        await self._wait_for_advance()
        self._raise_if_ended()

    async def close(self) -> None:
        """Stop following. Failures that nobody asked about are dropped: the view is no longer needed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.exception()

    def position(self, partition: TopicPartition) -> int:
        """The next offset: every committed record below it was handed over. Raises KeyError: not followed."""
        return self._positions[partition]

    async def caught_up(self, partition: TopicPartition, offset: int, timeout_seconds: float) -> None:
        """Wait until the position in `partition` is at or above `offset`, a high watermark for instance.

        Raises NotCaughtUpError after `timeout_seconds`; ViewFailedError.
        """
        await self.caught_up_to({partition: offset}, timeout_seconds)

    async def caught_up_to(self, offsets: Mapping[TopicPartition, int], timeout_seconds: float) -> None:
        """Wait until every position is at or above its offset; as `caught_up`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                self._raise_if_ended()
                while behind(self._positions, offsets):
                    await self._wait_for_advance()
                    self._raise_if_ended()
        except TimeoutError:
            raise NotCaughtUpError(behind(self._positions, offsets), timeout_seconds) from None

    async def failed(self) -> NoReturn:
        """Wait until following fails. Raises ViewFailedError then, and never returns."""
        self._raise_if_ended()
        assert self._task is not None
        await asyncio.wait({self._task})
        self._raise_if_ended()
        raise AssertionError("a task that is done raises above")

    async def __aenter__(self) -> Self:
        """Open."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def _follow(self) -> None:
        async with committed_reader(self._settings, self._partitions, self._start) as reader:
            while True:
                self._advance(reader.positions)
                await reader.poll(self._on_batch)

    def _advance(self, positions: Mapping[TopicPartition, int]) -> None:
        if positions != self._positions:
            self._positions = dict(positions)
            advanced, self._advanced = self._advanced, asyncio.get_running_loop().create_future()
            advanced.set_result(None)

    async def _wait_for_advance(self) -> None:
        """Wait until a position has changed or following has ended."""
        assert self._task is not None
        await asyncio.wait({self._task, self._advanced}, return_when=asyncio.FIRST_COMPLETED)

    def _raise_if_ended(self) -> None:
        if self._task is None or self._task.cancelled():
            raise ViewFailedError("the view is not open")
        if self._task.done():
            raise ViewFailedError("the view has stopped following") from self._task.exception()
