"""Fault 6, first part: what may lie in the input topics. Nothing of it may stop a partition or count twice."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Collection
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import InvalidTimestampError

from schemas.topics import COMMANDS, NETWORK, REGISTRY, REQUESTS, TELEMETRY
from tests.chaos.dead_producer import INPUTS
from tests.chaos.fault import BOTH, STREAMS, Fault
from tests.chaos.faults_of_services import TAKEN, ServiceFault
from tests.chaos.load import Draft
from tests.chaos.position import digest_of
from tests.chaos.quiet import READ
from tests.chaos.service import python, run_to_its_end
from tests.chaos.world import World, within
from tests.workers.batches import write_with_header_name
from tests.workers.load import now, observation, report
from transport.client import producer_arguments
from transport.partitioner import partition_of
from transport.watermarks import high_watermark

SIGKILLED = -9
OPEN_TRANSACTION_MS = 10_000
LARGE_BYTES = 900_000
DAY_MILLIS = 86_400_000
ILLEGIBLE = b"\xff\xfe\xfd\xfc"
"""The name of a header, which is no UTF-8: aiokafka cannot parse such a batch."""

POISON: tuple[tuple[bytes | None, bytes | None], ...] = (
    (b"node-00001", None),
    (b"node-00001", b""),
    (b"node-00001", b"\x00\xff\xfe"),
    (b"node-00001", b"{"),
    (b"node-00001", b"null"),
    (b"node-00001", b"[" * 50_000),
    (b"node-00001", b'{"nodeId":' * 5_000),
    (b"node-00001", b'{"nodeId":"node-00001","observedAt":1e999}'),
    (b"node-00001", b'{"nodeId":"node-00001","observedAt":"2099-01-01T00:00:00Z","lastShutdownClean":true,"ip":"::1"}'),
    (b"node-00001", b"..."),
    (b"node-00001", b"e30.e30.e30"),
    (None, b"{}"),
    (b"", b"{}"),
    (b"\xff", b"{}"),
    (b"n" * 10_000, b"{}"),
)
"""Keys and values that no topic carries."""


@dataclass
class OpenTransactions(ServiceFault):
    """A producer dies with a transaction open in front of every input topic; half the time a worker dies with it.

    Readers at read_committed wait behind it until the broker aborts it; nothing that it wrote may have an effect.
    """

    timeout_ms: int = OPEN_TRANSACTION_MS

    async def strike(self, world: World, chance: random.Random) -> None:
        status = await run_to_its_end(
            python("-m", "tests.chaos.dead_producer", str(self.timeout_ms)), world.client_environment, world.folder
        )
        if status != SIGKILLED:
            raise RuntimeError(f"the dead producer ended with {status} instead of by SIGKILL")
        world.struck()
        world.count("open transactions of a dead producer in front of partitions", len(INPUTS) * world.kafka.partitions)
        if chance.random() < 0.5:
            victim = chance.choice(world.running(STREAMS))
            if await victim.kill():
                world.count("SIGKILLs of workers behind an open transaction")
        await read_up_to_here(world, self.affects, self.recovers_within)


@dataclass
class Backlog(ServiceFault):
    """No worker runs while records pile up; then all start at once. What they hold in memory must not grow with it."""

    records: int = 500_000
    most_megabytes: int = 100
    """A worker may grow by so much from its take-over to the end of the backlog."""

    async def strike(self, world: World, chance: random.Random) -> None:
        workers = world.running(STREAMS)
        await asyncio.gather(*(worker.stop() for worker in workers))
        written = await pile_up(world, self.records)
        taken = {worker.name: worker.count(TAKEN[STREAMS]) for worker in workers}
        for worker in workers:
            await worker.start()
        world.struck()
        # Measured once it works: an interpreter with its libraries is no backlog.
        await within(self.recovers_within, lambda: all(one.count(TAKEN[STREAMS]) > taken[one.name] for one in workers))
        at_first = {worker.name: worker.most_megabytes() for worker in workers}
        await read_up_to_here(world, self.affects, self.recovers_within)
        grown = {worker.name: worker.most_megabytes() - at_first[worker.name] for worker in workers}
        world.count("records of backlogs", self.records)
        world.note(
            f"backlog: {self.records} records, {written // 2**20} MiB; workers grew by at most "
            f"{max(grown.values())} MiB while they caught up"
        )
        for name, megabytes in grown.items():
            if megabytes > self.most_megabytes:
                raise RuntimeError(f"{name} grew by {megabytes} MiB in front of a backlog of {written // 2**20} MiB")


class Poison(ServiceFault):
    """Whole batches of what no topic carries, in every partition; some of them aiokafka cannot even parse."""

    async def strike(self, world: World, chance: random.Random) -> None:
        kafka, load = world.kafka, world.load
        world.struck()
        for topic in (TELEMETRY, NETWORK, COMMANDS, REGISTRY, REQUESTS):
            for partition in range(kafka.partitions):
                poison = chance.sample(POISON, len(POISON))
                if topic == REQUESTS:
                    load.forged.update(digest_of(value or b"") for _, value in poison)
                for key, value in poison:
                    await load.put(Draft(topic, partition, key, value, (), None, topic != REGISTRY))
                illegible = [(b"node-00001", b"{%d" % number) for number in range(chance.randrange(1, 50))]
                if topic == REQUESTS:
                    load.forged.update(digest_of(value) for _, value in illegible)
                await write_with_header_name(kafka, TopicPartition(kafka.topic(topic), partition), ILLEGIBLE, illegible)
                world.count("poisonous records", len(POISON) + len(illegible))
        await load.written()
        await read_up_to_here(world, self.affects, self.recovers_within)


class LargeRecords(ServiceFault):
    """Records of 900 KB in every partition: reports that count, misplaced ones, and rubbish."""

    async def strike(self, world: World, chance: random.Random) -> None:
        kafka, load = world.kafka, world.load
        rubbish = chance.randbytes(LARGE_BYTES)
        load.forged.add(digest_of(rubbish))
        world.struck()
        for partition in range(kafka.partitions):
            node_id = node_of(partition, kafka.partitions)
            large = report(node_id, now(), clean=True, filler=chance.randbytes(LARGE_BYTES // 2).hex())
            elsewhere = (partition + 1) % kafka.partitions
            for draft in (
                Draft(TELEMETRY, partition, node_id.encode(), large, (), None, False),
                Draft(TELEMETRY, elsewhere, node_id.encode(), large, (), None, False),
                *(
                    Draft(topic, partition, node_id.encode(), rubbish, (), None, True)
                    for topic in (TELEMETRY, NETWORK, COMMANDS, REQUESTS)
                ),
            ):
                await load.put(draft)
                world.count("records of 900 KB")
        await load.written()
        await read_up_to_here(world, self.affects, self.recovers_within)


class WrongClocks(ServiceFault):
    """Producers whose clocks are a day behind or ahead: by the record's timestamp, the message's time, or both.

    What the broker refuses was never accepted. All else is judged by the rules; the worker's lag does not believe it.
    """

    async def strike(self, world: World, chance: random.Random) -> None:
        kafka, load = world.kafka, world.load
        world.struck()
        for partition in range(kafka.partitions):
            node_id = node_of(partition, kafka.partitions, first=chance.randrange(world.layout.nodes))
            for off in (-DAY_MILLIS, DAY_MILLIS):
                at = now() + off
                # The message's time alone: ahead it is rejected, behind it is late or old.
                alone = report(node_id, at, clean=True)
                await load.put(Draft(TELEMETRY, partition, node_id.encode(), alone, (), None, off > 0))
                # Both: the broker refuses what is ahead.
                value = observation(node_id, at, "192.0.2.1")
                timestamp = at
                if off < 0:
                    await load.put(Draft(NETWORK, partition, node_id.encode(), value, (), timestamp, False))
                elif await refused(world, NETWORK, partition, node_id.encode(), value, timestamp):
                    world.count("records a day ahead that the broker refused")
                world.count("records of clocks that are a day off", 2)
        await load.written()
        await read_up_to_here(world, self.affects, self.recovers_within)


async def refused(world: World, topic: str, partition: int, key: bytes, value: bytes, timestamp: int) -> bool:
    """Write a record from the future; tell whether the broker refused it."""
    async with AIOKafkaProducer(**producer_arguments(world.kafka)) as producer:
        try:
            await producer.send_and_wait(
                world.kafka.topic(topic), value, key=key, partition=partition, timestamp_ms=timestamp
            )
        except InvalidTimestampError:
            return True
    raise RuntimeError("the broker took a record that is a day ahead: it would silence its node for a day")


async def pile_up(world: World, records: int) -> int:
    """Write records as fast as can be, in full batches; return their values' bytes."""
    kafka, size = world.kafka, 0
    async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:
        for partition in range(kafka.partitions):
            members = [node_of(partition, kafka.partitions, first) for first in range(world.layout.nodes)]
            drafts = itertools.cycle((one.encode(), observation(one, now(), "192.0.2.1").ljust(600)) for one in members)
            (key, value), left = next(drafts), records // kafka.partitions
            while left > 0:
                builder = producer.create_batch()
                while left > 0 and builder.append(key=key, value=value, timestamp=None) is not None:
                    left, size = left - 1, size + len(value)
                    key, value = next(drafts)
                builder.close()
                await (await producer.send_batch(builder, kafka.topic(NETWORK), partition=partition))
    return size


