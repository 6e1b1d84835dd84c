"""Records in batches; what the broker makes of them is in `tests/integration/test_transport_writer.py`."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy

from schemas.timestamp import Timestamp
from transport import record_batches as module
from transport.outgoing import OutgoingRecord, OutgoingRows, RecordTooLargeError


def test_a_timestamp_may_be_a_subclass_of_int_which_aiokafka_without_its_extension_refuses() -> None:
    with pytest.raises(TypeError):
        _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 16_384).append(0, Timestamp(5), b"k", b"v", [])
    builder = BatchBuilder(16_384, 0)
    builder._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 16_384)
    assert module._append(builder, OutgoingRecord("t", 0, b"k", b"v", (), Timestamp(5)))
    (record,) = DefaultRecordBatch(bytes(builder._build()))
    assert record.timestamp == 5


class Builders:
    """Makes the batches of a producer with room for a few records each."""

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(200, 0, is_transactional=True)


ROWS = [(b"node-%d" % number, b"value of %d" % number) for number in range(20)] + [(b"node-1", None)]


def read(builders: list[BatchBuilder]) -> list[tuple[int, bytes | None, bytes | None]]:
    """What a broker reads of them: offset in its batch, key, value."""
    return [
        (record.offset, record.key, record.value)
        for builder in builders
        for record in DefaultRecordBatch(bytes(builder._build()))
    ]


def test_rows_fill_the_same_batches_as_records_do() -> None:
    target, producer = TopicPartition("rows", 3), Builders()
    as_records = module.in_batches(producer, [OutgoingRecord("rows", 3, key, value) for key, value in ROWS], 200)
    as_rows = module.in_batches(producer, [], 200, OutgoingRows("rows", 3, ROWS))
    assert len(as_rows[target]) > 2
    assert [builder.record_count() for builder in as_rows[target]] == [
        builder.record_count() for builder in as_records[target]
    ]
    assert read(as_rows[target]) == read(as_records[target])


def test_a_batch_of_rows_is_closed_and_counts_its_records() -> None:
    (builder,) = module.in_batches(Builders(), [], 200, OutgoingRows("rows", 0, ROWS[:3]))[TopicPartition("rows", 0)]
    assert builder.append(timestamp=None, key=b"k", value=b"v") is None
    assert builder.record_count() == 3


def test_a_record_of_the_rows_own_partition_comes_after_them() -> None:
    target, last = TopicPartition("rows", 0), OutgoingRecord("rows", 0, b"k", b"last")
    batches = module.in_batches(Builders(), [last], 200, OutgoingRows("rows", 0, ROWS[:3]))
    assert [value for _, _, value in read(batches[target])] == [value for _, value in ROWS[:3]] + [b"last"]


@pytest.mark.parametrize("before", [0, 1])
def test_a_row_that_is_too_large_is_refused(before: int) -> None:
    rows = [*ROWS[:before], (b"node", b"v" * 200)]
    with pytest.raises(RecordTooLargeError):
        module.in_batches(Builders(), [], 200, OutgoingRows("rows", 0, rows))


@pytest.mark.parametrize(("size", "is_compressed"), [(module.SMALL_BATCH_BYTES - 5, False), (2_000, True)])
def test_rows_too_small_to_gain_by_it_are_not_compressed(size: int, is_compressed: bool) -> None:
    class Compressing:
        def create_batch(self) -> BatchBuilder:
            return BatchBuilder(16_384, 2, is_transactional=True)

    rows = [(b"node", b"v" * size)]
    (builder,) = module.in_batches(Compressing(), [], 16_384, OutgoingRows("rows", 0, rows))[TopicPartition("rows", 0)]
    batch = DefaultRecordBatch(bytes(builder._build()))
    assert (batch.compression_type != 0) is is_compressed
    assert batch.is_transactional
    assert [(record.key, record.value) for record in batch] == rows
