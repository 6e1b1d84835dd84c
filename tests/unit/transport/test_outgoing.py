"""How large a record is once it is written."""

from __future__ import annotations

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transport.incoming_records import headers, some_bytes
from transport.outgoing import Headers, OutgoingRecord, record_size


@given(some_bytes(3_000), some_bytes(3_000), headers(300), st.integers(0, 2**62))
def test_a_batch_of_one_record_is_never_larger_than_the_size_said(
    key: bytes | None, value: bytes | None, given_headers: Headers, timestamp: int
) -> None:
    record = OutgoingRecord("topic", 0, key, value, given_headers, timestamp)
    builder = DefaultRecordBatchBuilder(2, 0, 1, 1, 1, 0, 1)
    assert builder.append(0, timestamp, key, value, list(given_headers)) is not None
    size = len(builder.build())
    assert size <= record_size(record) <= size + 64
