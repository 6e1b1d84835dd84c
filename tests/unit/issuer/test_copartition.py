"""A batch of requests is judged on one view, also when the view moves on while it is judged."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import cast

from aiokafka import TopicPartition

from issuer.copartition import Copartition
from issuer.freshness import Freshness
from schemas.capsules import CapsuleReply
from schemas.codec import decode
from schemas.decisions import DenialReason
from schemas.timestamp import Timestamp
from schemas.topics import REPLIES, REQUESTS, RISK, repartition_of
from tests.unit.issuer.nodes import NOW, Desk, Record
from transport.outgoing import OutgoingRecord
from transport.views import View
from transport.watermarks import Watermarks
from transport.writer import TransactionalWriter

REQUEST_PLACE = TopicPartition("k." + REQUESTS, 0)
HOUR = 3_600_000


class ReadToTheEnd:
    """In the place of a view and of watermarks, whose brokers are not there: registry and risk are empty."""

    def __init__(self) -> None:
        self.risk_position = 0

    async def high(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def caught_up_to(self, _offsets: Mapping[TopicPartition, int], _timeout_seconds: float) -> None:
        return

    def position(self, partition: TopicPartition) -> int:
        assert partition == TopicPartition("k." + RISK, 0)
        return self.risk_position


class Kept:
    """In the place of a writer: keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[OutgoingRecord] = []

    async def commit(self, records: Iterable[OutgoingRecord], *_: object) -> None:
        self.records += records


async def reasons(desk: Desk, count: int, *, risk_position: int) -> list[DenialReason | None]:
    """Judge so many requests while the view reads a progress record whose rows end at offset 10."""
    broker, kept = ReadToTheEnd(), Kept()
    freshness = Freshness(desk.kafka, cast("View", broker), cast("Watermarks", broker), 2.0)
    copartition = Copartition(
        desk.kafka,
        desk.state,
        desk.judge,
        cast("TransactionalWriter", kept),
        {REQUESTS: 0, repartition_of(REQUESTS): 0},
        lambda: NOW,
    )
    requests = [
        Record(REQUEST_PLACE.topic, 0, offset, NOW, b"node-1", desk.request(requestId=f"request-{offset:016}"))
        for offset in range(count)
    ]
    positions = {place: count if place == REQUEST_PLACE else 0 for place in copartition.positions}

    async def follow() -> None:
        broker.risk_position = risk_position
        desk.progress(riskEnd=10)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(copartition._answer({REQUEST_PLACE: requests}, positions, freshness))
        tasks.create_task(follow())
    replies = [record for record in kept.records if record.topic == "k." + REPLIES]
    return [decode(CapsuleReply, record.value, REPLIES).reason for record in replies]


async def test_a_workers_return_counts_only_with_the_rows_it_brings() -> None:
    """A worker that was dead for an hour commits rows and progress: read first, its progress alone grants nothing."""
    desk = Desk()
    desk.enrol()
    desk.progress(at=Timestamp(NOW - HOUR))
    assert set(await reasons(desk, 64, risk_position=9)) == {DenialReason.RISK_STATE_STALE}


async def test_a_workers_return_counts_at_once_with_its_rows() -> None:
    desk = Desk()
    desk.enrol()
    desk.progress(at=Timestamp(NOW - HOUR))
    found = await reasons(desk, 64, risk_position=10)
    assert (found[0], found[-1]) == (DenialReason.RISK_STATE_STALE, None)
