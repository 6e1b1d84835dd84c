"""The brokers that every other integration claim stands on."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.brokers.broker import Broker
from transport.settings import KafkaSettings


async def create(bootstrap_servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()


async def write(bootstrap_servers: str, topic: str, value: bytes, *, commit: bool = True) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, transactional_id=f"{topic}-writer")
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(topic, value, partition=0)
    await (producer.commit_transaction() if commit else producer.abort_transaction())
    await producer.stop()


async def read(bootstrap_servers: str, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    values = [(await consumer.getone()).value for _ in range(count)]
    await consumer.stop()
    return values


async def test_a_reader_at_read_committed_sees_what_was_committed_and_nothing_else(kafka: KafkaSettings) -> None:
    servers, topic = kafka.bootstrap_servers, f"{kafka.prefix}seen"
    await create(servers, topic)
    await write(servers, topic, b"aborted", commit=False)
    await write(servers, topic, b"committed")
    await write(servers, topic, b"too")
    assert await read(servers, topic, 2) == [b"committed", b"too"]


async def test_apache_kafka_keeps_its_address_and_its_records_through_a_kill(own_apache_kafka: Broker) -> None:
    servers = own_apache_kafka.bootstrap_servers
    await create(servers, "kept")
    await write(servers, "kept", b"before")
    own_apache_kafka.kill()
    assert own_apache_kafka.start() == servers
    await write(servers, "kept", b"after")
    assert await read(servers, "kept", 2) == [b"before", b"after"]
