"""The demo leaves a foreign broker as it found it: :mod:`kordon.demo.cleanup` on real brokers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from kordon.demo.cleanup import remove_everything
from schemas.topics import TELEMETRY, TOPICS
from tests.brokers.broker import Broker
from transport.administration import EmptyPrefixError, apply_topics, delete_topics
from transport.client import admin_arguments, consumer_arguments
from transport.settings import KafkaSettings


@pytest.fixture
async def another(broker: Broker) -> AsyncIterator[KafkaSettings]:
    """A neighbour on the same broker, with topics of its own."""
    prefix = f"neighbour-{uuid.uuid4().hex[:8]}."
    settings = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers, prefix=prefix, partitions=1, replication_factor=1
    )
    await apply_topics(settings)
    yield settings
    await delete_topics(settings)


async def a_member_that_was(kafka: KafkaSettings, *, instance_id: str | None = None) -> None:
    """Join the group ``kordon.test``, read, commit, and end; with an instance id the member stays in the group."""
    topic = kafka.topic(TELEMETRY)
    arguments = consumer_arguments(kafka, group_id=kafka.group_id("kordon.test"))
    async with AIOKafkaConsumer(topic, group_instance_id=instance_id, **arguments) as consumer:
        while not consumer.assignment():
            await consumer.getmany(timeout_ms=100)
        await consumer.commit({TopicPartition(topic, 0): 0})


async def groups_of(kafka: KafkaSettings) -> set[str]:
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    try:
        await admin.start()
        return {name for name, *_ in await admin.list_consumer_groups() if name.startswith(kafka.prefix)}
    finally:
        await admin.close()


async def test_what_is_under_the_prefix_goes_and_nothing_else(kafka: KafkaSettings, another: KafkaSettings) -> None:
    await apply_topics(kafka)
    await a_member_that_was(kafka)
    await a_member_that_was(another)

    topics, groups = await remove_everything(kafka)

    assert set(topics) == {kafka.topic(name) for name in TOPICS}
    assert groups == [kafka.group_id("kordon.test")]
    assert await groups_of(kafka) == set()
    assert await groups_of(another) == {another.group_id("kordon.test")}
    assert {outcome.state.value for outcome in await apply_topics(another)} == {"unchanged"}


async def test_members_with_an_instance_id_do_not_keep_their_group(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    await a_member_that_was(kafka, instance_id="worker")

    assert (await remove_everything(kafka))[1] == [kafka.group_id("kordon.test")]
    assert await groups_of(kafka) == set()


async def test_to_clean_up_again_while_the_broker_still_deletes_is_harmless(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    await a_member_that_was(kafka)
    await remove_everything(kafka)

    assert (await remove_everything(kafka))[1] == []


async def test_without_a_prefix_nothing_is_deleted(broker: Broker) -> None:
    with pytest.raises(EmptyPrefixError):
        await remove_everything(KafkaSettings(bootstrap_servers=broker.bootstrap_servers, prefix=""))
