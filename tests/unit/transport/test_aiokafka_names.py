"""The private names of aiokafka 0.14 that transport relies on. A release that changes one fails here, not in a crash.

Why each is used stands where it is used: `transport/producer_shutdown.py`, `transport/consumer_shutdown.py`,
`transport/sequence_numbers.py`.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import CoordinatorNotAvailableError, OffsetOutOfRangeError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder, MessageBatch
from aiokafka.producer.sender import Sender

from transport.client import admin_arguments, consumer_arguments, transactional_producer_arguments
from transport.producer_shutdown import stop_producer
from transport.sequence_numbers import wrap_sequence_numbers
from transport.settings import KafkaSettings


def test_the_version_is_the_one_whose_source_was_read() -> None:
    assert version("aiokafka").startswith("0.14.")


async def test_a_producer_has_a_sender_with_a_task_an_accumulator_with_batches_and_a_transaction_manager() -> None:
    producer = AIOKafkaProducer(**transactional_producer_arguments(KafkaSettings(), "t"))
    try:
        assert isinstance(producer._sender, Sender)
        assert producer._sender.sender_task is None
        assert producer._txn_manager._transaction_waiter is None
        batch = MessageBatch(TopicPartition("t", 0), producer.create_batch(), 1, 0)
        producer._message_accumulator._batches[batch.tp].append(batch)
        producer._message_accumulator.fail_all(TimeoutError())
        assert isinstance(batch.future.exception(), TimeoutError)
        assert isinstance(batch._drain_waiter.exception(), TimeoutError)
    finally:
        producer._message_accumulator._batches.clear()
        await producer.stop()


async def test_a_partition_that_is_announced_is_added_to_the_transaction_with_the_others() -> None:
    producer = AIOKafkaProducer(**transactional_producer_arguments(KafkaSettings(), "t"))
    manager = producer._txn_manager
    manager.set_pid_and_epoch(1, 1)
    manager.begin_transaction()
    manager.maybe_add_partition_to_txn(TopicPartition("t", 0))
    manager.maybe_add_partition_to_txn(TopicPartition("t", 1))
    assert manager.partitions_to_add() == {TopicPartition("t", 0), TopicPartition("t", 1)}
    manager.error_transaction(ProducerFenced())
    await producer.stop()


async def test_a_producer_takes_a_batchs_sequence_number_from_its_managers_numbers_and_adds_its_records() -> None:
    producer = AIOKafkaProducer(**transactional_producer_arguments(KafkaSettings(), "t"))
    manager, partition = wrap_sequence_numbers(producer)._txn_manager, TopicPartition("t", 0)
    manager.set_pid_and_epoch(1, 1)
    assert manager.sequence_number(partition) == 0
    manager.increment_sequence_number(partition, 3)
    assert manager.sequence_number(partition) == 3
    await producer.stop()


async def test_a_batch_counts_its_records_because_idempotent_sequencing_counts_them_too() -> None:
    producer = AIOKafkaProducer(**transactional_producer_arguments(KafkaSettings(), "t"))
    batch: BatchBuilder = producer.create_batch()
    for _ in range(3):
        batch.append(timestamp=None, key=b"k", value=b"v")
    await producer.stop()
    assert batch.record_count() == 3


async def test_a_batch_appends_by_a_builder_of_its_own_and_counts_in_a_relative_offset() -> None:
    producer = AIOKafkaProducer(**transactional_producer_arguments(KafkaSettings(), "t"))
    batch: BatchBuilder = producer.create_batch()
    assert batch._builder.append(0, 1, b"k", b"v", []) is not None
    batch._relative_offset = 1
    assert batch.append(timestamp=1, key=b"k", value=b"v").offset == 1
    await producer.stop()


async def test_a_consumer_tells_by_its_fetchers_task_that_it_has_stopped_fetching() -> None:
    consumer = AIOKafkaConsumer(**consumer_arguments(KafkaSettings()))
    consumer._fetcher = Fetcher(consumer._client, consumer._subscription)
    assert consumer._fetcher.error_future is consumer._fetcher._fetch_task
    await consumer._fetcher.close()
    assert consumer._fetcher.error_future.done()
    await consumer._client.close()
    consumer._closed = True


def test_an_offset_out_of_range_names_the_partitions_it_is_about() -> None:
    partition = TopicPartition("t", 0)
    assert set(OffsetOutOfRangeError({partition: 5}).args[0]) == {partition}


async def test_a_producer_whose_broker_is_gone_stops_in_the_time_it_is_given_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    producer = AIOKafkaProducer(**transactional_producer_arguments(KafkaSettings(), "t"))
    batch = MessageBatch(TopicPartition("t", 0), producer.create_batch(), 1, 0)
    producer._message_accumulator._batches[batch.tp].append(batch)
    producer._txn_manager.set_pid_and_epoch(1, 1)
    producer._txn_manager.begin_transaction()
    producer._txn_manager.maybe_add_partition_to_txn(batch.tp)
    # Without a broker the task looks for the transaction's coordinator for ever.
    producer._sender.client.coordinator_lookup = _unavailable
    producer._sender.client.force_metadata_update = _unavailable_metadata
    await producer._sender.start()
    await stop_producer(producer, timeout_seconds=0.05)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert isinstance(batch.future.exception(), TimeoutError)


async def _unavailable(*_: object) -> int:
    raise CoordinatorNotAvailableError


async def _unavailable_metadata() -> bool:
    return False


async def test_the_failure_of_a_fenced_producer_is_not_reported_a_second_time_by_asyncio() -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    producer = AIOKafkaProducer(**transactional_producer_arguments(KafkaSettings(), "t"))
    producer._txn_manager.set_pid_and_epoch(1, 1)
    producer._txn_manager.begin_transaction()
    batch = MessageBatch(TopicPartition("t", 0), producer.create_batch(), 1, 0)
    producer._message_accumulator._batches[batch.tp].append(batch)
    producer._message_accumulator.fail_all(ProducerFenced())
    producer._txn_manager.fatal_error(ProducerFenced())
    await stop_producer(producer, timeout_seconds=0.05)
    del producer, batch
    await asyncio.sleep(0)
    assert reported == []


async def test_an_administrator_has_a_client_whose_connections_know_the_brokers_api_versions() -> None:
    administrator = AIOKafkaAdminClient(**admin_arguments(KafkaSettings()))
    assert callable(administrator._client._get_conn)
    assert AIOKafkaConnection("127.0.0.1", 1)._versions == {}
    await administrator.close()
