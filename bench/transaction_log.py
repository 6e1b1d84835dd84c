"""Transactions put into a partition's log as a broker would have written them, while no broker runs.

A broker takes a millisecond for each transaction, on two cores most of an hour for two million. What a restoring client
reads of them is the log: a batch and its marker (KIP-98), which are written here in seconds. A broker that finds no
clean shutdown then checks every batch and makes the indexes and its producers' state from them, as after a crash.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

MADE_ANEW: Final = (".index", ".timeindex", ".txnindex", ".snapshot")
"""What a broker makes from the batches where it is missing."""

CLEAN_SHUTDOWN: Final = ".kafka_cleanshutdown"

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
"""Of a record batch (magic 2): baseOffset, batchLength, partitionLeaderEpoch, magic, crc, attributes, lastOffsetDelta,
baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence, records."""

_BEFORE_LENGTH: Final = 12
"""batchLength counts what comes after itself."""

_CRC: Final = struct.Struct(">I")
_CRC_AT, _CHECKED_FROM, _ATTRIBUTES_AT = 17, 21, 21
_PLACE: Final = struct.Struct(">qii")
_CODEC: Final = 0x07
_CONTROL: Final = 0x20
_COMMIT_KEY: Final = struct.pack(">hh", 0, 1)
_COMMIT_VALUE: Final = struct.pack(">hi", 0, 0)
_LARGEST: Final = 1_048_576


@dataclass
class LogEnd:
    """Where a log ends, and who wrote its last transaction; a further one takes the next offset and sequence."""

    segment: Path
    next_offset: int
    leader_epoch: int
    codec: int
    timestamp: int
    producer_id: int
    producer_epoch: int
    next_sequence: int


def log_end(directory: Path) -> LogEnd:
    """Read to the end of a partition's log.

    Raises:
        ValueError: no transaction was ever written to it.
    """
    end: LogEnd | None = None
    for segment in sorted(directory.glob("*.log")):
        for header in _headers(segment.read_bytes()):
            offset, _, leader_epoch, _, _, attributes, last, _, timestamp, producer, epoch, sequence, records = header
            if attributes & _CONTROL:
                if end is not None:
                    end.segment, end.next_offset = segment, offset + last + 1
            else:
                end = LogEnd(
                    segment=segment,
                    next_offset=offset + last + 1,
                    leader_epoch=leader_epoch,
                    codec=attributes & _CODEC,
                    timestamp=timestamp,
                    producer_id=producer,
                    producer_epoch=epoch,
                    next_sequence=sequence + records,
                )
    if end is None or end.producer_id < 0:
        raise ValueError(f"no transaction was ever written to {directory.name}")
    return end


def _headers(log: bytes) -> Iterator[tuple[int, ...]]:
    position = 0
    while position + _HEADER.size <= len(log):
        header = _HEADER.unpack_from(log, position)
        yield header
        position += _BEFORE_LENGTH + header[1]


def append_transactions(directory: Path, rows: Sequence[tuple[bytes, bytes]], count: int) -> None:
    """Append ``count`` committed transactions to a partition's log, each one of ``rows`` in turn and its marker.

    They are of the producer that wrote the last one. No broker may run on ``directory``, the partition's; see
    :func:`forget_clean_shutdown`.

    Raises:
        ValueError: no transaction was ever written to it.
    """
    end = log_end(directory)
    marker = _marker(end)
    with end.segment.open("ab") as log:
        for index in range(count):
            key, value = rows[index % len(rows)]
            offset = end.next_offset + 2 * index
            batch = _batch(end, end.next_sequence + index, key, value)
            _PLACE.pack_into(batch, 0, offset, len(batch) - _BEFORE_LENGTH, end.leader_epoch)
            _PLACE.pack_into(marker, 0, offset + 1, len(marker) - _BEFORE_LENGTH, end.leader_epoch)
            log.write(batch)
            log.write(marker)
    for path in directory.iterdir():
        if path.suffix in MADE_ANEW:
            path.unlink()


def forget_clean_shutdown(data: Path) -> None:
    """Let the broker that starts on ``data`` look at what it finds there, as after a crash."""
    (data / CLEAN_SHUTDOWN).unlink(missing_ok=True)


def _batch(end: LogEnd, sequence: int, key: bytes, value: bytes) -> bytearray:
    builder = DefaultRecordBatchBuilder(
        2,
        end.codec,
        is_transactional=True,
        producer_id=end.producer_id,
        producer_epoch=end.producer_epoch,
        base_sequence=sequence,
        batch_size=_LARGEST,
    )
    builder.append(0, end.timestamp, key, value, [])
    return bytearray(builder.build())


def _marker(end: LogEnd) -> bytearray:
    """Return a commit marker; only its place differs from transaction to transaction, which its checksum leaves out."""
    marker = _batch(replace(end, codec=0), -1, _COMMIT_KEY, _COMMIT_VALUE)
    attributes = int.from_bytes(marker[_ATTRIBUTES_AT : _ATTRIBUTES_AT + 2], "big") | _CONTROL
    marker[_ATTRIBUTES_AT : _ATTRIBUTES_AT + 2] = attributes.to_bytes(2, "big")
    _CRC.pack_into(marker, _CRC_AT, calc_crc32c(bytes(marker[_CHECKED_FROM:])))
    return marker
