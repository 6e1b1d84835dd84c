"""The brokers' time out of the markers of transactions."""

from __future__ import annotations

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from transport.broker_clock import BrokerTime, Marker, Passed, pass_over

CONTROL = 0x20


def batch(offset: int, timestamp: int, *, marker: bool = False) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=1,
        producer_id=1,
        producer_epoch=1,
        base_sequence=0,
        batch_size=1_000,
    )
    builder.append(offset=0, timestamp=timestamp, key=b"\x00\x00\x00\x01", value=b"", headers=[])
    content = bytearray(builder.build())
    content[0:8] = offset.to_bytes(8, "big")
    if marker:
        content[22] |= CONTROL
    return bytes(content)


def test_a_marker_tells_the_brokers_time_and_the_record_before_it_its_writers() -> None:
    content = batch(4, 1_000) + batch(5, 1_007, marker=True)

    assert pass_over(content, Passed(4, ())) == Passed(6, (Marker(1_007, 1_000),), 1_000)


def test_the_record_may_have_come_with_an_earlier_answer() -> None:
    before = pass_over(batch(4, 1_000), Passed(4, ()))

    assert before == Passed(5, (), 1_000)
    assert pass_over(batch(5, 1_007, marker=True), before).markers == (Marker(1_007, 1_000),)


def test_a_marker_alone_says_nothing_of_its_writer() -> None:
    assert pass_over(batch(5, 1_007, marker=True), Passed(5, ())).markers == (Marker(1_007, None),)


def test_what_lies_before_the_position_and_a_batch_that_is_cut_off_are_passed_over() -> None:
    content = batch(3, 900, marker=True) + batch(4, 1_000) + batch(5, 1_007, marker=True)[:-3]

    assert pass_over(content, Passed(4, ())) == Passed(5, (), 1_000)
    assert pass_over(b"", Passed(4, ())) == Passed(4, ())


@pytest.mark.parametrize(("writer", "ahead"), [(None, None), (990, -10)])
def test_ahead_is_positive(writer: int | None, ahead: int | None) -> None:
    measured = BrokerTime(1_000, writer, 1_250)

    assert (measured.ours_ahead, measured.writer_ahead) == (250, ahead)
