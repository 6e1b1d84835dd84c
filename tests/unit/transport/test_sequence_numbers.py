"""Sequence numbers count as Kafka's own producer counts them."""

from __future__ import annotations

from aiokafka import TopicPartition
from aiokafka.producer.transaction_manager import TransactionManager
from hypothesis import given
from hypothesis import strategies as st

from transport.sequence_numbers import GREATEST, SequenceNumbers

PARTITION = TopicPartition("t", 0)


def java_increment(sequence: int, increment: int) -> int:
    """Java's ``DefaultRecordBatch.incrementSequence``, said in its terms."""
    if sequence > GREATEST - increment:
        return increment - (GREATEST - sequence) - 1
    return sequence + increment


@given(st.integers(0, GREATEST), st.integers(1, 100_000))
async def test_aiokafkas_increments_end_where_javas_do(sequence: int, increment: int) -> None:
    manager = TransactionManager(None, 1000)
    manager._sequence_numbers = SequenceNumbers()
    manager._sequence_numbers[PARTITION] = sequence
    manager.increment_sequence_number(PARTITION, increment)
    assert manager.sequence_number(PARTITION) == java_increment(sequence, increment)


def test_the_number_after_the_greatest_is_0() -> None:
    assert java_increment(GREATEST, 1) == 0


def test_a_partition_begins_at_0() -> None:
    assert SequenceNumbers()[PARTITION] == 0
