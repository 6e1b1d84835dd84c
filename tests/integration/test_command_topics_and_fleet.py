"""``kordon topics apply`` and ``kordon simulate`` against real brokers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from aiokafka import ConsumerRecord, TopicPartition

from kordon.simulator import simulate
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, TELEMETRY, TOPICS
from tests.commands.process import environment_of, kordon
from transport.settings import KafkaSettings
from transport.views import read_to_high_watermark


async def records_of(kafka: KafkaSettings, *topics: str) -> dict[tuple[str, int], list[ConsumerRecord]]:
    """Read topics (without prefix) to their ends, by topic and partition."""
    places = [TopicPartition(kafka.topic(topic), number) for topic in topics for number in range(kafka.partitions)]
    found: dict[tuple[str, int], list[ConsumerRecord]] = {}

    def keep(place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        found.setdefault((kafka.without_prefix(place.topic), place.partition), []).extend(records)

    await read_to_high_watermark(kafka, places, keep, timeout_seconds=30)
    return found


async def test_topics_are_created_once_and_then_found_unchanged(kafka: KafkaSettings) -> None:
    environment = environment_of(kafka)

    first = await kordon(environment, "topics", "apply", "--json")
    second = await kordon(environment, "topics", "apply", "--json")

    assert (first.status, second.status) == (0, 0), first.err + second.err
    assert {row["topic"]: row["state"] for row in first.json} == {kafka.topic(name): "created" for name in TOPICS}
    assert {row["state"] for row in second.json} == {"unchanged"}


async def test_a_topic_that_differs_is_reported_and_left_alone(kafka: KafkaSettings) -> None:
    environment = environment_of(kafka)
    assert (await kordon(environment, "topics", "apply")).status == 0

    other = await kordon({**environment, "KORDON_KAFKA_PARTITIONS": "5"}, "topics", "apply", "--json")
    again = await kordon(environment, "topics", "apply", "--json")

    assert other.status == 4
    assert all(row["differences"]["partitions"] == {"is": "3", "should": "5"} for row in other.json)
    assert "Nothing was changed" in other.err
    assert {row["state"] for row in again.json} == {"unchanged"}


async def test_a_simulated_fleet_writes_what_its_seed_says_where_its_seed_says(kafka: KafkaSettings) -> None:
    environment = environment_of(kafka)
    assert (await kordon(environment, "topics", "apply")).status == 0
    start = "2026-11-24T00:00:00Z"

    ended = await kordon(
        environment,
        *("simulate", "--nodes", "6", "--rate", "400", "--seed", "5", "--count", "500", "--start", start),
    )

    assert ended.status == 0, ended.err
    expected: dict[tuple[str, int], list[tuple[bytes, bytes, int]]] = {}
    for record in itertools.islice(simulate(6, 400, 5, Timestamp.parse(start), kafka.partitions), 500):
        place = (record.topic, record.partition)
        expected.setdefault(place, []).append((record.key, record.value, record.timestamp))
    written = await records_of(kafka, TELEMETRY, NETWORK)
    assert {
        place: [(record.key, record.value, record.timestamp) for record in records]
        for place, records in written.items()
    } == expected


async def test_a_fleet_without_topics_says_how_to_make_them(kafka: KafkaSettings) -> None:
    ended = await kordon(environment_of(kafka), "simulate", "--count", "1")

    assert ended.status == 69
    assert "kordon topics apply" in ended.err
    assert "Traceback" not in ended.err
