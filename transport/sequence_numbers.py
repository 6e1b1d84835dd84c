"""The sequence numbers of an idempotent producer's records, which begin anew at 0 after 2³¹ - 1.

Java's producer and the broker count so (``DefaultRecordBatch.incrementSequence``, ``ProducerAppendInfo.inSequence``).
aiokafka 0.14 goes on at -2³¹, which a broker refuses as INVALID_RECORD: a writer of 20,000 rows a second over twelve
partitions would end in its third week, one of 100,000 over one partition after six hours.
"""

from __future__ import annotations

from collections import defaultdict

from aiokafka import AIOKafkaProducer, TopicPartition

GREATEST = 2**31 - 1


class SequenceNumbers(defaultdict[TopicPartition, int]):
    """The next record's number by partition: 0 at first, :data:`GREATEST` at most."""

    def __init__(self) -> None:
        super().__init__(int)

    def __setitem__(self, partition: TopicPartition, number: int) -> None:
        """Keep the low 31 bits, whichever way ``number`` was wrapped before."""
        super().__setitem__(partition, number & GREATEST)


def wrap_sequence_numbers(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    """Return an idempotent ``producer`` that has sent nothing yet, with its numbers counted as Kafka does."""
    producer._txn_manager._sequence_numbers = SequenceNumbers()  # noqa: SLF001 - a test pins the name
    return producer
