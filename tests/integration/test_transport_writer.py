"""The writer: one transaction is seen whole or not at all, and only its present owner writes any."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, ProducerFenced
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place

from tests.brokers.broker import Broker
from tests.integration.exiting_writer import EXIT_STATUS
from tests.workers.batches import codecs_of
from transport.client import admin_arguments
from transport.sequence_numbers import GREATEST
from transport.settings import KafkaSettings
from transport.views import high_watermark, read_to_high_watermark
from transport.writer import (
    DeliveryTimeoutError,
    OutgoingRecord,
    RecordTooLargeError,
    Step,
    TransactionalWriter,
    UnknownPartitionError,
    UnknownTopicError,
    WriterUnusableError,
)

LONG_ENOUGH_SECONDS = 20.0
NAMES = ("rows", "progress", "source")


@pytest.fixture(autouse=True)
async def _topics(kafka: KafkaSettings) -> None:
    await create_topics(kafka)


async def create_topics(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(kafka.topic(name), 2, 1) for name in NAMES])
    finally:
        await admin.close()


@asynccontextmanager
async def opened(kafka: KafkaSettings, steps: list[Step] | None = None) -> AsyncIterator[TransactionalWriter]:
    taken = steps if steps is not None else []
    writer = TransactionalWriter(kafka, kafka.transactional_id("streams", 0), on_step=taken.append)
    await writer.open()
    try:
        yield writer
    finally:
        await writer.close()


def row(kafka: KafkaSettings, value: bytes = b"row", partition: int = 0) -> OutgoingRecord:
    return OutgoingRecord(kafka.topic("rows"), partition, b"key", value)


def progress(kafka: KafkaSettings, value: bytes = b"progress") -> OutgoingRecord:
    return OutgoingRecord(kafka.topic("progress"), 0, b"key", value)


def source(kafka: KafkaSettings) -> TopicPartition:
    return TopicPartition(kafka.topic("source"), 0)


async def read(kafka: KafkaSettings, name: str, partition: int = 0) -> list[ConsumerRecord[bytes, bytes]]:
    """Everything committed in a partition."""
    found: list[ConsumerRecord[bytes, bytes]] = []
    await read_to_high_watermark(
        kafka,
        [TopicPartition(kafka.topic(name), partition)],
        lambda _, records: found.extend(records),
        timeout_seconds=LONG_ENOUGH_SECONDS,
    )
    return found


async def values(kafka: KafkaSettings, name: str, partition: int = 0) -> list[bytes | None]:
    return [record.value for record in await read(kafka, name, partition)]


async def committed_offset(kafka: KafkaSettings) -> int | None:
    """The group's offset once no transaction is open or about to end that might change it (KIP-447).

    A commit returns when it is decided. Its offsets appear with its marker, a moment later; a reader of the records
    waits for that by itself, one that asks for offsets has to say so. aiokafka cannot.
    """
    reader = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": kafka.group_id("streams"),
            "isolation.level": "read_committed",
        }
    )
    place = source(kafka)
    try:
        (found,) = await asyncio.to_thread(
            reader.committed, [Place(place.topic, place.partition)], timeout=LONG_ENOUGH_SECONDS
        )
    finally:
        reader.close()
    assert found.error is None
    return None if found.offset < 0 else int(found.offset)


async def test_rows_outputs_progress_and_offsets_are_one_transaction_in_the_order_of_its_steps(
    kafka: KafkaSettings,
) -> None:
    steps: list[Step] = []
    given: list[Mapping[TopicPartition, int]] = []

    def last(next_offsets: Mapping[TopicPartition, int]) -> list[OutgoingRecord]:
        given.append(next_offsets)
        return [progress(kafka, b"riskEnd=%d" % next_offsets[TopicPartition(kafka.topic("rows"), 1)])]

    async with opened(kafka, steps) as writer:
        records = [row(kafka, b"a", 1), row(kafka, b"b", 0), row(kafka, b"c", 1)]
        for _ in range(2):
            await writer.commit(records, {source(kafka): 7}, kafka.group_id("streams"), last)
    assert steps == [*Step, *Step]
    assert await values(kafka, "rows", 1) == [b"a", b"c"] * 2
    assert await values(kafka, "rows", 0) == [b"b"] * 2
    # Each transaction's marker takes an offset: the second one begins at 3 and ends before 5.
    assert given[1] == {TopicPartition(kafka.topic("rows"), 0): 3, TopicPartition(kafka.topic("rows"), 1): 5}
    assert await values(kafka, "progress") == [b"riskEnd=2", b"riskEnd=5"]
    assert await committed_offset(kafka) == 7


async def test_key_headers_and_timestamp_arrive_as_given(kafka: KafkaSettings) -> None:
    record = OutgoingRecord(
        kafka.topic("rows"), 0, None, b"v", (("a", b"\x00\xff"), ("a", b""), ("n", None)), 1_700_000_000_123
    )
    async with opened(kafka) as writer:
        await writer.commit([record, row(kafka)], {}, "group")
    found, other = await read(kafka, "rows")
    assert (found.key, found.value, found.timestamp) == (None, b"v", 1_700_000_000_123)
    assert found.headers == (("a", b"\x00\xff"), ("a", b""), ("n", None))
    assert other.timestamp > found.timestamp


async def test_rows_of_many_batches_keep_their_order_and_a_codec(kafka: KafkaSettings) -> None:
    small = kafka.model_copy(update={"max_record_bytes": 16_384})
    expected = [b"%06d" % number * 40 for number in range(2_000)]
    async with opened(small) as writer:
        await writer.commit([row(kafka, value) for value in expected], {}, "group")
    assert await values(kafka, "rows") == expected
    # The marker of the transaction, written by the broker, is a batch without a codec.
    assert await codecs_of(kafka, [TopicPartition(kafka.topic("rows"), 0)]) == {"snappy", "none"}


async def test_what_changes_after_the_call_is_not_written(kafka: KafkaSettings) -> None:
    records = [row(kafka, b"before")]
    offsets = {source(kafka): 1}
    async with opened(kafka) as writer:
        commit = writer.commit(records, offsets, kafka.group_id("streams"))
        records.append(row(kafka, b"after"))
        offsets[source(kafka)] = 2
        await commit
    assert await values(kafka, "rows") == [b"before"]
    assert await committed_offset(kafka) == 1


async def test_no_transaction_is_opened_for_nothing(kafka: KafkaSettings) -> None:
    steps: list[Step] = []
    async with opened(kafka, steps) as writer:
        assert (await writer.commit([], {}, "group")).next_offsets == {}
    assert steps == []
    partitions = [TopicPartition(kafka.topic(name), 0) for name in NAMES]
    assert set((await high_watermark(kafka, partitions)).values()) == {0}


async def test_a_progress_record_alone_is_a_transaction(kafka: KafkaSettings) -> None:
    async with opened(kafka) as writer:
        await writer.commit([], {}, "group", lambda _: [progress(kafka)])
    assert await values(kafka, "progress") == [b"progress"]


async def test_offsets_alone_are_a_transaction(kafka: KafkaSettings) -> None:
    async with opened(kafka) as writer:
        await writer.commit([], {source(kafka): 3}, kafka.group_id("streams"))
    assert await committed_offset(kafka) == 3


async def test_commits_asked_for_at_once_are_done_one_after_another(kafka: KafkaSettings) -> None:
    async with opened(kafka) as writer:
        commits = [writer.commit([row(kafka, b"%d" % number)], {}, "group") for number in range(5)]
        await asyncio.gather(*commits)
    assert await values(kafka, "rows") == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.apache_kafka_only  # noida-db 0.2.3 refuses what follows the greatest number, of any client
async def test_records_beyond_the_greatest_sequence_number_are_written(kafka: KafkaSettings) -> None:
    async with opened(kafka) as writer:
        assert writer._producer is not None
        writer._producer._txn_manager._sequence_numbers[TopicPartition(kafka.topic("rows"), 0)] = GREATEST - 2
        values = [f"row {number}".encode() for number in range(8)]
        for two in zip(values[::2], values[1::2], strict=True):  # the second batch holds the greatest number and 0
            await writer.commit([row(kafka, value) for value in two], {}, "group")
    assert [record.value for record in await read(kafka, "rows")] == values


async def test_a_former_owner_is_fenced_and_stays_so(kafka: KafkaSettings) -> None:
    async with opened(kafka) as former:
        await former.commit([row(kafka, b"former")], {}, "group")
        async with opened(kafka) as present:
            with pytest.raises(ProducerFenced):
                await former.commit([row(kafka, b"zombie")], {source(kafka): 9}, kafka.group_id("streams"))
            with pytest.raises(WriterUnusableError):
                await former.commit([row(kafka, b"zombie")], {}, "group")
            await former.close()
            await present.commit([row(kafka, b"present")], {}, "group")
    assert await values(kafka, "rows") == [b"former", b"present"]
    assert await committed_offset(kafka) is None


async def test_a_former_owner_with_an_open_transaction_is_fenced_and_nothing_of_it_is_seen(
    kafka: KafkaSettings,
) -> None:
    written = asyncio.Event()
    loop = asyncio.get_running_loop()

    def last(_: Mapping[TopicPartition, int]) -> list[OutgoingRecord]:
        # The rows are on the log by now; the next owner comes before the progress record.
        loop.call_soon(written.set)
        return [progress(kafka)] * 50_000

    former = TransactionalWriter(kafka, kafka.transactional_id("streams", 0))
    await former.open()

    async def take_over() -> None:
        await written.wait()
        async with opened(kafka) as present:
            await present.commit([row(kafka, b"present")], {}, "group")

    async def commit_until_fenced() -> None:
        while True:
            await former.commit([row(kafka, b"zombie")], {}, "group", last)

    taking = asyncio.create_task(take_over())
    with pytest.raises((ProducerFenced, KafkaError)):
        await asyncio.wait_for(commit_until_fenced(), LONG_ENOUGH_SECONDS)
    await taking
    await former.close()
    # Whole transactions of the former owner may have been committed before; half of one is never seen.
    rows = await values(kafka, "rows")
    assert rows[-1] == b"present"
    assert len(await values(kafka, "progress")) == 50_000 * (len(rows) - 1)


async def test_only_a_fenced_writer_says_so_and_asking_changes_nothing_that_a_reader_sees(kafka: KafkaSettings) -> None:
    group_id = kafka.group_id("streams")
    async with opened(kafka) as former:
        await former.commit([row(kafka, b"former")], {source(kafka): 7}, group_id)
        assert not await former.is_fenced(group_id, source(kafka))
        await former.commit([row(kafka, b"once more")], {}, group_id)
        async with opened(kafka) as present:
            assert await former.is_fenced(group_id, source(kafka))
            with pytest.raises(WriterUnusableError):
                await former.commit([row(kafka, b"zombie")], {}, group_id)
            assert not await present.is_fenced(group_id, source(kafka))
            await present.commit([row(kafka, b"present")], {}, group_id)
    assert await values(kafka, "rows") == [b"former", b"once more", b"present"]
    assert await committed_offset(kafka) == 7


@pytest.mark.parametrize("step", Step, ids=lambda step: step.name.lower())
async def test_a_process_that_ends_at_a_step_leaves_all_of_its_transaction_or_nothing(
    kafka: KafkaSettings, step: Step
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.exiting_writer", kafka.bootstrap_servers, kafka.prefix, step.name
    )
    assert await process.wait() == EXIT_STATUS
    async with opened(kafka):
        pass
    done = step is Step.COMMITTED
    assert await values(kafka, "rows") == [b"row"] * done
    assert await values(kafka, "progress") == [b"progress"] * done
    assert await committed_offset(kafka) == (7 if done else None)


async def test_closing_aborts_what_a_failure_left_open_so_that_no_reader_waits(kafka: KafkaSettings) -> None:
    def fails(_: Mapping[TopicPartition, int]) -> list[OutgoingRecord]:
        raise ZeroDivisionError

    async with opened(kafka) as writer:
        with pytest.raises(ZeroDivisionError):
            await writer.commit([row(kafka)], {source(kafka): 1}, kafka.group_id("streams"), fails)
        with pytest.raises(WriterUnusableError):
            await writer.commit([row(kafka)], {}, "group")
    assert await values(kafka, "rows") == []
    assert await committed_offset(kafka) is None


async def test_a_commit_cancelled_in_its_transaction_leaves_nothing_and_makes_the_writer_unusable(
    kafka: KafkaSettings,
) -> None:
    def cancels(_: Mapping[TopicPartition, int]) -> list[OutgoingRecord]:
        commit.cancel()
        return [progress(kafka)]

    async with opened(kafka) as writer:
        commit = asyncio.create_task(writer.commit([row(kafka)], {}, "group", cancels))
        with pytest.raises(asyncio.CancelledError):
            await commit
        with pytest.raises(WriterUnusableError):
            await writer.commit([row(kafka)], {}, "group")
    assert await values(kafka, "rows") == []
    assert await values(kafka, "progress") == []


async def test_a_record_too_large_or_for_no_partition_is_refused_before_anything_is_written(
    kafka: KafkaSettings,
) -> None:
    steps: list[Step] = []
    async with opened(kafka, steps) as writer:
        with pytest.raises(RecordTooLargeError):
            await writer.commit([row(kafka), row(kafka, b"v" * kafka.max_record_bytes)], {}, "group")
        for partition in (-1, 2):
            with pytest.raises(UnknownPartitionError):
                await writer.commit([row(kafka), row(kafka, partition=partition)], {}, "group")
        assert await writer.partition_count(kafka.topic("rows")) == 2
        assert steps == []
        await writer.commit([row(kafka, b"good")], {}, "group")
    assert await values(kafka, "rows") == [b"good"]


@pytest.mark.apache_kafka_only  # noida-db creates a topic as soon as it is asked for
async def test_a_topic_that_is_not_there_is_refused_by_name(kafka: KafkaSettings) -> None:
    quick = kafka.model_copy(update={"request_timeout_ms": 1_000})
    async with opened(quick) as writer:
        with pytest.raises(UnknownTopicError, match=r"absent.*topics apply"):
            await writer.commit([OutgoingRecord(kafka.topic("absent"), 0, b"k", b"v")], {}, "group")


async def test_the_largest_record_allowed_is_written(kafka: KafkaSettings) -> None:
    value = b"v" * (kafka.max_record_bytes - 200)
    async with opened(kafka.model_copy(update={"compression_type": "none"})) as writer:
        await writer.commit([row(kafka, value)], {}, "group")
    assert await values(kafka, "rows") == [value]


async def test_a_writer_that_is_not_open_refuses(kafka: KafkaSettings) -> None:
    writer = TransactionalWriter(kafka, kafka.transactional_id("streams", 0))
    with pytest.raises(WriterUnusableError):
        await writer.commit([row(kafka)], {}, "group")
    await writer.close()
    with pytest.raises(WriterUnusableError):
        await writer.open()


# Now and then aiokafka does not close a connection whose broker was killed; nothing can be done about it from outside.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestWithABrokerOfItsOwn:
    """What happens when the broker goes away."""

    @pytest.fixture
    def kafka(self, own_apache_kafka: Broker) -> Iterator[KafkaSettings]:
        yield KafkaSettings(
            bootstrap_servers=own_apache_kafka.bootstrap_servers,
            prefix="own.",
            request_timeout_ms=1_000,
            delivery_timeout_ms=3_000,
        )
        gc.collect()

    async def test_a_commit_fails_in_its_own_time_when_the_broker_is_gone_and_the_writer_can_be_closed(
        self, kafka: KafkaSettings, own_apache_kafka: Broker
    ) -> None:
        async with opened(kafka) as writer:
            await writer.commit([row(kafka, b"before")], {}, "group")
            own_apache_kafka.kill()
            with pytest.raises((DeliveryTimeoutError, KafkaError)):
                await writer.commit([row(kafka, b"lost")], {}, "group")
        own_apache_kafka.start()
        async with opened(self.patient(kafka)) as writer:
            await writer.commit([row(kafka, b"after")], {}, "group")
        assert await values(kafka, "rows") == [b"before", b"after"]

    async def test_a_broker_that_restarts_under_a_commit_leaves_all_of_it_or_nothing(
        self, kafka: KafkaSettings, own_apache_kafka: Broker
    ) -> None:
        async with opened(self.patient(kafka)) as writer:
            await writer.commit([row(kafka, b"before")], {}, "group")
            await asyncio.to_thread(own_apache_kafka.stop)
            commit = asyncio.create_task(
                writer.commit([row(kafka, b"meanwhile")], {}, "group", self.with_progress(kafka))
            )
            await asyncio.to_thread(own_apache_kafka.start)
            # Depending on what the broker was asked first, aiokafka tries again or gives up.
            await asyncio.wait({commit})
        async with opened(self.patient(kafka)) as writer:
            await writer.commit([row(kafka, b"after")], {}, "group")
        written = await values(kafka, "rows")
        assert written in ([b"before", b"after"], [b"before", b"meanwhile", b"after"])
        assert len(await values(kafka, "progress")) == len(written) - 2
        assert len(written) == 3 or isinstance(commit.exception(), (KafkaError, DeliveryTimeoutError))

    @staticmethod
    def patient(kafka: KafkaSettings) -> KafkaSettings:
        """With time for a broker that starts."""
        return kafka.model_copy(update={"delivery_timeout_ms": 60_000})

    @staticmethod
    def with_progress(kafka: KafkaSettings) -> Callable[[Mapping[TopicPartition, int]], list[OutgoingRecord]]:
        return lambda _: [progress(kafka)]


async def test_from_the_second_commit_on_all_partitions_are_added_to_the_transaction_at_once(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(kafka) as writer:
        added: list[set[TopicPartition]] = []
        sender = writer._opened()._sender
        add = sender._do_add_partitions_to_txn

        async def note(partitions: set[TopicPartition]) -> object:
            # Asked again while the broker still ends the transaction before.
            if added[-1:] != [partitions]:
                added.append(set(partitions))
            return await add(partitions)

        monkeypatch.setattr(sender, "_do_add_partitions_to_txn", note)
        for _ in range(2):
            await writer.commit([row(kafka)], {}, "group", lambda _: [progress(kafka)])
    rows, closing = TopicPartition(kafka.topic("rows"), 0), TopicPartition(kafka.topic("progress"), 0)
    assert added == [{rows}, {closing}, {rows, closing}]


async def test_a_commit_may_end_elsewhere_than_the_one_before_or_with_nothing(kafka: KafkaSettings) -> None:
    elsewhere = OutgoingRecord(kafka.topic("progress"), 1, b"key", b"elsewhere")
    async with opened(kafka) as writer:
        await writer.commit([row(kafka, b"1")], {}, "group", lambda _: [progress(kafka)])
        await writer.commit([row(kafka, b"2")], {}, "group")
        await writer.commit([], {source(kafka): 1}, kafka.group_id("streams"))
        await writer.commit([row(kafka, b"3")], {}, "group", lambda _: [elsewhere])
        await writer.commit([row(kafka, b"4")], {}, "group", lambda _: [progress(kafka)])
    assert await values(kafka, "rows") == [b"1", b"2", b"3", b"4"]
    assert await values(kafka, "progress") == [b"progress", b"progress"]
    assert await values(kafka, "progress", 1) == [b"elsewhere"]
    assert await committed_offset(kafka) == 1
