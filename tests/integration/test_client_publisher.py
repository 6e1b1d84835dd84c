"""Publishing telemetry and observations by :mod:`kordon.client` on real brokers."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError

from kordon.client import Publisher
from schemas.codec import decode
from schemas.network import NetworkObservation
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, TELEMETRY
from transport.administration import apply_topics
from transport.partitioner import partition_of
from transport.settings import KafkaSettings
from transport.views import read_to_high_watermark

AT = Timestamp.parse("2026-11-24T01:02:03.456Z")


async def records_of(kafka: KafkaSettings, topic: str) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    places = [TopicPartition(kafka.topic(topic), number) for number in range(kafka.partitions)]
    await read_to_high_watermark(kafka, places, lambda _, records: found.extend(records), timeout_seconds=30)
    return found


async def test_reports_and_observations_lie_where_their_node_belongs(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    reports = [Telemetry(f"node-{number}", AT, True) for number in range(20)]
    sightings = [NetworkObservation(f"node-{number}", AT, ip=f"198.51.100.{number}") for number in range(20)]

    async with Publisher(kafka) as publisher:
        published = await asyncio.gather(
            *(publisher.telemetry(report, timestamp=AT) for report in reports),
            *(publisher.observation(sighting) for sighting in sightings),
        )

    telemetry = await records_of(kafka, TELEMETRY)
    assert sorted((decode(Telemetry, r.value, TELEMETRY) for r in telemetry), key=lambda t: t.nodeId) == sorted(
        reports, key=lambda t: t.nodeId
    )
    assert {record.timestamp for record in telemetry} == {AT}
    everything = telemetry + await records_of(kafka, NETWORK)
    assert len(everything) == 40
    assert all(record.partition == partition_of(record.key, kafka.partitions) for record in everything)
    assert {(each.topic, each.partition, each.offset) for each in published} == {
        (record.topic, record.partition, record.offset) for record in everything
    }


async def test_a_broker_that_is_not_there_is_an_error_and_leaves_nothing_open() -> None:
    publisher = Publisher(KafkaSettings(bootstrap_servers="127.0.0.1:1"))

    with pytest.raises(KafkaConnectionError):
        await publisher.__aenter__()


async def test_a_publisher_is_used_inside_its_context(kafka: KafkaSettings) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Publisher(kafka).telemetry(Telemetry("node-1", AT, True))
