"""Stopping an aiokafka producer in bounded time and without noise.

`AIOKafkaProducer.stop` waits for every batch it still holds, which is for ever if the broker is gone:
batches of an idempotent producer do not expire. And a producer that failed holds futures whose exception
nobody awaits, for each of which asyncio prints a traceback that hides the one that matters. aiokafka has no
public way to give a batch up, so this module uses private names of it;
`tests/unit/transport/test_aiokafka_names.py` pins their shape.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.sender import Sender


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
    producer._message_accumulator.fail_all(TimeoutError("given up"))  # noqa: SLF001
    tasks = _tasks_of(producer._sender)  # noqa: SLF001
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    await producer.client.close()


def _tasks_of(sender: Sender) -> set[asyncio.Task[Any]]:
    """The tasks in which a sender waits for the broker.

    It keeps those of its requests in a local variable. Some try for ever, so one that is left alone would connect and
    carry on with the transaction as soon as the broker is back.
    """
    return {task for task in asyncio.all_tasks() if _owner_of(task) is sender}


def _owner_of(task: asyncio.Task[Any]) -> object:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return frame.f_locals.get("self") if frame is not None else None


def _silence_abandoned_futures(producer: AIOKafkaProducer) -> None:
    transaction_manager = producer._txn_manager  # noqa: SLF001
    batches = [batch for held in producer._message_accumulator._batches.values() for batch in held]  # noqa: SLF001
    abandoned = [batch._drain_waiter for batch in batches] + [batch.future for batch in batches]  # noqa: SLF001
    if transaction_manager is not None:
        abandoned.append(transaction_manager._transaction_waiter)  # noqa: SLF001
    for future in abandoned:
        if future is not None and future.done() and not future.cancelled():
            future.exception()
