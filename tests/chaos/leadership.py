"""Which node leads or coordinates what, and whether every copy of everything is in sync."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError

from transport.client import admin_arguments, client_arguments
from transport.settings import KafkaSettings

POLL_SECONDS = 0.3


async def leader_of(kafka: KafkaSettings, place: TopicPartition) -> int:
    """Return the id of the node that leads a partition (topic with prefix), waiting until one does."""
    async with _client(kafka) as client:
        while True:
            await client.force_metadata_update()
            client.add_topic(place.topic)
            node = client.cluster.leader_for_partition(place)
            if node is not None and node > 0:
                return int(node)
            await asyncio.sleep(POLL_SECONDS)


async def coordinator_of(kafka: KafkaSettings, kind: CoordinationType, name: str) -> int:
    """Return the id of the node that coordinates a group or a transactional id (with prefix), waiting for one."""
    async with _client(kafka) as client:
        while True:
            try:
                return int(await client.coordinator_lookup(kind, name))
            except KafkaError:
                await asyncio.sleep(POLL_SECONDS)


async def in_sync(kafka: KafkaSettings, copies: int, seconds: float) -> None:
    """Wait until every partition of every topic has a leader and so many copies in sync.

    Raises:
        TimeoutError: some have not; the text names one.
    """
    deadline = time.monotonic() + seconds
    behind: list[str] = ["everything"]
    while behind:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in sync after {seconds:.0f} s: {len(behind)} partitions, such as {behind[0]}")
        await asyncio.sleep(POLL_SECONDS)
        try:
            behind = await _behind(kafka, copies)
        except (KafkaError, TimeoutError) as error:
            behind = [f"everything ({type(error).__name__})"]


async def _behind(kafka: KafkaSettings, copies: int) -> list[str]:
    administrator = AIOKafkaAdminClient(**admin_arguments(kafka))
    try:
        await administrator.start()
        return [
            f"{topic['topic']} [{partition['partition']}]"
            for topic in await administrator.describe_topics(await administrator.list_topics())
            for partition in topic["partitions"]
            if partition["leader"] < 0 or len(partition["isr"]) < copies
        ]
    finally:
        await administrator.close()


@asynccontextmanager
async def _client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**client_arguments(kafka))
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()
