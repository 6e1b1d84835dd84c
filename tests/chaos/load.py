"""The load: the simulated fleet, operators' commands and nodes' requests, with a note of what Kafka accepted."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import Iterator
from typing import NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from kordon.client.capsules import CapsuleClient
from kordon.simulator import Behaviour, simulate
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, REQUESTS
from tests.chaos.position import Position, digest_of
from tests.issuers.cluster import FINGERPRINT, Cluster
from transport.client import producer_arguments
from transport.partitioner import partition_of
from transport.signed_records import sign

ENROLLED = 24
TICK_SECONDS = 0.05
FORGED_SHARE = 0.05
REPEATED_SHARE = 0.1
MISPLACED_SHARE = 0.1
UNSIGNED_SHARE = 0.1


class Draft(NamedTuple):
    """A record to write; ``bad`` if it must end among the dead letters."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int | None
    bad: bool


class Load:
    """Use as ``async with``: writes until it is left, and again when it is entered again.

    ``accepted`` holds the digest of every record that Kafka acknowledged, ``bad`` the positions of those among them
    that nobody may accept. ``authentic`` and ``forged`` are the digests of the requests of either kind that were ever
    sent. ``unacknowledged`` counts sends that failed: such a record may be in the log or not.
    """

    def __init__(
        self, cluster: Cluster, *, seed: int, rate: int, nodes: int, requests: int = 25, commands: int = 4
    ) -> None:
        self.accepted: dict[Position, str] = {}
        self.bad: set[Position] = set()
        self.authentic: set[str] = set()
        self.forged: set[str] = set()
        self.unsigned: set[str] = set()
        self.unacknowledged = 0
        self._cluster = cluster
        self._rates = {"fleet": rate, "requests": requests, "commands": commands}
        self._partitions = cluster.kafka.partitions
        self._nodes = nodes
        self._seed = seed
        self._chance = random.Random(seed)
        self._command_numbers = itertools.count()
        self._clients: dict[str, CapsuleClient] = {}
        self._producer: AIOKafkaProducer | None = None
        self._open: set[asyncio.Future[object]] = set()

    async def __aenter__(self) -> Self:
        for number in range(min(ENROLLED, self._nodes)):
            node_id = f"node-{number:05d}"
            self._clients[node_id] = await self._cluster.enrol(node_id)
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._write(), name="load")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def check(self) -> None:
        """Raise what ended the load too early, if anything did."""
        if self._task.done():
            self._task.result()

    async def written(self) -> None:
        """Wait until everything put so far was acknowledged or has failed."""
        while self._open:
            await asyncio.wait(set(self._open))

    async def _write(self) -> None:
        streams = {"fleet": self._fleet(), "requests": self._requests(), "commands": self._commands()}
        written = dict.fromkeys(streams, 0)
        began = time.monotonic()
        try:
            while not self._stop.is_set():
                for name, drafts in streams.items():
                    due = int((time.monotonic() - began) * self._rates[name]) - written[name]
                    for draft in itertools.islice(drafts, due):
                        written[name] += 1
                        await self.put(draft)
                await asyncio.sleep(TICK_SECONDS)
            await self.written()
        finally:
            producer, self._producer = self._producer, None
            if producer is not None:
                await producer.stop()

    async def put(self, draft: Draft) -> None:
        """Write a record, now or when its batch is full; it is noted once Kafka has acknowledged it."""
        try:
            producer = await self._connected()
            future = await producer.send(
                self._cluster.kafka.topic(draft.topic),
                draft.value,
                key=draft.key,
                partition=draft.partition,
                headers=list(draft.headers),
                timestamp_ms=draft.timestamp,
            )
        except KafkaError:
            await self._failed()
            return
        self._open.add(future)
        future.add_done_callback(lambda done: self._note(draft, done))

    def _note(self, draft: Draft, done: asyncio.Future[object]) -> None:
        self._open.discard(done)
        if done.cancelled() or done.exception() is not None:
            self.unacknowledged += 1
            return
        result = done.result()
        position = Position(draft.topic, result.partition, result.offset)  # type: ignore[attr-defined]
        self.accepted[position] = digest_of(draft.value or b"")
        if draft.bad:
            self.bad.add(position)

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(**producer_arguments(self._cluster.kafka))
            await producer.start()
            self._producer = producer
        return self._producer

    async def _failed(self) -> None:
        """Begin again with a new producer: an idempotent one that failed for good takes nothing more."""
        self.unacknowledged += 1
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(10):
                    await producer.stop()
        await asyncio.sleep(0.5)

    def _fleet(self) -> Iterator[Draft]:
        start = Timestamp(time.time_ns() // 1_000_000)
        for one in simulate(self._nodes, self._rates["fleet"], self._seed, start, self._partitions):
            bad = one.behaviour in {Behaviour.FORGED, Behaviour.MALFORMED}
            yield Draft(one.topic, one.partition, one.key, one.value, one.headers, one.timestamp, bad)

    def _commands(self) -> Iterator[Draft]:
        chance, operator = self._chance, self._cluster.operator
        for number in self._command_numbers:
            node_id = f"node-{chance.randrange(self._nodes):05d}"
            key = node_id.encode()
            value = json.dumps(
                {
                    "commandId": f"chaos-{self._seed}-{number}",
                    "nodeId": node_id,
                    "action": chance.choice(("release", "release", "quarantine")),
                    "actor": operator.kid,
                    "reason": "chaos",
                    "issuedAt": str(Timestamp(time.time_ns() // 1_000_000)),
                }
            ).encode()
            bad = chance.random() < UNSIGNED_SHARE
            if bad:
                self.unsigned.add(digest_of(value))
            header = sign(
                value,
                topic=COMMANDS,
                key=key,
                kid=operator.kid,
                private_key=operator.private_key,
                issued_at=int(time.time()),
            )
            yield Draft(COMMANDS, partition_of(key, self._partitions), key, value, () if bad else (header,), None, bad)

    def _requests(self) -> Iterator[Draft]:
        chance = self._chance
        while True:
            node_id, client = chance.choice(list(self._clients.items()))
            value, key = client.build(fingerprint=FINGERPRINT, runtime_version="1.0.0").value, node_id.encode()
            forged = chance.random() < FORGED_SHARE
            if forged:
                value = value[:-8] + b"AAAAAAAA"
            (self.forged if forged else self.authentic).add(digest_of(value))
            partition = partition_of(key, self._partitions)
            if chance.random() < MISPLACED_SHARE:
                partition = (partition + 1) % self._partitions
            draft = Draft(REQUESTS, partition, key, value, (), None, forged)
            yield draft
            if not forged and chance.random() < REPEATED_SHARE:
                yield draft
