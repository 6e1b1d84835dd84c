"""Transactions in a log file are what a client reads as such; a broker starts on them in `make bench -w restore`."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from bench.transaction_log import append_transactions, forget_clean_shutdown, log_end

ROWS = [(b"node-%d" % number, b"row of %d" % number) for number in range(3)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A partition to which an engine wrote two rows in one transaction, compressed."""
    builder = DefaultRecordBatchBuilder(2, 2, True, 42, 3, 10, 100_000)
    builder.append(0, 1_000, b"node-0", b"old", [])
    builder.append(1, 1_001, b"node-1", b"old", [])
    (tmp_path / "00000000000000000000.log").write_bytes(bytes(builder.build()))
    for name in ("00000000000000000000.index", "00000000000000000002.snapshot", "leader-epoch-checkpoint"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def read(directory: Path) -> tuple[list[tuple[int, bytes, bytes]], int]:
    """Records as (offset, key, value), and the position at the end."""
    log = b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))
    records = PartitionRecords(TopicPartition("t", 0), MemoryRecords(log), [], 0, None, None, True, READ_COMMITTED)
    return [(each.offset, each.key, each.value) for each in records], records.next_fetch_offset


def test_each_transaction_is_a_row_and_a_marker_in_the_offsets_that_follow(directory: Path) -> None:
    append_transactions(directory, ROWS, 4)
    found, end = read(directory)
    assert found[2:] == [(2, *ROWS[0]), (4, *ROWS[1]), (6, *ROWS[2]), (8, *ROWS[0])]
    assert end == 10


def test_they_are_of_the_producer_that_wrote_last_with_the_sequence_that_follows(directory: Path) -> None:
    append_transactions(directory, ROWS, 4)
    append_transactions(directory, ROWS, 1)
    end = log_end(directory)
    assert (end.next_offset, end.producer_id, end.producer_epoch, end.next_sequence) == (12, 42, 3, 17)
    assert end.codec == 2


def test_what_a_broker_makes_from_the_batches_is_taken_away_and_the_rest_is_left(directory: Path) -> None:
    append_transactions(directory, ROWS, 1)
    assert {path.name for path in directory.iterdir()} == {"00000000000000000000.log", "leader-epoch-checkpoint"}


def test_a_log_without_transactions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no transaction was ever written"):
        append_transactions(tmp_path, ROWS, 1)


def test_the_broker_looks_at_its_logs_as_after_a_crash(tmp_path: Path) -> None:
    (tmp_path / ".kafka_cleanshutdown").touch()
    forget_clean_shutdown(tmp_path)
    forget_clean_shutdown(tmp_path)
    assert not (tmp_path / ".kafka_cleanshutdown").exists()
