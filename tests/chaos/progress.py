"""Follows both services' progress records as any reader at read_committed does, and notes when each came."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.codec import decode
from schemas.progress import IssuerProgress, StreamsProgress
from schemas.topics import ISSUER_PROGRESS, STREAMS_PROGRESS
from transport.client import consumer_arguments
from transport.settings import KafkaSettings

TOPICS = {STREAMS_PROGRESS: "streams", ISSUER_PROGRESS: "issuer"}
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Commit:
    """A committed transaction of a service's co-partition.

    ``at`` is the writer's clock, ms since 1970 (all processes run on this machine). ``news``: it answered or folded
    records, and is not only a sign of life.
    """

    at: int
    news: bool


Place = tuple[str, int]
"""Service (``streams`` or ``issuer``) and co-partition."""


class ProgressFollower:
    """Use as ``async with``. ``offsets`` is each place's last checkpoint, ``commits`` all of its commits in order."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self.places: tuple[Place, ...] = tuple((kind, p) for kind in TOPICS.values() for p in range(kafka.partitions))
        self.commits: dict[Place, list[Commit]] = {place: [] for place in self.places}
        self.offsets: dict[Place, dict[str, int]] = {place: {} for place in self.places}
        self._positions = {
            TopicPartition(kafka.topic(topic), p): 0 for topic in TOPICS for p in range(kafka.partitions)
        }

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="progress follower")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def news_from(self, places: Collection[Place], since: int, seconds: float) -> int:
        """Wait for a commit with news, made after ``since`` (ms since 1970), of every place; return when the last was.

        Raises:
            TimeoutError: some had none; the text names them.
        """
        deadline = time.monotonic() + seconds
        while True:
            first = {place: self._first_news(place, since) for place in places}
            missing = sorted(place for place, at in first.items() if at is None)
            if not missing:
                return max((at for at in first.values() if at is not None), default=since)
            if self._task.done():
                self._task.result()
            if time.monotonic() > deadline:
                raise TimeoutError(f"no news within {seconds:.0f} s of {missing}")
            await asyncio.sleep(POLL_SECONDS)

    def longest_stall(self, places: Collection[Place], since: int, until: int, *, from_since: bool = False) -> float:
        """Return the longest time in s between two commits with news of a place that overlaps [since, until].

        ``from_since``: what of such a time lies before ``since`` does not count.
        """
        least = since if from_since else 0
        return max((self._longest_gap(place, since, until, least) for place in places), default=0.0)

    def _first_news(self, place: Place, since: int) -> int | None:
        at = None
        for commit in reversed(self.commits[place]):
            if commit.at <= since:
                break
            if commit.news:
                at = commit.at
        return at

    def _longest_gap(self, place: Place, since: int, until: int, least: int) -> float:
        times = [commit.at for commit in self.commits[place] if commit.news]
        pairs = itertools.pairwise(times)
        gaps = [after - max(before, least) for before, after in pairs if after > since and before < until]
        return max(gaps, default=0) / 1000

    async def _follow(self) -> None:
        while True:
            try:
                await self._read()
            except KafkaError:
                await asyncio.sleep(0.5)  # brokers are killed here on purpose

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(**consumer_arguments(self._kafka))
        try:
            await consumer.start()
            consumer.assign(list(self._positions))
            for place, offset in self._positions.items():
                consumer.seek(place, offset)
            while True:
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        self._take(self._kafka.without_prefix(place.topic), record)
                    self._positions[place] = records[-1].offset + 1
        finally:
            await consumer.stop()

    def _take(self, topic: str, record: ConsumerRecord) -> None:
        place = (TOPICS[topic], record.partition)
        if topic == STREAMS_PROGRESS:
            streams = decode(StreamsProgress, record.value, topic)
            self.commits[place].append(Commit(streams.at, bool(streams.batches)))
            self.offsets[place] = streams.offsets
            return
        issuer = decode(IssuerProgress, record.value, topic)
        self.commits[place].append(Commit(issuer.at, issuer.offsets != self.offsets[place]))
        self.offsets[place] = issuer.offsets
