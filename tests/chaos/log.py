"""Reads the log as it lies on the broker: batches, records and transactions' markers, decoded here.

The verdict rests on it, so it shares nothing with what it judges: no view of ``transport``, and of aiokafka only the
connection and the codecs. A transaction counts if its own marker in the partition says so.
"""

from __future__ import annotations

import asyncio
import struct
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.fetch import FetchRequest

from transport.client import consumer_arguments
from transport.settings import KafkaSettings

FETCH_BYTES = 8_388_608
FETCH_SECONDS = 60.0

_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_AT, _LENGTH_ENDS = 8, 12
_CODECS = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}
_CODEC, _LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_COMMIT = 1


class LogRecord(NamedTuple):
    """A record where it lies. ``topic`` is the full name; ``timestamp`` is ms since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class LogBatch(NamedTuple):
    """A record batch. ``end`` is the offset after it; ``commits`` is what a marker says, ``None`` if it is none."""

    producer_id: int
    producer_epoch: int
    end: int
    transactional: bool
    commits: bool | None
    records: tuple[LogRecord, ...]


@dataclass
class Log:
    """Committed records by (topic without prefix, partition), in the order of offsets."""

    partitions: int
    records: dict[tuple[str, int], list[LogRecord]] = field(default_factory=dict)

    def of(self, topic: str, partition: int) -> Sequence[LogRecord]:
        return self.records.get((topic, partition), ())

    def between(self, topic: str, partition: int, first: int, stop: int) -> Sequence[LogRecord]:
        """Return the records whose offsets are in [first, stop); none if that is empty."""
        records = self.of(topic, partition)
        begin = bisect_left(records, first, key=attrgetter("offset"))
        return records[begin : bisect_left(records, max(first, stop), lo=begin, key=attrgetter("offset"))]

    def all(self, topic: str) -> list[LogRecord]:
        return [record for partition in range(self.partitions) for record in self.of(topic, partition)]

    def extended(self, later: Log) -> Log:
        """Return this log with what ``later`` has beyond it: retention may have deleted since what stands here."""
        both = {place: list(records) for place, records in self.records.items()}
        for place, records in later.records.items():
            mine = both.setdefault(place, [])
            end = mine[-1].offset if mine else -1
            mine += [record for record in records if record.offset > end]
        return Log(self.partitions, both)


async def read_log(kafka: KafkaSettings, topics: Sequence[str]) -> Log:
    """Read topics (without prefix) as a reader at read_committed does, up to the high watermarks of now."""
    log = Log(kafka.partitions)
    async with AIOKafkaConsumer(**consumer_arguments(kafka)) as consumer:
        for topic in topics:
            for partition in range(kafka.partitions):
                place = TopicPartition(kafka.topic(topic), partition)
                log.records[topic, partition] = committed([one async for one in batches(consumer, place)])
    return log


def committed(found: Sequence[LogBatch]) -> list[LogRecord]:
    """Return the records of a partition's batches that are committed; those of a transaction without an end are not."""
    open_batches: dict[int, list[LogBatch]] = {}
    kept: list[LogBatch] = []
    for batch in found:
        if batch.commits is not None:
            ended = open_batches.pop(batch.producer_id, [])
            kept += ended if batch.commits else []
        elif batch.transactional:
            open_batches.setdefault(batch.producer_id, []).append(batch)
        else:
            kept.append(batch)
    return sorted(record for batch in kept for record in batch.records)


async def batches(consumer: AIOKafkaConsumer, place: TopicPartition) -> AsyncIterator[LogBatch]:
    """Yield a partition's batches from its beginning to the high watermark that it had at first."""
    offset = start = (await consumer.beginning_offsets([place]))[place]
    end = None
    while end is None or offset < end:
        high, content = await _fetch(consumer, place, offset)
        end, before = high if end is None else end, offset
        while len(content) >= _LENGTH_ENDS:
            size = _LENGTH_ENDS + int.from_bytes(content[_LENGTH_AT:_LENGTH_ENDS], "big")
            if len(content) < size:
                break
            batch = _decode(content[:size], place, start)
            yield batch
            offset, content = batch.end, content[size:]
        assert offset > before or offset >= end, f"{place} cannot be read from offset {before}"


async def _fetch(consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> tuple[int, memoryview]:
    """Return the high watermark and what lies from ``offset`` on; asks again while the leader moves."""
    client, deadline = consumer._client, time.monotonic() + FETCH_SECONDS
    request = FetchRequest(100, 1, FETCH_BYTES, 0, [(place.topic, [(place.partition, offset, FETCH_BYTES)])], "")
    while True:
        try:
            leader = client.cluster.leader_for_partition(place)
            if leader is not None and leader >= 0:
                response = await client.send(leader, request)
                _, code, high, *_, content = response.topics[0][1][0]
                if code == 0:
                    return high, memoryview(content)
                raise for_code(code)
        except KafkaError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"{place} has no leader"
        await client.force_metadata_update()
        await asyncio.sleep(0.1)


def _decode(content: memoryview, place: TopicPartition, start: int) -> LogBatch:
    (base, _, _, magic, _, attributes, last, first_time, last_time, producer, epoch, _, count) = _HEADER.unpack_from(
        content
    )
    assert magic == 2, f"{place} holds a batch of format {magic}"
    body = bytes(content[_HEADER.size :])
    codec = attributes & _CODEC
    if codec and not attributes & _CONTROL:
        body = bytes(_CODECS[codec](body))
    reader, records = _Reader(body), []
    for _ in range(count):
        record = _record(reader, place, base, first_time)
        if attributes & _LOG_APPEND_TIME:
            record = record._replace(timestamp=last_time)
        records.append(record)
    commits = None
    if attributes & _CONTROL:
        commits = int.from_bytes((records[0].key or b"")[2:4], "big") == _COMMIT
        records = []
    kept = tuple(record for record in records if record.offset >= start)
    return LogBatch(producer, epoch, base + last + 1, bool(attributes & _TRANSACTIONAL), commits, kept)


class _Reader:
    """Takes varints and byte strings off a batch's body."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def number(self) -> int:
        shift = value = 0
        while True:
            byte = self._body[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7

    def skip(self, count: int) -> None:
        self._at += count

    def text(self) -> bytes | None:
        size = self.number()
        if size < 0:
            return None
        self._at += size
        return self._body[self._at - size : self._at]


def _record(reader: _Reader, place: TopicPartition, base: int, first_time: int) -> LogRecord:
    reader.number()
    reader.skip(1)
    timestamp, offset = first_time + reader.number(), base + reader.number()
    key, value = reader.text(), reader.text()
    # A name may be any bytes; what is no UTF-8 is kept as it can be told apart.
    headers = tuple(
        ((reader.text() or b"").decode(errors="surrogateescape"), reader.text()) for _ in range(reader.number())
    )
    return LogRecord(place.topic, place.partition, offset, timestamp, key, value, headers)


def last_of(headers: Sequence[tuple[str, bytes | None]]) -> Mapping[str, bytes]:
    """Return the last value of each header's name."""
    return {name: value or b"" for name, value in headers}
