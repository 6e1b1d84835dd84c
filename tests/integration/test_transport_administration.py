"""Creating and deleting topics on real brokers."""

from __future__ import annotations

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import RISK, TELEMETRY, TOPICS
from transport.administration import AdministrationError, State, apply_topics, delete_topics
from transport.client import admin_arguments
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks


async def existing(kafka: KafkaSettings) -> set[str]:
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        return {topic for topic in await admin.list_topics() if topic.startswith(kafka.prefix)}
    finally:
        await admin.close()


async def test_every_topic_of_the_registry_is_created_and_applying_again_changes_nothing(kafka: KafkaSettings) -> None:
    created = await apply_topics(kafka)
    assert [outcome.topic for outcome in created] == [kafka.topic(name) for name in TOPICS]
    assert {outcome.state for outcome in created} == {State.CREATED}
    assert {outcome.state for outcome in await apply_topics(kafka)} == {State.UNCHANGED}
    async with Watermarks(kafka) as watermarks:
        assert await watermarks.partition_count(kafka.topic(RISK)) == kafka.partitions


async def test_a_topic_that_differs_is_reported_and_left_as_it_is(kafka: KafkaSettings) -> None:
    await apply_topics(kafka, [TOPICS[TELEMETRY]])
    wider = kafka.model_copy(update={"partitions": 5, "max_record_bytes": 2_000_000})
    expected = {"partitions": ("3", "5"), "max.message.bytes": ("1048588", "2000000")}
    for state_of_the_other in (State.CREATED, State.UNCHANGED):
        different, other = await apply_topics(wider, [TOPICS[TELEMETRY], TOPICS[RISK]])
        assert (different.state, different.differences) == (State.DIFFERENT, expected)
        assert other.state is state_of_the_other


async def test_deleting_by_prefix_leaves_the_topics_of_others(kafka: KafkaSettings) -> None:
    other = kafka.model_copy(update={"prefix": f"other-{kafka.prefix}"})
    await apply_topics(kafka)
    await apply_topics(other, [TOPICS[RISK]])
    assert await delete_topics(kafka) == sorted(kafka.topic(name) for name in TOPICS)
    assert await existing(other) == {other.topic(RISK)}
    await delete_topics(other)


async def test_deleting_by_name_leaves_the_others_and_passes_over_what_is_not_there(kafka: KafkaSettings) -> None:
    await apply_topics(kafka, [TOPICS[RISK], TOPICS[TELEMETRY]])
    assert await delete_topics(kafka, [RISK, "no.such.topic"]) == [kafka.topic(RISK)]
    assert kafka.topic(TELEMETRY) in await existing(kafka)


@pytest.mark.apache_kafka_only  # noida-db takes any replication factor
async def test_what_the_broker_refuses_to_create_is_named(kafka: KafkaSettings) -> None:
    with pytest.raises(AdministrationError, match=rf"{kafka.topic(RISK)}: InvalidReplicationFactorError"):
        await apply_topics(kafka.model_copy(update={"replication_factor": 9}), [TOPICS[RISK]])
