"""The fleet's records on a broker: in transactions of two producers, some of them aborted."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer

from schemas.commands import Action
from schemas.decisions import DenialReason
from schemas.risk import NodeStatus
from schemas.topics import TELEMETRY
from tests.ledgers.fleet import Fleet, Written
from tests.workers.background import BackgroundLoad
from transport.client import producer_arguments, transactional_producer_arguments
from transport.settings import KafkaSettings

NODES = 40


async def produce(kafka: KafkaSettings, written: Iterable[Written]) -> None:
    """Write records, with the fleet's timestamps, outside of any transaction."""
    async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:
        for each in written:
            await send(producer, kafka, each)
        await producer.flush()


async def send(producer: AIOKafkaProducer, kafka: KafkaSettings, each: Written) -> None:
    await producer.send(
        kafka.topic(each.topic),
        each.value,
        key=each.key,
        partition=each.partition,
        headers=list(each.headers),
        timestamp_ms=int(each.timestamp),
    )


class Load(BackgroundLoad):
    """Writes a fleet's life, a transaction of some tens of records at a time, until it is left.

    Every fifth transaction is aborted: what it held must never be in a ledger.
    """

    def __init__(self, kafka: KafkaSettings, fleet: Fleet, seed: int) -> None:
        super().__init__(transactional_producer_arguments(kafka, kafka.transactional_id("load", 0)))
        self.committed = 0
        self.aborted = 0
        self._kafka = kafka
        self._fleet = fleet
        self._random = random.Random(seed)
        self._minutes = itertools.count()
        self._offsets = itertools.count()

    async def write(self) -> None:
        for number in itertools.count(1):
            if self.stopping.is_set():
                return
            records = [self._record(f"node-{self._random.randrange(NODES)}") for _ in range(40)]
            await self.producer.begin_transaction()
            for each in records:
                await send(self.producer, self._kafka, each)
            if number % 5 == 0:
                await self.producer.abort_transaction()
                self.aborted += len(records)
            else:
                await self.producer.commit_transaction()
                self.committed += len(records)
            await asyncio.sleep(0.005)

    def _record(self, node: str) -> Written:
        minute, chance, fleet = next(self._minutes), self._random.random(), self._fleet
        if chance < 0.4:
            return fleet.row(node, minute, minute + 1)
        if chance < 0.7:
            reason = DenialReason.RISK_STATE_STALE if chance < 0.5 else None
            return fleet.decision(node, minute, reason)
        if chance < 0.8:
            return fleet.transition(node, NodeStatus.QUARANTINED, minute, minute + 1)
        if chance < 0.87:
            return fleet.dead(TELEMETRY, node, next(self._offsets), minute, "DecodeError", "kind: unknown")
        if chance < 0.93:
            return fleet.command(node, Action.QUARANTINE, f"ticket {minute}", minute)
        return fleet.enrolment(node, minute, minute + 1)
