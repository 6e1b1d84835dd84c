"""A record that a producer put into the wrong partition, on its way to the right one.

The right partition of a key is murmur2's (`partitioner`), but librdkafka's default partitioner places by
CRC32. Whoever reads a misplaced record forwards it once, to the right partition of `<topic>.repartition`,
with where and when it was first written in headers; there it is judged by these.

Only the principal of the reader itself (the worker, for requests the issuer) may write to a `.repartition`
topic: the headers are believed, so whoever else could write there could choose a record's timestamp. That
is for the broker's ACLs to enforce. What is checked here is the form, so that a bug or a stray producer is
noticed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from schemas.topics import repartition_of
from transport.incoming import IncomingRecord
from transport.outgoing import Headers, OutgoingRecord, RecordTooLargeError, record_size
from transport.settings import KafkaSettings

ORIGINAL_TOPIC: Final = "kordon-original-topic"
ORIGINAL_PARTITION: Final = "kordon-original-partition"
ORIGINAL_OFFSET: Final = "kordon-original-offset"
ORIGINAL_TIMESTAMP: Final = "kordon-original-timestamp"

_NAMES = (ORIGINAL_TOPIC, ORIGINAL_PARTITION, ORIGINAL_OFFSET, ORIGINAL_TIMESTAMP)
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,18}")
_TIMESTAMP = re.compile(rb"-1|0|[1-9][0-9]{0,18}")
_LARGEST_PARTITION = 2**31 - 1
_LARGEST_OFFSET = 2**63 - 1


class ForwardedRecordError(Exception):
    """A record on a `.repartition` topic that does not say, in the one accepted form, where it came from."""


class Forwarded(NamedTuple):
    """A forwarded record as it was where it was first written.

    `timestamp` is the original one, in ms since the epoch, which is the record's effective timestamp.
    `headers` are the original ones.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def forwarded(settings: KafkaSettings, record: IncomingRecord, partition: int) -> OutgoingRecord:
    """`record`, which is on a source topic, addressed to `partition` of its `.repartition` topic.

    Its own headers come first, then the four that say where it was. The timestamp on the topic is the time of
    forwarding, so that an old record is not deleted before it is judged.

    Raises RecordTooLargeError: with these headers it exceeds `max_record_bytes`; make it a dead letter.
    """
    topic = settings.topic(repartition_of(settings.without_prefix(record.topic)))
    headers = (
        *record.headers,
        (ORIGINAL_TOPIC, record.topic.encode()),
        (ORIGINAL_PARTITION, b"%d" % record.partition),
        (ORIGINAL_OFFSET, b"%d" % record.offset),
        (ORIGINAL_TIMESTAMP, b"%d" % record.timestamp),
    )
    outgoing = OutgoingRecord(topic, partition, record.key, record.value, headers)
    size = record_size(outgoing)
    if size > settings.max_record_bytes:
        raise RecordTooLargeError(topic, partition, size, settings.max_record_bytes)
    return outgoing


def read_forwarded(record: IncomingRecord) -> Forwarded:
    """The record that was forwarded, from a record read from a `.repartition` topic.

    The last four headers must be the four of this module in their order, as `forwarded` writes them;
    equally named ones before them are the record's own and mean nothing. That the key belongs into this
    partition is for the caller to check.

    Raises ForwardedRecordError: the headers are missing, out of order or malformed, name another topic than
    the one this topic belongs to, or name the partition that the record is in (then it was not misplaced).
    """
    names, values = zip(*record.headers[-len(_NAMES) :], strict=True) if record.headers else ((), ())
    if names != _NAMES:
        raise ForwardedRecordError(f"the last headers are not {', '.join(_NAMES)}")
    topic, partition, offset, timestamp = values
    source = (topic or b"").decode(errors="replace")
    if repartition_of(source) != record.topic:
        raise ForwardedRecordError(f"{ORIGINAL_TOPIC} is not the topic that {record.topic} belongs to")
    original = Forwarded(
        source,
        _number(ORIGINAL_PARTITION, partition, _NUMBER, _LARGEST_PARTITION),
        _number(ORIGINAL_OFFSET, offset, _NUMBER, _LARGEST_OFFSET),
        _number(ORIGINAL_TIMESTAMP, timestamp, _TIMESTAMP, _LARGEST_OFFSET),
        record.key,
        record.value,
        tuple(record.headers[: -len(_NAMES)]),
    )
    if original.partition == record.partition:
        raise ForwardedRecordError(f"{ORIGINAL_PARTITION} is the partition it was forwarded to")
    return original


def _number(name: str, text: bytes | None, form: re.Pattern[bytes], largest: int) -> int:
    number = int(text) if text is not None and form.fullmatch(text) else None
    if number is None or number > largest:
        raise ForwardedRecordError(f"{name} is not a number in its one accepted form")
    return number
