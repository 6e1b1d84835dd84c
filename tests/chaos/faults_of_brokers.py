"""Fault 4: of three brokers that hold three copies of everything, one or two are killed, restarted, away, or full.

The world is whole again before a strike ends: every copy of every partition is in sync.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.client import CoordinationType

from issuer.copartition import SERVICE as ISSUER_SERVICE
from schemas.topics import DECISIONS, QUARANTINE, REQUESTS, RISK, STREAMS_PROGRESS, TELEMETRY
from streams.settings import SERVICE as STREAMS_SERVICE
from tests.brokers.kafka_cluster import KafkaCluster, KafkaNode
from tests.chaos.fault import BOTH, ENDED_BY_FENCE, Fault
from tests.chaos.leadership import coordinator_of, in_sync, leader_of
from tests.chaos.world import World, within

IN_SYNC_SECONDS = 90.0
ENDS_WITHIN_SECONDS = 60.0
LED = (TELEMETRY, REQUESTS, RISK, QUARANTINE, STREAMS_PROGRESS, DECISIONS)
SERVICES = (STREAMS_SERVICE, ISSUER_SERVICE)


@dataclass
class BrokerFault:
    """What the faults of brokers have in common."""

    name: str
    number: int = 4
    affects: frozenset[str] = BOTH
    recovers_within: float = 120.0
    statuses: frozenset[int] = ENDED_BY_FENCE
    """A service may crash for want of brokers: what it could not commit in time is its successor's."""

    async def strike(self, world: World, chance: random.Random) -> None:
        raise NotImplementedError


class KillLeader(BrokerFault):
    """SIGKILL of the leader of some partition that services read or write."""

    async def strike(self, world: World, chance: random.Random) -> None:
        place = TopicPartition(world.kafka.topic(chance.choice(LED)), chance.randrange(world.kafka.partitions))
        await away(world, await leader_of(world.kafka, place), 1 + 4 * chance.random())
        world.count("SIGKILLs of a partition's leader")


class KillTransactionCoordinator(BrokerFault):
    """SIGKILL of the coordinator of some co-partition's transactions."""

    async def strike(self, world: World, chance: random.Random) -> None:
        name = world.kafka.transactional_id(chance.choice(SERVICES), chance.randrange(world.kafka.partitions))
        node = await coordinator_of(world.kafka, CoordinationType.TRANSACTION, name)
        await away(world, node, 1 + 4 * chance.random())
        world.count("SIGKILLs of a transaction coordinator")


class KillGroupCoordinator(BrokerFault):
    """SIGKILL of the coordinator of the workers' or the issuers' group."""

    async def strike(self, world: World, chance: random.Random) -> None:
        node = await coordinator_of(world.kafka, CoordinationType.GROUP, world.kafka.group_id(chance.choice(SERVICES)))
        await away(world, node, 1 + 4 * chance.random())
        world.count("SIGKILLs of a group coordinator")


class RollingRestart(BrokerFault):
    """Every broker is ended as an operator does and started again, one after the other."""

    async def strike(self, world: World, chance: random.Random) -> None:
        nodes = list(cluster(world).nodes)
        chance.shuffle(nodes)
        for node in nodes:
            world.struck()
            await restarted(world, node)
            world.count("planned restarts of a broker")


class Away(BrokerFault):
    """A broker is killed and stays away for longer than a transaction may take to be delivered."""

    async def strike(self, world: World, chance: random.Random) -> None:
        node = chance.choice(cluster(world).nodes)
        await away(world, node.number, world.kafka.delivery_timeout_ms / 1000 + 5)
        world.count("brokers away for longer than the delivery timeout")


class MajorityAway(BrokerFault):
    """Two brokers are killed and stay away for longer than that: nothing can be written, services end and retry."""

    async def strike(self, world: World, chance: random.Random) -> None:
        gone = chance.sample(cluster(world).nodes, 2)
        for node in gone:
            await asyncio.to_thread(node.kill)
        await asyncio.sleep(world.kafka.delivery_timeout_ms / 1000 + 5)
        world.count("times that two of three brokers were away")
        for node in gone:
            await asyncio.to_thread(node.begin)
        for node in gone:
            await asyncio.to_thread(node.started)
        world.struck()
        await in_sync(world.kafka, cluster(world).replication_factor, IN_SYNC_SECONDS)


class FullDisk(BrokerFault):
    """The disk of one broker is full: it ends by itself, and returns when there is room again."""

    async def strike(self, world: World, chance: random.Random) -> None:
        node = next(one for one in cluster(world).nodes if one.disk is not None)
        assert node.disk is not None
        assert node.pid is not None
        await asyncio.sleep(chance.random())
        await asyncio.to_thread(node.disk.fill, node.pid)
        world.struck()
        world.count(f"full disks of a broker ({node.disk.name})")
        try:
            if not await within(ENDS_WITHIN_SECONDS, lambda: node.pid is None):
                raise RuntimeError(
                    f"broker {node.number} still runs {ENDS_WITHIN_SECONDS:.0f} s after its disk was full"
                )
        finally:
            await asyncio.to_thread(node.kill)
            node.disk.free()
            await returned(world, node)


def cluster(world: World) -> KafkaCluster:
    """Return the brokers, of which there must be several."""
    assert isinstance(world.brokers, KafkaCluster), "this fault needs several brokers: --brokers 3"
    return world.brokers


async def away(world: World, number: int, seconds: float) -> None:
    """Kill a node, by id, and start it after a while."""
    node = cluster(world).nodes[number - 1]
    await asyncio.to_thread(node.kill)
    world.struck()
    await asyncio.sleep(seconds)
    await returned(world, node)


async def restarted(world: World, node: KafkaNode) -> None:
    """End a node as an operator does, start it, and wait until it has caught up with everything."""
    await asyncio.to_thread(node.stop)
    await returned(world, node)


async def returned(world: World, node: KafkaNode) -> None:
    """Start a node and wait until it has caught up with everything."""
    await asyncio.to_thread(node.start)
    await in_sync(world.kafka, cluster(world).replication_factor, IN_SYNC_SECONDS)


def faults() -> list[Fault]:
    """Return new objects of all faults of this module."""
    return [
        KillLeader("kill-leader"),
        KillTransactionCoordinator("kill-transaction-coordinator"),
        KillGroupCoordinator("kill-group-coordinator"),
        RollingRestart("rolling-restart-brokers"),
        Away("broker-away"),
        MajorityAway("two-brokers-away"),
        FullDisk("full-disk"),
    ]