async def read_up_to_here(world: World, kinds: Collection[str], seconds: float) -> None:
    """Wait until the checkpoints of these services have reached what their topics hold now.

    What was read before a fault may be committed after it, so news alone does not show that somebody is past it.

    Raises:
        TimeoutError: some have not.
    """
    kafka, offsets = world.kafka, world.progress.offsets
    places = [
        (kind, TopicPartition(kafka.topic(topic), p))
        for kind, p in world.progress.places
        if kind in kinds
        for topic in READ[kind]
    ]
    ends = await high_watermark(kafka, {place for _, place in places})

    def reached() -> bool:
        return all(
            offsets[kind, place.partition].get(kafka.without_prefix(place.topic), 0) >= ends[place]
            for kind, place in places
        )

    if not await within(seconds, reached):
        raise TimeoutError(f"not everything was read within {seconds:.0f} s")


def node_of(partition: int, partitions: int, first: int = 0) -> str:
    """Return the first node from number ``first`` on that belongs into a partition."""
    names = (f"node-{number:05d}" for number in itertools.count(first))
    return next(name for name in names if partition_of(name.encode(), partitions) == partition)


def faults() -> list[Fault]:
    """Return new objects of all faults of this module."""
    return [
        OpenTransactions("open-transactions", 6, BOTH),
        Backlog("backlog", 6, frozenset({STREAMS}), recovers_within=180),
        Poison("poison-batch", 6, BOTH),
        LargeRecords("large-record", 6, BOTH),
        WrongClocks("wrong-clocks", 6, BOTH),
    ]
