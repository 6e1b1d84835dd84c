"""Who wrote: no co-partition ever had two owners, by the producers' ids and epochs in the log's own batches."""

from __future__ import annotations

import itertools

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatch

from schemas.topics import ISSUER_PROGRESS, STREAMS_PROGRESS
from transport.client import consumer_arguments
from transport.settings import KafkaSettings
from transport.watermarks import high_watermark

HEADER_BYTES = 12
FETCH_BYTES = 8_388_608

Owner = tuple[int, int]
"""A producer's id and epoch: `InitProducerId` gives each owner its own."""


async def shared_copartitions(kafka: KafkaSettings) -> list[str]:
    """Return, in words, where a former owner wrote progress after its successor had; none if no two ever overlapped."""
    found = []
    for topic in (STREAMS_PROGRESS, ISSUER_PROGRESS):
        for partition in range(kafka.partitions):
            owners = await owners_of(kafka, TopicPartition(kafka.topic(topic), partition))
            if came_back(owners):
                found.append(f"{topic} [{partition}]: {len(owners)} owners, one of which wrote after its successor")
    return found


def came_back(owners: list[Owner]) -> bool:
    """Tell whether an owner is named again after another one."""
    return len(set(owners)) < len(owners)


async def owners_of(kafka: KafkaSettings, place: TopicPartition) -> list[Owner]:
    """Return the writers of a partition in the order of its log, each run of batches once, markers left out."""
    end = (await high_watermark(kafka, [place]))[place]
    writers: list[Owner] = []
    async with AIOKafkaConsumer(**consumer_arguments(kafka)) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        offset = 0
        while offset < end:
            content = await _fetch(consumer, place, offset)
            before = offset
            while len(content) > HEADER_BYTES:
                size = HEADER_BYTES + int.from_bytes(content[8:12], "big")
                if len(content) < size:
                    break
                batch = DefaultRecordBatch(content[:size])
                if not batch.is_control_batch:
                    writers.append((batch.producer_id, batch.producer_epoch))
                offset, content = batch.next_offset, content[size:]
            assert offset > before, f"{place} cannot be read from offset {before}"
    return [owner for owner, _ in itertools.groupby(writers)]


async def _fetch(consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> bytes:
    client = consumer._client
    node = client.cluster.leader_for_partition(place)
    topics = [(place.topic, [(place.partition, offset, FETCH_BYTES)])]
    response = await client.send(node, FetchRequest(500, 1, FETCH_BYTES, 0, topics, rack_id=""))
    return bytes(response.topics[0][1][0][-1])
