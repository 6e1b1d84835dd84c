"""A topic's id tells whether it is the one it was."""

from __future__ import annotations

import asyncio

import pytest

from schemas.topics import NETWORK, TELEMETRY, TOPICS
from transport.administration import apply_topics, delete_topics
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks


@pytest.mark.apache_kafka_only
async def test_a_topic_created_anew_has_another_id_and_asking_creates_none(kafka: KafkaSettings) -> None:
    specs = [TOPICS[NETWORK], TOPICS[TELEMETRY]]
    names = {kafka.topic(NETWORK), kafka.topic(TELEMETRY), kafka.topic("missing")}
    await apply_topics(kafka, specs)
    async with Watermarks(kafka) as watermarks:
        before = await watermarks.topic_ids(names)
        assert before.keys() == {kafka.topic(NETWORK), kafka.topic(TELEMETRY)}
        assert await watermarks.topic_ids(names) == before
        await delete_topics(kafka, [NETWORK])
        while kafka.topic(NETWORK) in await watermarks.topic_ids(names):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        await apply_topics(kafka, specs)
        after = await watermarks.topic_ids(names)
    assert after[kafka.topic(TELEMETRY)] == before[kafka.topic(TELEMETRY)]
    assert after[kafka.topic(NETWORK)] != before[kafka.topic(NETWORK)]


async def test_topic_ids_are_read_or_absent_on_every_broker(kafka: KafkaSettings) -> None:
    await apply_topics(kafka, [TOPICS[NETWORK]])
    async with Watermarks(kafka) as watermarks:
        assert (await watermarks.topic_ids({kafka.topic(NETWORK)})).keys() <= {kafka.topic(NETWORK)}
