"""Fault 6, second part: the log itself changes under a service, by retention, compaction or an operator.

What was lost cannot be made good, so a service that meets it must stop, name the loss, and write nothing more. Each
fault strikes a small world of its own beside the one under load, since nobody could go on in it.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from aiokafka.admin import NewPartitions

from kordon.supervisor import FINAL_STATUSES
from policy.policy_file import load_policy
from schemas.topics import ISSUER_PROGRESS, REQUESTS, RISK, STREAMS_PROGRESS, TELEMETRY, TOPICS
from tests.chaos.fault import ISSUER, STREAMS, Fault
from tests.chaos.faults_of_services import ServiceFault
from tests.chaos.log import read_log
from tests.chaos.log_changes import (
    administrator,
    checkpoints,
    compact_often,
    compacted,
    delete_records,
    ends_of,
    has_grown_beyond,
    recreate,
    versioned_policy,
)
from tests.chaos.quiet import quiet
from tests.chaos.service import Service, python
from tests.chaos.verdict import JUDGED, judge
from tests.chaos.world import Layout, World
from tests.workers.load import now

REFUSAL_SECONDS = 60.0
LOAD_SECONDS = 1.5
SIDE = Layout(partitions=2, workers=(True,), issuers=(True,), nodes=40, rate=200, requests=20)
NEWER_WORKER = python("-m", "faust", "-A", "tests.chaos.newer_worker_app", "worker", "-l", "info")
LOST = {STREAMS: "deleted before they were folded", ISSUER: "deleted before they were answered"}
ANEW = "was created anew"
GREW = "partitions, now there are"
PROGRESS = (STREAMS_PROGRESS, ISSUER_PROGRESS)


@dataclass
class LogFault(ServiceFault):
    """What the faults of this module have in common. ``settings`` are the small world's."""

    async def strike(self, world: World, chance: random.Random) -> None:
        layout = replace(SIDE, seed=chance.randrange(2**31), settings=self.settings(world.folder))
        folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=world.folder))
        side = World(
            world.brokers,
            folder,
            layout,
            network=world.network,
            replication_factor=world.kafka.replication_factor or 1,
            prefix=f"{folder.name}.",
        )
        async with side:
            await asyncio.sleep(LOAD_SECONDS)
            await self.happen(side, world)

    def settings(self, folder: Path) -> dict[str, str]:
        """Return settings for all services of the small world."""
        del folder
        return {}

    async def happen(self, side: World, world: World) -> None:
        """Do it to ``side``; ``world.struck`` and ``world.verdicts`` are the report's."""
        raise NotImplementedError


class Retention(LogFault):
    """Services are away while retention and compaction work: first on what they have done with, then on what not."""

    async def happen(self, side: World, world: World) -> None:
        written = await read_log(side.kafka, [RISK])
        await compact_often(side.kafka, RISK)
        await asyncio.sleep(LOAD_SECONDS)
        await at_rest(side)
        earlier = await read_log(side.kafka, [topic for topic in JUDGED if topic != RISK])
        await delete_records(side.kafka, checkpoints(side))
        await compacted(side.kafka, RISK, written)
        world.struck()
        await asyncio.gather(*(service.start() for service in side.services))
        await more_load(side)
        await quiet(side)
        world.verdicts.append(await judge(side.kafka, side.load, earlier=earlier))
        world.count("times that services came back to what retention and compaction had left them")
        await side.stop_services()
        await more_load(side)
        await delete_records(side.kafka, await ends_of(side.kafka, (TELEMETRY, REQUESTS)))
        world.struck()
        await all_refuse(side, world, LOST)


