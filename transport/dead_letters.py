"""Where a record goes that cannot be accepted: `<topic>.dlq`, with the reason.

Raw key, raw value and headers are kept. The reason stands in headers under KIP-1034's names. They come
after the record's own headers, so where a record that was itself taken from a dead-letter topic has such
headers already, the last ones count, which is what `lastHeader` of the Java client returns. A digest of the
whole record is always there, so that one too large to keep whole can still be identified by whoever has the
original.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from schemas.topics import dlq_of
from transport.incoming import IncomingRecord
from transport.outgoing import Headers, OutgoingRecord, record_size
from transport.settings import KafkaSettings

TOPIC: Final = "__streams.errors.topic"
PARTITION: Final = "__streams.errors.partition"
OFFSET: Final = "__streams.errors.offset"
EXCEPTION: Final = "__streams.errors.exception"
MESSAGE: Final = "__streams.errors.message"
TIMESTAMP: Final = "kordon-dead-letter-timestamp"
"""The record's own timestamp, ms since the epoch; the dead letter's is the time it was written."""
DIGEST: Final = "kordon-dead-letter-sha256"
"""Lowercase hex of `digest_of` the whole record, before anything was cut."""
CUT: Final = "kordon-dead-letter-cut"
"""There only if something was cut: the original sizes of what was, such as `value=5242880,headers=312`: bytes
of key and value, number of headers."""

_REASON_NAMES: Final = (TOPIC, PARTITION, OFFSET, EXCEPTION, MESSAGE, TIMESTAMP, DIGEST)

LONGEST_EXCEPTION_BYTES: Final = 256
LONGEST_MESSAGE_BYTES: Final = 2_048

_SHARE = 4
"""Key and headers may each take a quarter of the room when everything is too large; the value has what is
left."""

_HEADER_OVERHEAD = 10
"""Bytes of the two lengths of a header, at most five each."""


class Cause(NamedTuple):
    """Why a record was rejected, as its dead letter's headers say; `topic` is the full name."""

    topic: str
    partition: int
    offset: int
    exception: str
    message: str


def dead_letter(
    settings: KafkaSettings, record: IncomingRecord, exception: str, message: str, partition: int | None = None
) -> OutgoingRecord:
    """The dead letter of `record`, never larger than `max_record_bytes`.

    `exception` names the kind of rejection (`DecodeError`); `message` is for a person and must not quote
    the input, which may hold a secret. `partition` is where to write it: the co-partition that owns the
    record if that is another than the record's own, which is so for a misplaced or forwarded record. For a
    forwarded record give what `repartition.read_forwarded` returns, so that the position is the original.

    If the record is too large, whole headers are dropped from the end, and key and value are cut at the
    end, in the same way each time.
    """
    reason = _reason(record, exception, message)
    reserved = _headers_size((*reason, (CUT, b"value=00000000000,key=00000000000,headers=00000000000")))
    room = settings.max_record_bytes - record_size(OutgoingRecord("", 0, None, None)) - _HEADER_OVERHEAD - reserved
    key, value, headers, cut = _fitted(record, room)
    if cut:
        reason = (*reason, (CUT, cut.encode()))
    return OutgoingRecord(
        settings.topic(dlq_of(settings.without_prefix(record.topic))),
        record.partition if partition is None else partition,
        key,
        value,
        (*headers, *reason),
    )


def cause_of(headers: Sequence[tuple[str, bytes | None]]) -> Cause | None:
    """The reason in a dead letter's headers, the last of each name; None if one is missing or malformed."""
    last = dict(headers)
    try:
        topic, partition, offset, exception, message = (
            (last[name] or b"").decode() for name in (TOPIC, PARTITION, OFFSET, EXCEPTION, MESSAGE)
        )
        return Cause(topic, int(partition), int(offset), exception, message)
    except (KeyError, ValueError):
        return None


def own_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers | None:
    """The rejected record's own headers: a dead letter's without those that `dead_letter` put behind them.

    None if the last headers are not these in their order, so that somebody else wrote the record.
    """
    names = [name for name, _ in headers]
    for block in ((*_REASON_NAMES, CUT), _REASON_NAMES):
        if tuple(names[-len(block) :]) == block:
            return tuple(headers[: -len(block)])
    return None


def digest_of(record: IncomingRecord) -> str:
    """`digest_of_parts` of a record's key, value and headers."""
    return digest_of_parts(record.key, record.value, record.headers)


def digest_of_parts(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Lowercase hex SHA-256 over key, value, then each header's name and value.

    Each part is preceded by its length, 8 bytes big-endian; an absent one is the length -1 alone.
    """
    digest = hashlib.sha256()
    parts: list[bytes | None] = [key, value]
    for name, content in headers:
        parts += (_utf8(name), content)
    for part in parts:
        digest.update((-1 if part is None else len(part)).to_bytes(8, "big", signed=True))
        digest.update(part or b"")
    return digest.hexdigest()


def _reason(record: IncomingRecord, exception: str, message: str) -> Headers:
    return (
        (TOPIC, _utf8(record.topic)),
        (PARTITION, str(record.partition).encode()),
        (OFFSET, str(record.offset).encode()),
        (EXCEPTION, _shortened(exception, LONGEST_EXCEPTION_BYTES)),
        (MESSAGE, _shortened(message, LONGEST_MESSAGE_BYTES)),
        (TIMESTAMP, str(record.timestamp).encode()),
        (DIGEST, digest_of(record).encode()),
    )


def _fitted(record: IncomingRecord, room: int) -> tuple[bytes | None, bytes | None, Headers, str]:
    """Key, value and headers that take at most `room` bytes together, and what was cut."""
    key, value, headers = record.key, record.value, tuple(record.headers)
    key_size, value_size, headers_size = len(key or b""), len(value or b""), _headers_size(headers)
    if key_size + value_size + headers_size <= room:
        return key, value, headers, ""
    cut = {}
    key_room = max(room // _SHARE, room - value_size - headers_size)
    if key is not None and key_size > key_room:
        cut["key"] = key_size
        key = key[:key_room]
    headers_room = max(room // _SHARE, room - value_size - len(key or b""))
    if headers_size > headers_room:
        cut["headers"] = len(headers)
        headers = _first_headers(headers, headers_room)
    value_room = room - len(key or b"") - _headers_size(headers)
    if value is not None and value_size > value_room:
        cut["value"] = value_size
        value = value[:value_room]
    return key, value, headers, ",".join(f"{part}={size}" for part, size in cut.items())


def _first_headers(headers: Headers, room: int) -> Headers:
    kept: list[tuple[str, bytes | None]] = []
    for header in headers:
        room -= _headers_size((header,))
        if room < 0:
            break
        kept.append(header)
    return tuple(kept)


def _headers_size(headers: Iterable[tuple[str, bytes | None]]) -> int:
    return sum(_HEADER_OVERHEAD + len(_utf8(name)) + len(value or b"") for name, value in headers)


def _shortened(text: str, longest: int) -> bytes:
    # Cutting bytes may cut a character in two; dropping its rest keeps the header valid UTF-8.
    return _utf8(text)[:longest].decode(errors="ignore").encode()


def _utf8(text: str) -> bytes:
    return text.encode(errors="replace")
