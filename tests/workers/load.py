"""Records to fold: a small fleet that moves, crashes and reports, from a seed."""

from __future__ import annotations

import asyncio
import json
import random
import time

from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, TELEMETRY
from tests.workers.background import BackgroundLoad
from transport.client import producer_arguments
from transport.partitioner import partition_of
from transport.settings import KafkaSettings


def now() -> int:
    """Return the time in ms since 1970."""
    return time.time_ns() // 1_000_000


def observation(node_id: str, at: int, ip: str, **more: object) -> bytes:
    """Return the value of a network observation."""
    return json.dumps({"nodeId": node_id, "observedAt": str(Timestamp(at)), "ip": ip, **more}).encode()


def report(node_id: str, at: int, *, clean: bool, **more: object) -> bytes:
    """Return the value of a telemetry report."""
    return json.dumps(
        {"nodeId": node_id, "observedAt": str(Timestamp(at)), "lastShutdownClean": clean, **more}
    ).encode()


class Load(BackgroundLoad):
    """Writes observations and reports of ``nodes`` nodes, about ``rate`` a second, until it is left.

    About every twentieth observation moves its node far enough to be quarantined. ``misplaced`` of a thousand records
    lie in a wrong partition.
    """

    def __init__(
        self, kafka: KafkaSettings, partitions: int, *, nodes: int = 300, rate: int = 2000, misplaced: int = 0
    ) -> None:
        super().__init__(producer_arguments(kafka))
        self._kafka = kafka
        self._partitions = partitions
        self._nodes = nodes
        self._rate = rate
        self._misplaced = misplaced
        self._random = random.Random(20)
        self.written = 0

    async def write(self) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            sent = [await self._send_one() for _ in range(self._rate // 20)]
            await asyncio.gather(*sent)
            self.written += len(sent)
            await asyncio.sleep(max(0.0, began + 0.05 - time.monotonic()))

    async def _send_one(self) -> asyncio.Future[object]:
        chance = self._random
        node_id = f"node-{chance.randrange(self._nodes):05d}"
        key = node_id.encode()
        partition = partition_of(key, self._partitions)
        if chance.randrange(1000) < self._misplaced:
            partition = (partition + 1) % self._partitions
        if chance.random() < 0.7:
            moved = chance.random() < 0.05
            value = observation(
                node_id,
                now(),
                f"203.0.113.{chance.randrange(256)}" if moved else "192.0.2.1",
                asn=64500 if moved else 64496,
                region="elsewhere" if moved else "home",
            )
            topic = NETWORK
        else:
            value = report(node_id, now(), clean=chance.random() < 0.9, bootId=f"boot-{chance.randrange(5)}")
            topic = TELEMETRY
        future: asyncio.Future[object] = await self.producer.send(
            self._kafka.topic(topic), value, key=key, partition=partition
        )
        return future
