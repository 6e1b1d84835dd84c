"""Polls of the consumer thread, on aiokafka's own fetcher without a broker behind it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher

from streams.runtime.consumer_thread import CopartitionConsumerThread

PARTITION = TopicPartition("node.telemetry.v1", 3)


class PollingThread(CopartitionConsumerThread):
    """As if its assignment had been sought."""

    def __init__(self) -> None:
        self.app: Any = SimpleNamespace(runtime=SimpleNamespace(worker=SimpleNamespace(poll_records=2_000)))

    def _may_poll(self, consumer: AIOKafkaConsumer) -> bool:
        return True

    def _raise_failure(self, consumer: AIOKafkaConsumer) -> None:
        pass


async def test_a_poll_that_may_not_read_what_was_fetched_ends_so_that_faust_says_anew_what_it_may_read() -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    consumer._fetcher = fetcher = Fetcher(consumer._client, consumer._subscription)
    fetcher._records[PARTITION] = object()
    try:
        # Faust asks for no partition that has enough batches waiting; it has none to wait for, either.
        async with asyncio.timeout(60):
            assert await PollingThread()._fetch_records(consumer, set(), timeout=3_600) == {}
    finally:
        await fetcher.close()
        await consumer.stop()
