"""Records in batches; what the broker makes of them is in `tests/integration/test_transport_writer.py`."""

from __future__ import annotations

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy

from schemas.timestamp import Timestamp
from transport import record_batches as module
from transport.outgoing import OutgoingRecord


def test_a_timestamp_may_be_a_subclass_of_int_which_aiokafka_without_its_extension_refuses() -> None:
    with pytest.raises(TypeError):
        _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 16_384).append(0, Timestamp(5), b"k", b"v", [])
    builder = BatchBuilder(16_384, 0)
    builder._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 16_384)
    assert module._append(builder, OutgoingRecord("t", 0, b"k", b"v", (), Timestamp(5)))
    (record,) = DefaultRecordBatch(bytes(builder._build()))
    assert record.timestamp == 5
