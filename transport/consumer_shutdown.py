"""Stopping an aiokafka consumer without a cancellation that nobody asked for.

`AIOKafkaConsumer.stop` cancels its fetches and awaits them bare. One that waits to be tried again, as while a broker is
away, passes that on as a `CancelledError` of its own, in a task that nobody cancelled: it hides the failure that led
to the stop, and a task group takes the task for one that was told to end and goes on without what it should have done.
aiokafka has no public name for those fetches; `tests/unit/transport/test_consumer_shutdown.py` pins the private ones.
"""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop `consumer`, and leave none of its tasks and connections behind.

    Raises CancelledError only if the caller is cancelled.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    try:
        await asyncio.wait({stopping})
    finally:
        stopping.cancel()
        await asyncio.wait({stopping})
        if stopping.cancelled():
            await _end(consumer)
    if not stopping.cancelled():
        stopping.result()


async def _end(consumer: AIOKafkaConsumer) -> None:
    """Do what a stop that ended half-way left undone."""
    fetcher = consumer._fetcher  # noqa: SLF001
    if fetcher is not None:
        tasks = {fetcher._fetch_task, *fetcher._pending_tasks}  # noqa: SLF001
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await consumer._client.close()  # noqa: SLF001