class Recreated(LogFault):
    """An input topic is deleted and created anew while services are away, and grows beyond their checkpoints."""

    async def happen(self, side: World, world: World) -> None:
        await at_rest(side)
        await recreate(side.kafka, (TELEMETRY, REQUESTS))
        async with side.load:
            while not await has_grown_beyond(side, (TELEMETRY, REQUESTS)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
        world.struck()
        await all_refuse(side, world, {STREAMS: ANEW, ISSUER: ANEW})


class RecreatedUnderway(LogFault):
    """The same under running services, at once and full: no offset that they ask for is ever out of range."""

    async def happen(self, side: World, world: World) -> None:
        await side.stop_load()
        await quiet(side)
        before = {service.name: Standing.of(service) for service in side.services}
        world.struck()
        await recreate(side.kafka, (TELEMETRY, REQUESTS))
        async with side.load:
            await asyncio.gather(*(ends_refusing(one, ANEW, before[one.name]) for one in side.services))
        world.count("services that refused", len(side.services))


class Grown(LogFault):
    """All topics get more partitions under running services."""

    async def happen(self, side: World, world: World) -> None:
        before = {service.name: Standing.of(service) for service in side.services}
        world.struck()
        async with administrator(side.kafka) as admin:
            counts = {side.kafka.topic(name): NewPartitions(side.kafka.partitions + 1) for name in TOPICS}
            await admin.create_partitions(counts)
        await asyncio.gather(*(ends_refusing(one, GREW, before[one.name]) for one in side.services))
        world.count("services that refused", len(side.services))


class Older(LogFault):
    """A worker with an older policy or schema is given what a newer one wrote; that one goes on."""

    def settings(self, folder: Path) -> dict[str, str]:
        newer = versioned_policy(folder, 2)
        return {"KORDON_WORKER_POLICY_FILE": str(newer), "KORDON_ISSUER_POLICY_FILE": str(newer)}

    async def happen(self, side: World, world: World) -> None:
        policy = load_policy(Path(side.layout.settings["KORDON_WORKER_POLICY_FILE"]))
        (worker,), (issuer,) = side.workers, side.issuers
        await worker.stop()
        world.struck()
        older = {"KORDON_WORKER_POLICY_FILE": str(versioned_policy(side.folder, 1))}
        await refuses(worker, "under policy version 2", once=older)
        before = Standing.of(issuer)
        await worker.start(command=NEWER_WORKER)
        await ends_refusing(issuer, "this issuer cannot judge by it", before)
        await side.progress.news_from([p for p in side.progress.places if p[0] == STREAMS], now(), REFUSAL_SECONDS)
        await worker.stop()
        await refuses(worker, "written by a newer Kordon")
        world.count("services that refused", 3)
        await worker.start(command=NEWER_WORKER)
        await side.stop_load()
        await quiet(side, STREAMS)
        world.verdicts.append(await judge(side.kafka, side.load, policy=policy, answers=False))


async def at_rest(side: World) -> None:
    """End the load, wait until all is done, and stop the services."""
    await side.stop_load()
    await quiet(side)
    await side.stop_services()


async def more_load(side: World) -> None:
    """Write for a while."""
    async with side.load:
        await asyncio.sleep(LOAD_SECONDS)


async def all_refuse(side: World, world: World, words: Mapping[str, str]) -> None:
    """Start all services of a small world; each must refuse with these words, by its kind, and write nothing.

    Raises:
        RuntimeError: one did not.
    """
    before = await ends_of(side.kafka, PROGRESS)
    await asyncio.gather(*(refuses(service, words[service.kind]) for service in side.services))
    if await ends_of(side.kafka, PROGRESS) != before:
        raise RuntimeError("a service that refused to go on has reported progress all the same")
    world.count("services that refused", len(side.services))


async def refuses(service: Service, words: str, *, once: Mapping[str, str] | None = None) -> None:
    """Start a service that must end by itself with status 78 (a person has to decide) and say why."""
    before = Standing.of(service)
    await service.start(once=once)
    await ends_refusing(service, words, before)


class Standing(NamedTuple):
    """How often a service had ended, and how much it had said."""

    exits: int
    said: int

    @classmethod
    def of(cls, service: Service) -> Standing:
        return cls(len(service.exits), len(service.output()))


async def ends_refusing(service: Service, words: str, before: Standing) -> None:
    """Wait until a service refuses to go on, in these words."""
    ended = before.exits
    end = await service.exited(ended, REFUSAL_SECONDS)
    while end.status not in FINAL_STATUSES:  # what it meets first may be a crash, after which it is started again
        ended += 1
        end = await service.exited(ended, REFUSAL_SECONDS)
    if words not in service.output()[before.said :]:
        raise RuntimeError(f"{service.name} ended with {end.status}, not with “{words}”:\n{service.tail(3)}")
    await service.stop()


def faults() -> list[Fault]:
    """Return new objects of all faults of this module. They affect no co-partition of the world under load."""
    nobody: frozenset[str] = frozenset()
    return [
        Retention("retention", 6, nobody),
        Recreated("recreated-topic", 6, nobody),
        RecreatedUnderway("recreated-topic-underway", 6, nobody),
        Grown("more-partitions", 6, nobody),
        Older("older-policy-and-schema", 6, nobody),
    ]
