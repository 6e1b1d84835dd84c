"""The risk rows, followed, so that a service notices a quarantine that took a capsule back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, Self

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from kordon.client.errors import NotOpenError
from schemas.codec import DecodeError, decode
from schemas.risk import RISK_SCHEMA_VERSION, RiskRow
from schemas.topics import RISK
from transport.views import NotCaughtUpError, View, ViewFailedError
from transport.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord

    from transport.settings import KafkaSettings

MOST_STALE_SECONDS: Final = 30.0
_FIRST_READ_SECONDS: Final = 120.0


class StaleRowsError(Exception):
    """Nobody can say how the node stands: the rows were not up to date recently, or its row cannot be read."""


class RiskRows:
    """Follows ``node.risk.v1``; an asynchronous context manager whose ``row_of`` a ``CapsuleVerifier`` takes.

    Entered, it has read every row that was committed before. Then, four times within ``most_stale_seconds``, it looks
    whether it is up to date with the topic; when that has not been so for ``most_stale_seconds``, it answers nothing
    more until it is so again. It cannot see whether the worker that writes the rows is behind: that is watched by
    the issuer, which denies meanwhile. It keeps every row in memory.
    """

    def __init__(self, settings: KafkaSettings, *, most_stale_seconds: float = MOST_STALE_SECONDS) -> None:
        self._settings = settings
        self._most_stale_seconds = most_stale_seconds
        self._rows: dict[str, RiskRow | None] = {}
        self._fresh_at: float | None = None
        self._closed = False
        self._failed = False
        self._resources = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect and read every row.

        Raises:
            UnknownTopicOrPartitionError: the topic does not exist.
            KafkaError: no broker can be reached.
            NotCaughtUpError: the rows could not be read within two minutes.
            NotOpenError: it was closed before.
        """
        if self._closed:
            raise NotOpenError.after()
        try:
            await self._open()
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Disconnect."""
        self._closed, self._fresh_at = True, None
        await self._resources.aclose()

    def row_of(self, node_id: str) -> RiskRow | None:
        """Return a node's row as last read, None without one. From any thread.

        Raises:
            StaleRowsError: the rows are not up to date, or this one cannot be read.
            NotOpenError: it is not open.
        """
        fresh_at = self._fresh_at
        if fresh_at is None:
            raise NotOpenError.after() if self._closed else NotOpenError.before()
        if self._failed:
            raise StaleRowsError("the risk rows can be followed no further: open them anew")
        if time.monotonic() - fresh_at > self._most_stale_seconds:
            raise StaleRowsError(f"the risk rows were last up to date {time.monotonic() - fresh_at:.0f} s ago")
        if node_id not in self._rows:
            return None
        row = self._rows[node_id]
        if row is None:
            raise StaleRowsError("the node's risk row cannot be read: was a newer Kordon at work?")
        return row

    async def _open(self) -> None:
        topic = self._settings.topic(RISK)
        watermarks = await self._resources.enter_async_context(Watermarks(self._settings))
        count = await watermarks.partition_count(topic)
        if count == 0:
            raise UnknownTopicOrPartitionError(topic)
        places = [TopicPartition(topic, number) for number in range(count)]
        view = await self._resources.enter_async_context(View(self._settings, places, self._read))
        await self._catch_up(watermarks, places, view, _FIRST_READ_SECONDS)
        watching = asyncio.create_task(self._watch(watermarks, places, view), name="risk rows")
        self._resources.push_async_callback(_end, watching)

    async def _watch(self, watermarks: Watermarks, places: list[TopicPartition], view: View) -> None:
        period = self._most_stale_seconds / 4
        while True:
            await asyncio.sleep(period)
            try:
                async with asyncio.timeout(2 * period):
                    await self._catch_up(watermarks, places, view, 2 * period)
            except (KafkaError, NotCaughtUpError, TimeoutError):
                continue
            except ViewFailedError:
                self._failed = True
                return

    async def _catch_up(
        self, watermarks: Watermarks, places: list[TopicPartition], view: View, timeout_seconds: float
    ) -> None:
        asked_at = time.monotonic()
        await view.caught_up_to(await watermarks.high(places), timeout_seconds)
        self._fresh_at = asked_at

    def _read(self, _place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            node_id = record.key.decode(errors="replace") if record.key is not None else ""
            try:
                row = decode(RiskRow, record.value, RISK)
            except DecodeError:
                self._rows[node_id] = None
            else:
                self._rows[node_id] = row if row.schemaVersion <= RISK_SCHEMA_VERSION else None


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
