"""Fault 3: services that sleep past their session and wake when others own what they owned."""

from __future__ import annotations

import asyncio
import random
import signal
from dataclasses import dataclass, field

from tests.chaos import exits
from tests.chaos.fault import ENDED_BY_FENCE, ISSUER, STREAMS, Fault
from tests.chaos.faults_of_services import SETTLE_SECONDS, TAKEN, ServiceFault
from tests.chaos.service import Service
from tests.chaos.world import CHAOS_ISSUER, CHAOS_WORKER, World, within
from transport.writer import Step


@dataclass
class Zombie(ServiceFault):
    """SIGSTOP for longer than the session, so that others take over; then SIGCONT.

    It meets the fence with its next commit and ends (70), or learns of the rebalance first and takes part again. Either
    way its supervisor or the group has it back.
    """

    async def strike(self, world: World, chance: random.Random) -> None:
        (kind,) = self.affects
        candidates = world.running(kind)
        if len(candidates) < 2:
            raise RuntimeError("a zombie needs somebody who takes over from it")
        victim = self._victim(candidates, chance)
        heirs = [one for one in candidates if one is not victim]
        await self._put_to_sleep(victim, chance)
        taken, ended = sum(one.count(TAKEN[kind]) for one in heirs), len(victim.exits)
        mine = victim.count(TAKEN[kind])
        world.struck()
        try:
            await within(
                world.layout.session_seconds + 30, lambda: sum(one.count(TAKEN[kind]) for one in heirs) > taken
            )
            await asyncio.sleep(1 + chance.random() * 2)
        finally:
            victim.signal(signal.SIGCONT)
        world.count(f"zombies of {kind}")
        await within(SETTLE_SECONDS, lambda: len(victim.exits) > ended or victim.count(TAKEN[kind]) > mine)
        if len(victim.exits) > ended:
            world.count(f"zombies of {kind} that ended, {victim.exits[ended].last_line.split(':')[0][:40]}")
            await within(SETTLE_SECONDS, lambda: victim.pid is not None)

    def _victim(self, candidates: list[Service], chance: random.Random) -> Service:
        return chance.choice([one for one in candidates if one.pid is not None])

    async def _put_to_sleep(self, victim: Service, chance: random.Random) -> None:
        await asyncio.sleep(chance.random())
        victim.signal(signal.SIGSTOP)


@dataclass
class ZombieAtStep(Zombie):
    """The same, asleep at a step of a commit: what it was about to write it still holds when it wakes."""

    steps: list[Step] = field(default_factory=list)

    def _victim(self, candidates: list[Service], chance: random.Random) -> Service:
        return next(one for one in candidates if one.static)

    async def _put_to_sleep(self, victim: Service, chance: random.Random) -> None:
        if not self.steps:
            self.steps = chance.sample(list(Step), len(Step))
        once = exits.asleep_at_commit(self.steps.pop(), chance.randrange(6, 20))
        await victim.restart(once=once, command=CHAOS_WORKER if victim.kind == STREAMS else CHAOS_ISSUER)
        if not await within(SETTLE_SECONDS, lambda: victim.asleep):
            raise RuntimeError(f"{victim.name} should have fallen asleep at {once}:\n{victim.tail(3)}")


def faults() -> list[Fault]:
    """Return new objects of all faults of this module."""
    streams, issuer = frozenset({STREAMS}), frozenset({ISSUER})
    return [
        Zombie("zombie-worker", 3, streams, statuses=ENDED_BY_FENCE),
        Zombie("zombie-issuer", 3, issuer, statuses=ENDED_BY_FENCE),
        ZombieAtStep("zombie-worker-at-commit", 3, streams, statuses=ENDED_BY_FENCE),
        ZombieAtStep("zombie-issuer-at-commit", 3, issuer, statuses=ENDED_BY_FENCE),
    ]
