"""A co-partition at work: batches of requests in, one Kafka transaction a batch out.

A transaction holds the replies, decisions, bindings, dead letters and forwarded records of a batch, the progress record
and the group's offsets. What was judged is put into the state at once, so that a batch's second request meets the
first one's decision; if the transaction then fails, the state is dropped with the co-partition and built anew from
what was committed.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NoReturn

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from issuer.errors import BrokenChainError
from issuer.freshness import Freshness
from issuer.judgement import Judge
from issuer.state import CopartitionState
from schemas.codec import encode
from schemas.progress import PROGRESS_SCHEMA_VERSION, IssuerProgress
from schemas.timestamp import Timestamp
from schemas.topics import ISSUER_PROGRESS, REQUESTS, repartition_of
from transport.outgoing import OutgoingRecord
from transport.polling import poll
from transport.settings import KafkaSettings
from transport.writer import TransactionalWriter

SERVICE: Final = "issuer"
SOURCES: Final = (REQUESTS, repartition_of(REQUESTS))
"""What is answered, names without prefix."""

_JUDGED_AT_ONCE: Final = 16
"""Requests judged, about a millisecond each, between two turns of the event loop."""


class Copartition:
    """One co-partition, taken over: its state stands at ``offsets``, and ``writer`` has fenced the former owner.

    ``offsets`` are next offsets by source topic without prefix. ``clock`` gives ms since the epoch. ``topic_ids`` are
    Kafka's as of the take-over, by name without prefix: a successor compares them.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        state: CopartitionState,
        judge: Judge,
        writer: TransactionalWriter,
        offsets: Mapping[str, int],
        clock: Callable[[], Timestamp],
        topic_ids: Mapping[str, str] | None = None,
    ) -> None:
        self.state = state
        self.offsets: dict[str, int] = dict(offsets)
        self._kafka = kafka
        self._judge = judge
        self._writer = writer
        self._clock = clock
        self._topic_ids = dict(topic_ids) if topic_ids else None
        self._names = {TopicPartition(kafka.topic(name), state.partition): name for name in SOURCES}
        self._reported = 0.0

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """Where to read on."""
        return {place: self.offsets[name] for place, name in self._names.items()}

    async def run(
        self,
        reader: AIOKafkaConsumer,
        freshness: Freshness,
        *,
        poll_records: int,
        progress_interval_seconds: float,
    ) -> NoReturn:
        """Answer for as long as the co-partition is owned; ends by cancellation or a fault.

        Raises:
            ProducerFenced: another issuer has taken over.
            BrokenChainError: requests came out of order.
            KafkaError, WriterError, ViewFailedError: crash, and a restart resumes.
        """
        positions = self.positions
        while True:
            due = self._reported + progress_interval_seconds - time.monotonic()
            batches = await poll(reader, positions, timeout_ms=max(0, int(due * 1000)), max_records=poll_records)
            if batches:
                await self._answer(batches, positions, freshness)
            elif self._reported + progress_interval_seconds <= time.monotonic():
                self._stand_at(positions)
                await self._commit([], {})

    async def _answer(
        self,
        batches: Mapping[TopicPartition, Sequence[ConsumerRecord]],
        positions: Mapping[TopicPartition, int],
        freshness: Freshness,
    ) -> None:
        caught_up = await freshness.wait(self.state)
        outgoing: list[OutgoingRecord] = []
        judged = 0
        for place, records in batches.items():
            name = self._names[place]
            judge = self._judge.judge if name == REQUESTS else self._judge.judge_forwarded
            for record in records:
                if record.offset < self.offsets[name]:
                    raise BrokenChainError(
                        f"{place.topic} [{place.partition}] offset {record.offset} came after it was answered: "
                        f"the checkpoint stands at {self.offsets[name]}"
                    )
                outgoing += judge(record, caught_up=caught_up, now=self._clock())
                self.offsets[name] = record.offset + 1
                judged += 1
                if judged % _JUDGED_AT_ONCE == 0:
                    await asyncio.sleep(0)
                    # Meanwhile the view may have read the progress of a transaction whose rows it has not read yet.
                    caught_up = caught_up and freshness.has_risk_end(self.state)
        self._stand_at(positions)
        await self._commit(outgoing, {place: positions[place] for place in batches})

    def _stand_at(self, positions: Mapping[TopicPartition, int]) -> None:
        """Move the checkpoint past what holds no requests too, such as transaction markers.

        Else it would lag behind, and retention, which deletes these as well, would make it look as if requests were
        lost.
        """
        for place, name in self._names.items():
            self.offsets[name] = positions[place]

    async def _commit(self, records: Iterable[OutgoingRecord], moved: Mapping[TopicPartition, int]) -> None:
        await self._writer.commit(records, moved, self._kafka.group_id(SERVICE), self._progress)
        self._reported = time.monotonic()

    def _progress(self, _next_offsets: Mapping[TopicPartition, int]) -> Sequence[OutgoingRecord]:
        progress = IssuerProgress(
            schemaVersion=PROGRESS_SCHEMA_VERSION,
            partition=self.state.partition,
            at=self._clock(),
            offsets=dict(self.offsets),
            partitionCount=self.state.partition_count,
            topicIds=self._topic_ids,
        )
        topic = self._kafka.topic(ISSUER_PROGRESS)
        return (OutgoingRecord(topic, self.state.partition, None, encode(progress)),)
