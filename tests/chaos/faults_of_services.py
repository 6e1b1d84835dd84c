"""Faults 1 and 2: services that are killed, end at a given step, join, leave or restart."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.chaos import exits
from tests.chaos.fault import BOTH, ENDED_BY_FENCE, ISSUER, STREAMS, Fault
from tests.chaos.service import Service
from tests.chaos.world import CHAOS_ISSUER, CHAOS_WORKER, World, within
from transport.writer import Step

SETTLE_SECONDS = 60.0
TAKEN: Mapping[str, str] = {STREAMS: "copartition.taken", ISSUER: "copartitions.taken"}
"""What a service says when it has taken over."""


@dataclass
class ServiceFault:
    """What faults of this form have in common."""

    name: str
    number: int
    affects: frozenset[str]
    recovers_within: float = 90.0
    statuses: frozenset[int] = frozenset()

    async def strike(self, world: World, chance: random.Random) -> None:
        raise NotImplementedError


@dataclass
class Kill(ServiceFault):
    """SIGKILL at a random moment of one service, with or without static membership."""

    static: bool = True

    async def strike(self, world: World, chance: random.Random) -> None:
        (kind,) = self.affects
        running = [one for one in world.running(kind) if one.static is self.static]
        if not running:
            # Of two workers both are static: the third, which is not, joins first.
            assert world.spare is not None
            await joined(world.spare)
            running = [world.spare]
        await asyncio.sleep(chance.random())
        if await chance.choice(running).kill():
            world.count(f"SIGKILLs of {kind}, membership {'static' if self.static else 'dynamic'}")
        world.struck()


@dataclass
class KillBurst(ServiceFault):
    """SIGKILLs of any services in quick succession: some hit a service that takes over, some two services at once."""

    kills: int = 8

    async def strike(self, world: World, chance: random.Random) -> None:
        for _ in range(self.kills):
            victim = chance.choice(world.running())
            if await victim.kill():
                membership = "static" if victim.static else "dynamic"
                world.count(f"SIGKILLs of {victim.kind}, membership {membership}")
            await asyncio.sleep(chance.choice((0.0, 0.3, 1.0, 2.5)) * chance.random())
        world.struck()


@dataclass
class ExitAtStep(ServiceFault):
    """A static service is restarted so that it ends at a step; every step has its turn before one has a second."""

    takeover: bool = False
    most_commits: int = 12
    steps: list[int] = field(default_factory=list)

    async def strike(self, world: World, chance: random.Random) -> None:
        (kind,) = self.affects
        victim = next(one for one in world.running(kind) if one.static)
        if not self.steps:
            takeover = exits.WORKER_STEPS if kind == STREAMS else exits.ISSUER_STEPS
            self.steps = list(takeover) if self.takeover else list(Step)
            chance.shuffle(self.steps)
        step = self.steps.pop()
        once = (
            exits.at_takeover(step)
            if self.takeover
            else exits.at_commit(Step(step), chance.randrange(2, self.most_commits))
        )
        await victim.restart(once=once, command=CHAOS_WORKER if kind == STREAMS else CHAOS_ISSUER)
        ended = await victim.exited(len(victim.exits), SETTLE_SECONDS)
        world.struck()
        if ended.status != exits.STATUS:
            raise RuntimeError(f"{victim.name} should have ended at {once} but ended with {ended.status}")
        text = f"take-over step {step}" if self.takeover else f"commit step {Step(step).name}"
        world.count(f"exits of {kind} at {text}")


class Join(ServiceFault):
    """A worker joins: everybody's co-partitions are taken back and given out anew."""

    async def strike(self, world: World, chance: random.Random) -> None:
        assert world.spare is not None
        if world.spare.wanted:
            await left(world.spare, world)
        await asyncio.sleep(chance.random())
        world.struck()
        await joined(world.spare)


class Leave(ServiceFault):
    """A worker without static membership ends by SIGTERM and leaves the group for good."""

    async def strike(self, world: World, chance: random.Random) -> None:
        assert world.spare is not None
        if not world.spare.wanted:
            await joined(world.spare)
        await asyncio.sleep(chance.random())
        world.struck()
        world.count("leaves by SIGTERM")
        await world.spare.stop()


class Restart(ServiceFault):
    """A planned restart of one static member: SIGTERM, and the same member again at once."""

    async def strike(self, world: World, chance: random.Random) -> None:
        (kind,) = self.affects
        victim = chance.choice([one for one in world.running(kind) if one.static])
        await asyncio.sleep(chance.random())
        world.count(f"planned restarts of {kind}")
        world.struck()
        await victim.stop()
        await victim.start()


class RollingRestart(ServiceFault):
    """Every running service is restarted, one after the other, each after the former has taken over."""

    async def strike(self, world: World, chance: random.Random) -> None:
        services = world.running()
        chance.shuffle(services)
        for service in services:
            before = service.count(TAKEN[service.kind])
            world.count(f"planned restarts of {service.kind}")
            world.struck()
            await service.stop()
            await service.start()
            await within(SETTLE_SECONDS, lambda one=service, so_far=before: one.count(TAKEN[one.kind]) > so_far)  # type: ignore[misc]


async def joined(service: Service) -> None:
    """Start a service and wait until it has taken co-partitions over."""
    before = service.count(TAKEN[service.kind])
    await service.start()
    if not await within(SETTLE_SECONDS, lambda: service.count(TAKEN[service.kind]) > before):
        raise RuntimeError(f"{service.name} took nothing over:\n{service.tail()}")


async def left(service: Service, world: World) -> None:
    """Stop a service and wait until the others have everything back."""
    await service.stop()
    world.struck()
    await world.progress.news_from(
        [place for place in world.progress.places if place[0] == service.kind], world.struck_at, SETTLE_SECONDS
    )


def faults() -> list[Fault]:
    """Return new objects of all faults of this module."""
    streams, issuer = frozenset({STREAMS}), frozenset({ISSUER})
    # A member that rejoins while another is dead may have its commits fenced by an heir; that is what fences are for.
    crowd = ENDED_BY_FENCE
    return [
        Kill("kill-worker", 1, streams),
        Kill("kill-dynamic-worker", 1, streams, static=False, statuses=crowd),
        Kill("kill-issuer", 1, issuer),
        Kill("kill-dynamic-issuer", 1, issuer, static=False, statuses=crowd),
        KillBurst("kill-burst", 1, BOTH, statuses=crowd),
        ExitAtStep("exit-worker-at-commit", 1, streams),
        ExitAtStep("exit-worker-at-takeover", 1, streams, takeover=True),
        ExitAtStep("exit-issuer-at-commit", 1, issuer),
        ExitAtStep("exit-issuer-at-takeover", 1, issuer, takeover=True),
        Join("join", 2, streams),
        Leave("leave", 2, streams),
        Restart("restart-worker", 2, streams),
        Restart("restart-issuer", 2, issuer),
        RollingRestart("rolling-restart", 2, BOTH),
    ]
