"""Waiting until services have read everything there is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition

from schemas.topics import REQUESTS, repartition_of
from tests.chaos.fault import ISSUER, STREAMS
from tests.chaos.oracle import SOURCES
from tests.chaos.world import World
from transport.watermarks import high_watermark

QUIET_SECONDS = 180.0
READ: Mapping[str, Sequence[str]] = {STREAMS: SOURCES, ISSUER: (REQUESTS, repartition_of(REQUESTS))}
"""What each service reads, names without prefix."""


async def quiet(world: World, *kinds: str, seconds: float = QUIET_SECONDS) -> None:
    """Wait until the checkpoints of these services (both if none is named) have reached the ends of all that they read.

    They must have twice in a row: what was forwarded or decided in the last transaction seen is read in a later one.

    Raises:
        TimeoutError: they have not; the text names what is left.
    """
    deadline, times = time.monotonic() + seconds, 0
    while times < 2:
        behind = await _behind(world, kinds or tuple(READ))
        times = 0 if behind else times + 1
        if time.monotonic() > deadline:
            raise TimeoutError(f"not everything was read within {seconds:.0f} s: {behind[:3]}")
        await asyncio.sleep(0.5)


async def _behind(world: World, kinds: Sequence[str]) -> list[str]:
    kafka, progress = world.kafka, world.progress
    read = {topic for kind in kinds for topic in READ[kind]}
    ends = await high_watermark(
        kafka, [TopicPartition(kafka.topic(topic), p) for p in range(kafka.partitions) for topic in read]
    )
    return [
        f"{kind} {topic} [{p}]"
        for kind, p in progress.places
        if kind in kinds
        for topic in READ[kind]
        if progress.offsets[kind, p].get(topic, 0) < ends[TopicPartition(kafka.topic(topic), p)]
    ]
