"""Views: what "caught up" means, and that nothing which is on the log stops or escapes one."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import OffsetOutOfRangeError

from tests.brokers.broker import Broker
from tests.workers.batches import codecs_of, write_with_header_name, write_with_offset_deltas
from transport.client import (
    admin_arguments,
    consumer_arguments,
    producer_arguments,
    transactional_producer_arguments,
)
from transport.producer_shutdown import stop_producer
from transport.settings import KafkaSettings
from transport.views import (
    NotCaughtUpError,
    View,
    ViewFailedError,
    high_watermark,
    last_record,
    read_to_high_watermark,
)
from transport.watermarks import Watermarks
from transport.writer import OutgoingRecord, TransactionalWriter

LONG_ENOUGH_SECONDS = 20.0
OPEN_SECONDS = 1.0
"""How long is waited for what must not happen while a transaction is open."""


@pytest.fixture
async def partition(kafka: KafkaSettings) -> TopicPartition:
    """The one partition of a topic that is there."""
    return await created(kafka, "seen")


async def created(kafka: KafkaSettings, name: str, partitions: int = 1) -> TopicPartition:
    topic = kafka.topic(name)
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()
    return TopicPartition(topic, 0)


@asynccontextmanager
async def opened(kafka: KafkaSettings, owner: str = "streams") -> AsyncIterator[TransactionalWriter]:
    writer = TransactionalWriter(kafka, kafka.transactional_id(owner, 0))
    await writer.open()
    try:
        yield writer
    finally:
        await writer.close()


@asynccontextmanager
async def open_transaction(kafka: KafkaSettings, partition: TopicPartition) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that wrote a record in a transaction and then fell silent."""
    async with AIOKafkaProducer(**transactional_producer_arguments(kafka, f"{kafka.prefix}silent")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(partition.topic, b"never committed", partition=partition.partition)
        yield producer


class Seen:
    """What a view handed over, by partition."""

    def __init__(self) -> None:
        self.records: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)

    def __call__(self, partition: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        assert records
        self.records[partition] += records

    def values(self, partition: TopicPartition) -> list[bytes | None]:
        return [record.value for record in self.records[partition]]


def records(partition: TopicPartition, *values: bytes) -> list[OutgoingRecord]:
    return [OutgoingRecord(partition.topic, partition.partition, b"key", value) for value in values]


async def end(kafka: KafkaSettings, partition: TopicPartition) -> int:
    return (await high_watermark(kafka, [partition]))[partition]


async def test_an_open_transaction_in_front_does_not_make_a_view_look_caught_up(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    seen = Seen()
    async with (
        View(kafka, [partition], seen) as view,
        open_transaction(kafka, partition) as silent,
        opened(kafka) as writer,
    ):
        await writer.commit(records(partition, b"acknowledged"), {}, "group")
        goal = await end(kafka, partition)
        with pytest.raises(NotCaughtUpError) as behind:
            await view.caught_up(partition, goal, OPEN_SECONDS)
        assert behind.value.behind == {partition: (0, goal)}
        with pytest.raises(NotCaughtUpError):
            await read_to_high_watermark(kafka, [partition], Seen(), timeout_seconds=OPEN_SECONDS)
        await silent.abort_transaction()
        await view.caught_up(partition, goal, LONG_ENOUGH_SECONDS)
        assert seen.values(partition) == [b"acknowledged"]


async def test_the_high_watermark_is_the_true_end_where_aiokafkas_end_offset_is_not(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    async with open_transaction(kafka, partition), AIOKafkaConsumer(**consumer_arguments(kafka)) as consumer:
        assert await end(kafka, partition) == 1
        assert await consumer.end_offsets([partition]) == {partition: 0}, "the reason for watermarks.py is gone"


async def test_a_view_is_caught_up_although_what_stands_last_is_never_delivered(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    seen = Seen()
    async with View(kafka, [partition], seen) as view, opened(kafka) as writer:
        await writer.commit(records(partition, b"kept"), {}, "group")
        async with open_transaction(kafka, partition) as silent:
            await silent.abort_transaction()
        goal = await end(kafka, partition)
        await view.caught_up(partition, goal, LONG_ENOUGH_SECONDS)
        assert view.position(partition) == goal
        assert seen.values(partition) == [b"kept"]


async def test_a_view_hands_over_each_record_once_and_in_order_while_it_follows_several_partitions(
    kafka: KafkaSettings,
) -> None:
    first = await created(kafka, "seen", partitions=2)
    second = TopicPartition(first.topic, 1)
    seen = Seen()
    expected = [b"%d" % number for number in range(500)]
    async with View(kafka, [first, second], seen) as view, opened(kafka) as writer:
        for start in range(0, 500, 50):
            batch = expected[start : start + 50]
            await writer.commit([*records(first, *batch), *records(second, *batch)], {}, "group")
        await view.caught_up_to(await high_watermark(kafka, [first, second]), LONG_ENOUGH_SECONDS)
    assert seen.values(first) == expected
    assert seen.values(second) == expected


async def test_a_view_that_was_caught_up_waits_for_what_comes_later(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    seen = Seen()
    async with View(kafka, [partition], seen) as view, opened(kafka) as writer:
        await view.caught_up(partition, 0, LONG_ENOUGH_SECONDS)
        waiting = asyncio.create_task(view.caught_up(partition, 1, LONG_ENOUGH_SECONDS))
        await writer.commit(records(partition, b"later"), {}, "group")
        await waiting
        assert seen.values(partition) == [b"later"]


async def test_a_view_whose_callback_raises_fails_for_everyone_who_asks(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    def broken(_: TopicPartition, found: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        raise RuntimeError(f"cannot take {len(found)}")

    async with View(kafka, [partition], broken) as view, opened(kafka) as writer:
        await writer.commit(records(partition, b"any"), {}, "group")
        with pytest.raises(ViewFailedError) as failure:
            await view.caught_up(partition, await end(kafka, partition), LONG_ENOUGH_SECONDS)
        assert isinstance(failure.value.__cause__, RuntimeError)
        with pytest.raises(ViewFailedError):
            await view.failed()


async def test_a_view_whose_start_is_not_kept_fails_instead_of_jumping(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    async with View(kafka, [partition], Seen(), start={partition: 1_000}) as view:
        with pytest.raises(ViewFailedError) as failure:
            await asyncio.wait_for(view.failed(), LONG_ENOUGH_SECONDS)
    assert isinstance(failure.value.__cause__, OffsetOutOfRangeError)


@pytest.mark.apache_kafka_only  # noida-db deletes no records on request
async def test_a_view_begins_at_the_first_record_that_retention_has_left(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    seen = Seen()
    async with opened(kafka) as writer:
        await writer.commit(records(partition, b"deleted", b"kept"), {}, "group")
    await delete_before(kafka, partition, 1)
    await read_to_high_watermark(kafka, [partition], seen, timeout_seconds=LONG_ENOUGH_SECONDS)
    assert seen.values(partition) == [b"kept"]
    with pytest.raises(OffsetOutOfRangeError):
        await read_to_high_watermark(
            kafka, [partition], Seen(), start={partition: 0}, timeout_seconds=LONG_ENOUGH_SECONDS
        )


async def delete_before(kafka: KafkaSettings, partition: TopicPartition, offset: int) -> None:
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        await admin.delete_records({partition: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def test_reading_to_the_high_watermark_returns_the_position_it_reached(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    async with opened(kafka) as writer:
        await writer.commit(records(partition, b"a", b"b"), {}, "group")
    seen = Seen()
    reached = await read_to_high_watermark(
        kafka, [partition], seen, start={partition: 1}, timeout_seconds=LONG_ENOUGH_SECONDS
    )
    assert seen.values(partition) == [b"b"]
    assert reached == {partition: await end(kafka, partition)} == {partition: 3}


async def test_the_last_record_is_found_behind_any_number_of_markers_and_aborted_records(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    assert await last_record(kafka, partition, timeout_seconds=LONG_ENOUGH_SECONDS) is None
    async with opened(kafka) as writer:
        await writer.commit(records(partition, b"earlier", b"last"), {}, "group")
    async with AIOKafkaProducer(**transactional_producer_arguments(kafka, f"{kafka.prefix}aborting")) as producer:
        for _ in range(10):
            await producer.begin_transaction()
            await producer.send_and_wait(partition.topic, b"aborted", partition=0)
            await producer.abort_transaction()
    for first_look in (1, 4, 1_000):
        found = await last_record(kafka, partition, timeout_seconds=LONG_ENOUGH_SECONDS, first_look=first_look)
        assert found is not None
        assert (found.offset, found.value) == (1, b"last")


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_batch_in_each_codec_is_read(kafka: KafkaSettings, partition: TopicPartition, codec: str) -> None:
    values = [os.urandom(8).hex().encode() * 20 for _ in range(50)]
    settings = kafka.model_copy(update={"compression_type": codec})
    async with AIOKafkaProducer(**producer_arguments(settings)) as producer:
        batch = producer.create_batch()
        for value in values:
            batch.append(timestamp=None, key=b"key", value=value)
        await (await producer.send_batch(batch, partition.topic, partition=0))
    seen = Seen()
    await read_to_high_watermark(kafka, [partition], seen, timeout_seconds=LONG_ENOUGH_SECONDS)
    assert seen.values(partition) == values
    assert await codecs_of(kafka, [partition]) == {codec}


async def test_a_header_name_that_is_no_utf_8_stops_no_view_and_costs_no_record_of_any_partition(
    kafka: KafkaSettings,
) -> None:
    first = await created(kafka, "seen", partitions=2)
    second = TopicPartition(first.topic, 1)
    for partition in (first, second):
        await write_with_header_name(
            kafka,
            partition,
            b"\xff\xfe\xfd\xfc",
            [(b"k", b"before"), (b"k", b"illegible")],
            [(b"k", b"after")],
        )
    seen = Seen()
    async with View(kafka, [first, second], seen) as view, opened(kafka) as writer:
        await view.caught_up_to(await high_watermark(kafka, [first, second]), LONG_ENOUGH_SECONDS)
        await writer.commit([*records(first, b"later"), *records(second, b"later")], {}, "group")
        await view.caught_up_to(await high_watermark(kafka, [first, second]), LONG_ENOUGH_SECONDS)
    for partition in (first, second):
        assert seen.values(partition) == [b"before", b"illegible", b"after", b"later"]
        assert seen.records[partition][1].headers == (("\ufffd" * 4, b"x"),)


async def test_the_bounds_of_many_topics_take_one_look_at_the_cluster(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions = [await created(kafka, f"seen-{number}") for number in range(5)]
    looks = 0
    async with Watermarks(kafka) as watermarks:
        client = watermarks._opened()._client
        look = client._metadata_update

        async def counted(*arguments: object) -> bool:
            nonlocal looks
            looks += 1
            return bool(await look(*arguments))

        monkeypatch.setattr(client, "_metadata_update", counted)
        assert await watermarks.high(partitions) == await watermarks.low(partitions) == dict.fromkeys(partitions, 0)
    assert looks == 1


async def test_offsets_that_a_producer_made_up_are_replaced_by_those_of_the_records_places(
    kafka: KafkaSettings, partition: TopicPartition
) -> None:
    await write_with_offset_deltas(kafka, partition, [(0, b"k", b"a"), (1_000, b"k", b"b"), (1, b"k", b"c")])
    await write_with_offset_deltas(kafka, partition, [(-3, b"k", b"d"), (7, b"k", b"e")])
    seen = Seen()
    async with View(kafka, [partition], seen) as view, opened(kafka) as writer:
        await writer.commit(records(partition, b"f"), {}, "group")
        await view.caught_up_to(await high_watermark(kafka, [partition]), LONG_ENOUGH_SECONDS)
        assert view.position(partition) == 7
    assert [record.offset for record in seen.records[partition]] == [0, 1, 2, 3, 4, 5]
    assert seen.values(partition) == [b"a", b"b", b"c", b"d", b"e", b"f"]


async def test_hundreds_of_thousands_of_rows_arrive_in_batches(kafka: KafkaSettings, partition: TopicPartition) -> None:
    count = 200_000
    async with opened(kafka) as writer:
        await writer.commit(
            [OutgoingRecord(partition.topic, 0, b"%d" % number, b"v" * 100) for number in range(count)], {}, "group"
        )
    sizes: list[int] = []
    await read_to_high_watermark(
        kafka, [partition], lambda _, found: sizes.append(len(found)), timeout_seconds=LONG_ENOUGH_SECONDS
    )
    assert sum(sizes) == count
    assert len(sizes) < count / 500


async def test_a_reader_that_does_not_catch_up_says_so_although_its_broker_is_away(own_apache_kafka: Broker) -> None:
    """A cancellation instead, which is what aiokafka's `stop` makes of it, would end a task group's task unseen."""
    kafka = KafkaSettings(bootstrap_servers=own_apache_kafka.bootstrap_servers, prefix="own.")
    partition = await created(kafka, "seen")
    async with opened(kafka) as writer:
        await writer.commit(records(partition, b"read"), {}, "group")

    def kill(_partition: TopicPartition, _records: Sequence[ConsumerRecord]) -> None:
        own_apache_kafka.kill()

    producer = AIOKafkaProducer(**transactional_producer_arguments(kafka, "own.silent"))
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(partition.topic, b"never committed", partition=0)
    try:
        with pytest.raises(NotCaughtUpError):
            await read_to_high_watermark(kafka, [partition], kill, timeout_seconds=2)
    finally:
        await stop_producer(producer, 1)
