"""How far an engine has committed, seen from outside and alike for every engine: by its consumer group's offsets.

Kafka shows an offset only when it is committed for good, a transaction's only when the transaction is: so the moment
at which the offset is seen is the moment at which the output could be read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Self

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from bench.processes import EngineFailedError, Processes, Usage
from schemas.topics import NETWORK, TELEMETRY, repartition_of
from transport.client import admin_arguments
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks

POLL_SECONDS: Final = 0.02
USAGE_SECONDS: Final = 0.25
STALL_SECONDS: Final = 90.0
"""Without any news for so long an engine has failed; a start with a large restore included."""


@dataclass(frozen=True)
class Moment:
    """What had been committed at a time (monotonic seconds): records of the inputs."""

    at: float
    records: int
    usage: Usage
    broker_cpu_seconds: float


class Commits:
    """Follows a group's committed offsets in the source topics; use it as ``async with``.

    ``begin`` holds the offsets at which the run starts (absent: 0).
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        group: str,
        inputs: Collection[str],
        begin: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        self._kafka = kafka
        self._group = kafka.group_id(group)
        self._begin = begin or {}
        self._inputs = _partitions(kafka, inputs)
        self._forwarded = _partitions(kafka, [repartition_of(one) for one in (NETWORK, TELEMETRY) if one in inputs])
        self._admin = AIOKafkaAdminClient(**admin_arguments(kafka))

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._admin.close()

    async def ends(self) -> Mapping[TopicPartition, int]:
        """Return where the source topics end now, the forwarded records' among them."""
        async with Watermarks(self._kafka) as watermarks:
            return await watermarks.high([*self._inputs, *self._forwarded])

    async def offsets(self) -> Mapping[TopicPartition, int]:
        """Return the committed offsets of the group; none while Kafka looks for its coordinator."""
        try:
            found = await self._admin.list_consumer_group_offsets(self._group)
        except KafkaError:
            return {}
        return {tp: one.offset for tp, one in found.items() if one.offset >= 0}

    def records(self, offsets: Mapping[TopicPartition, int]) -> int:
        """Return how many input records lie before these offsets and after the beginning."""
        return sum(max(0, offsets.get(tp, 0) - self._begin.get(tp, 0)) for tp in self._inputs)

    def reached(self, offsets: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> bool:
        """Tell whether the inputs are committed up to ``ends``, and of forwarded records those the group reads."""
        return all(offsets.get(tp, 0) >= ends[tp] for tp in self._inputs) and all(
            offsets[tp] >= ends[tp] for tp in self._forwarded if tp in offsets
        )


@dataclass(frozen=True)
class Followed:
    """A run, from the first moment at which something was committed to the one at which all was."""

    began: float
    first: Moment
    last: Moment
    most_rss_bytes: int


async def follow(
    commits: Commits, processes: Processes, broker_cpu: Callable[[], float], *, after: int = 0
) -> Followed:
    """Wait until everything is committed; what is measured begins when more than ``after`` records are.

    Raises:
        EngineFailedError: a process ended, or nothing was committed for :data:`STALL_SECONDS`.
    """
    began = news = time.monotonic()
    ends = await commits.ends()
    first: Moment | None = None
    seen, most, looked = 0, 0, 0.0

    def moment(records: int, at: float) -> Moment:
        return Moment(at, records, processes.usage(), broker_cpu())

    while True:
        offsets = await commits.offsets()
        now = time.monotonic()
        records = commits.records(offsets)
        if records > after and first is None:
            first = moment(records, now)
        if records > seen:
            seen, news = records, now
        if first is not None and commits.reached(offsets, ends):
            last = moment(records, now)
            # What was forwarded in the last transaction is an input still.
            if ends == (ends := await commits.ends()):
                return Followed(began, first, last, max(most, last.usage.rss_bytes))
        if now - looked > USAGE_SECONDS:
            looked = now
            processes.check()
            most = max(most, processes.usage().rss_bytes)
            if now - news > STALL_SECONDS:
                raise EngineFailedError(
                    f"{processes.engine.name} committed nothing for {STALL_SECONDS:g} s, after {seen:,} records:\n"
                    + processes.tail()
                )
        await asyncio.sleep(POLL_SECONDS)


def _partitions(kafka: KafkaSettings, topics: Collection[str]) -> list[TopicPartition]:
    return [TopicPartition(kafka.topic(topic), number) for topic in topics for number in range(kafka.partitions)]
