from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.protocol.fetch import FetchRequest

from transport.client import consumer_arguments
from transport.consumer_shutdown import stop_consumer
from transport.settings import KafkaSettings

AWAY = 7
"""A node that no client knows, so a fetch from it fails and waits before it is tried again."""


async def consumer_that_waits_for_a_broker() -> AIOKafkaConsumer:
    """A consumer as a dead broker leaves it: a fetch has failed and sleeps until it may be tried again."""
    consumer = AIOKafkaConsumer(**consumer_arguments(KafkaSettings()))
    consumer._subscription.assign_from_user([TopicPartition("t", 0)])
    fetcher = consumer._fetcher = Fetcher(consumer._client, consumer._subscription, retry_backoff_ms=60_000)
    await asyncio.sleep(0.01)
    request = FetchRequest(100, 1, 1_000, 0, [("t", [(0, 0, 1_000)])], "")
    fetch = asyncio.create_task(fetcher._proc_fetch_request(None, AWAY, request))
    fetcher._pending_tasks.add(fetch)
    await asyncio.sleep(0.01)
    assert not fetch.done()
    return consumer


async def test_aiokafka_itself_ends_with_a_cancellation_that_nobody_asked_for() -> None:
    consumer = await consumer_that_waits_for_a_broker()
    with pytest.raises(asyncio.CancelledError):
        await consumer.stop()
    await consumer._client.close()


async def test_stopping_while_a_broker_is_away_cancels_nobody_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    consumer = await consumer_that_waits_for_a_broker()
    await stop_consumer(consumer)
    assert asyncio.all_tasks() == before


async def test_a_failure_on_the_way_out_is_not_hidden() -> None:
    consumer = await consumer_that_waits_for_a_broker()

    async def fail() -> None:
        try:
            raise ValueError("the reason")
        finally:
            await stop_consumer(consumer)

    with pytest.raises(ValueError, match="the reason"):
        await fail()


async def test_who_is_cancelled_while_it_stops_a_consumer_is_cancelled() -> None:
    consumer = await consumer_that_waits_for_a_broker()
    stopping = asyncio.create_task(stop_consumer(consumer))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping


async def test_a_consumer_that_never_started_or_has_stopped_is_stopped_in_silence() -> None:
    consumer = AIOKafkaConsumer(**consumer_arguments(KafkaSettings()))
    await stop_consumer(consumer)
    await stop_consumer(consumer)
