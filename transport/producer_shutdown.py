"""Stopping an aiokafka producer in bounded time and without noise.

`AIOKafkaProducer.stop` waits for every batch it still holds, which is for ever if the broker is gone:
batches of an idempotent producer do not expire. And a producer that failed holds futures whose exception
nobody awaits, for each of which asyncio prints a traceback that hides the one that matters. aiokafka has no
public way to give a batch up, so this module uses private names of it;
`tests/unit/transport/test_producer_shutdown.py` pins their shape.
"""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer


async def stop_producer(producer: AIOKafkaProducer, timeout_seconds: float) -> None:
    """Stop `producer`; what it still holds after `timeout_seconds` is given up.

    Raises nothing that the broker's state could cause, so it is safe on the way out of a failure.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            await producer.stop()
    except TimeoutError:
        await _give_up(producer)
    finally:
        _silence_abandoned_futures(producer)


async def _give_up(producer: AIOKafkaProducer) -> None:
    sender_task = producer._sender.sender_task  # noqa: SLF001
    if sender_task is not None:
        sender_task.cancel()
    producer._message_accumulator.fail_all(TimeoutError("given up"))  # noqa: SLF001
    await producer.client.close()


def _silence_abandoned_futures(producer: AIOKafkaProducer) -> None:
    transaction_manager = producer._txn_manager  # noqa: SLF001
    batches = [batch for held in producer._message_accumulator._batches.values() for batch in held]  # noqa: SLF001
    abandoned = [batch._drain_waiter for batch in batches] + [batch.future for batch in batches]  # noqa: SLF001
    if transaction_manager is not None:
        abandoned.append(transaction_manager._transaction_waiter)  # noqa: SLF001
    for future in abandoned:
        if future is not None and future.done() and not future.cancelled():
            future.exception()
