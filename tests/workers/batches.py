"""Record batches as bytes: which codec one has, and one that no Python client would write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c

from transport.client import client_arguments, consumer_arguments
from transport.settings import KafkaSettings

_NAMES = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_HEADER_BYTES = 12


async def codecs_of(kafka: KafkaSettings, partitions: Sequence[TopicPartition]) -> set[str]:
    """Return the codecs in the attributes of the batches of these partitions, from their beginning."""
    codecs = set()
    async with AIOKafkaConsumer(**consumer_arguments(kafka)) as consumer:
        consumer.assign(list(partitions))
        await asyncio.gather(*(consumer.seek_to_beginning(tp) for tp in partitions))
        for tp in partitions:
            offset = 0
            while content := await _fetch(consumer, tp, offset):
                while len(content) > _HEADER_BYTES:
                    size = _HEADER_BYTES + int.from_bytes(content[8:12], "big")
                    if len(content) < size:
                        break
                    batch = DefaultRecordBatch(content[:size])
                    codecs.add(_NAMES[batch.compression_type])
                    offset, content = batch.next_offset, content[size:]
    return codecs


async def _fetch(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> bytes:
    client = consumer._client
    node = client.cluster.leader_for_partition(tp)
    request = FetchRequest(100, 1, 1_048_576, 0, [(tp.topic, [(tp.partition, offset, 1_048_576)])], rack_id="")
    response = await client.send(node, request)
    return bytes(response.topics[0][1][0][-1])


async def write_with_header_name(
    kafka: KafkaSettings, target: TopicPartition, name: bytes, *batches: Sequence[tuple[bytes, bytes]]
) -> None:
    """Write batches of (key, value) of which the last record has a header of this name, which may be any 4 bytes."""

    def rename(content: bytearray) -> None:
        at = content.index(b"ZZZZ")
        content[at : at + 4] = name

    async with AIOKafkaProducer(**client_arguments(kafka)) as producer:
        for records in batches:
            builder = producer.create_batch()
            for number, (key, value) in enumerate(records):
                headers = [("ZZZZ", b"x")] if number == len(records) - 1 else []
                assert builder.append(key=key, value=value, timestamp=None, headers=headers) is not None
            builder.close()
            builder._builder = _Patched(builder._builder, rename)
            await (await producer.send_batch(builder, target.topic, partition=target.partition))


async def write_with_offset_deltas(
    kafka: KafkaSettings, target: TopicPartition, records: Sequence[tuple[int, bytes, bytes]]
) -> None:
    """Write one uncompressed batch of (offset delta, key, value), whose header counts as if the deltas were right."""

    def recount(content: bytearray) -> None:
        content[23:27] = (len(records) - 1).to_bytes(4, "big")

    async with AIOKafkaProducer(**client_arguments(kafka)) as producer:
        batch = producer.create_batch()
        for delta, key, value in records:
            batch._relative_offset = delta
            assert batch.append(key=key, value=value, timestamp=None) is not None
        batch.close()
        batch._builder = _Patched(batch._builder, recount)
        await (await producer.send_batch(batch, target.topic, partition=target.partition))


class _Patched:
    """A batch builder whose batches are changed before their checksum is made."""

    def __init__(self, builder: Any, patch: Callable[[bytearray], None]) -> None:
        self._wrapped = builder
        self._patch = patch

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._wrapped, attribute)

    def build(self) -> bytearray:
        content = bytearray(self._wrapped.build())
        self._patch(content)
        content[17:21] = calc_crc32c(bytes(content[21:])).to_bytes(4, "big")
        return content
