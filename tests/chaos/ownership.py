"""Who wrote: no co-partition ever had two owners, by the producers' ids and epochs in the log's own batches."""

from __future__ import annotations

import itertools

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import ISSUER_PROGRESS, STREAMS_PROGRESS
from tests.chaos.log import batches
from transport.client import consumer_arguments
from transport.settings import KafkaSettings

Owner = tuple[int, int]
"""A producer's id and epoch: `InitProducerId` gives each owner its own."""


async def shared_copartitions(kafka: KafkaSettings) -> list[str]:
    """Return, in words, where a former owner wrote progress after its successor had; none if no two ever overlapped."""
    found = []
    async with AIOKafkaConsumer(**consumer_arguments(kafka)) as consumer:
        for topic in (STREAMS_PROGRESS, ISSUER_PROGRESS):
            for partition in range(kafka.partitions):
                owners = await owners_of(consumer, TopicPartition(kafka.topic(topic), partition))
                if came_back(owners):
                    found.append(f"{topic} [{partition}]: {len(owners)} owners, one of which wrote after its successor")
    return found


def came_back(owners: list[Owner]) -> bool:
    """Tell whether an owner is named again after another one."""
    return len(set(owners)) < len(owners)


async def owners_of(consumer: AIOKafkaConsumer, place: TopicPartition) -> list[Owner]:
    """Return the writers of a partition in the order of its log, each run of batches once, markers left out."""
    writers = [
        (batch.producer_id, batch.producer_epoch) async for batch in batches(consumer, place) if batch.commits is None
    ]
    return [owner for owner, _ in itertools.groupby(writers)]
