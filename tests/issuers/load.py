"""Nodes that ask at a steady rate, and the count of what they asked against what was answered."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from typing import Self

from kordon.client.capsules import CapsuleClient
from schemas.topics import REQUESTS
from tests.issuers.cluster import FINGERPRINT, Cluster
from transport.compact_jws import digest_of

NODES = 12
SAME_BYTES = 0.2
FORGED = 0.1


class Load:
    """Use as ``async with Load(cluster, rate)``: nodes ask at ``rate`` requests a second until the block ends.

    Some requests are sent twice, byte for byte; some are forged; some lie in the wrong partition. ``asked`` counts the
    authenticated request records by requestDigest, ``forged`` the others.
    """

    def __init__(self, cluster: Cluster, rate: int, *, misplaced: float = 0.1) -> None:
        self.asked: Counter[str] = Counter()
        self.forged: Counter[str] = Counter()
        self._cluster = cluster
        self._rate = rate
        self._misplaced = misplaced
        self._chance = random.Random(11)
        self._nodes: dict[str, CapsuleClient] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        for number in range(NODES):
            node_id = f"load-{number}"
            self._nodes[node_id] = await self._cluster.enrol(node_id)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while True:
            due = int((loop.time() - began) * self._rate)
            for _ in range(due - sent):
                await self._ask()
            sent = due
            await asyncio.sleep(0.02)

    async def _ask(self) -> None:
        node_id, client = self._chance.choice(list(self._nodes.items()))
        request = client.build(fingerprint=FINGERPRINT, runtime_version="1.0.0")
        if self._chance.random() < FORGED:
            value = request.value[:-8] + b"AAAAAAAA"
            await self._send(node_id, value, self.forged)
            return
        await self._send(node_id, request.value, self.asked)
        if self._chance.random() < SAME_BYTES:
            await self._send(node_id, request.value, self.asked)

    async def _send(self, node_id: str, value: bytes, counter: Counter[str]) -> None:
        partition = None
        if self._chance.random() < self._misplaced:
            partition = (self._cluster.partition(node_id) + 1) % self._cluster.kafka.partitions
        sending = asyncio.ensure_future(self._cluster.send(REQUESTS, node_id.encode(), value, partition=partition))
        # Counted before it is awaited, and shielded: a record on its way when the load ends is counted and arrives.
        counter[digest_of(value)] += 1
        await asyncio.shield(sending)
