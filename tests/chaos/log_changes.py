"""What retention, compaction and operators do to topics, asked for at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import TOPICS
from tests.chaos.fault import ISSUER, STREAMS
from tests.chaos.log import Log, read_log
from tests.chaos.world import World
from transport.administration import apply_topics, delete_topics
from transport.client import admin_arguments
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks, high_watermark

COMPACTION_SECONDS = 60.0


async def recreate(kafka: KafkaSettings, names: Collection[str]) -> None:
    """Delete topics and create them anew; return when they can be used."""
    topics = [kafka.topic(name) for name in names]
    async with Watermarks(kafka) as watermarks:
        await delete_topics(kafka, names)
        while await watermarks.topic_ids(topics):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    await apply_topics(kafka, [TOPICS[name] for name in names])


async def has_grown_beyond(side: World, names: Collection[str]) -> bool:
    """Tell whether topics reach beyond all checkpoints."""
    ends = await ends_of(side.kafka, names)
    return all(
        side.progress.offsets[kind, place.partition].get(side.kafka.without_prefix(place.topic), 0) < end
        for place, end in ends.items()
        for kind in (STREAMS, ISSUER)
    )


async def ends_of(kafka: KafkaSettings, names: Collection[str]) -> Mapping[TopicPartition, int]:
    """Return the high watermarks of topics."""
    places = [TopicPartition(kafka.topic(name), p) for name in names for p in range(kafka.partitions)]
    return await high_watermark(kafka, places)


async def delete_records(kafka: KafkaSettings, before: Mapping[TopicPartition, int]) -> None:
    """Delete records below these offsets, as retention does."""
    async with administrator(kafka) as admin:
        await admin.delete_records({place: RecordsToDelete(before_offset=offset) for place, offset in before.items()})


def checkpoints(side: World) -> dict[TopicPartition, int]:
    """Return where services stand in what they read."""
    return {
        TopicPartition(side.kafka.topic(topic), p): offset
        for (_, p), offsets in side.progress.offsets.items()
        for topic, offset in offsets.items()
    }


async def compact_often(kafka: KafkaSettings, name: str) -> None:
    """Let a topic be compacted as it grows."""
    settings = {
        "cleanup.policy": "compact",
        "segment.ms": "200",
        "min.cleanable.dirty.ratio": "0.001",
        "delete.retention.ms": "0",
    }
    async with administrator(kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, kafka.topic(name), settings)])


async def compacted(kafka: KafkaSettings, name: str, written: Log) -> None:
    """Wait until compaction has removed something of what was ``written``.

    Raises:
        TimeoutError: it has not.
    """
    deadline = time.monotonic() + COMPACTION_SECONDS
    while set(written.all(name)) <= set((await read_log(kafka, [name])).all(name)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} was not compacted")
        await asyncio.sleep(0.5)


def versioned_policy(folder: Path, version: int) -> Path:
    """Write the default policy under another version."""
    text = files("policy").joinpath("default.toml").read_text(encoding="utf-8")
    path = folder / f"policy-{version}.toml"
    path.write_text(text.replace("version = 1", f"version = {version}"))
    return path


@asynccontextmanager
async def administrator(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An administration client, open."""
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
