"""A run: faults strike by a seeded schedule, each is recovered from, and when all is quiet the log is judged."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.ending import end
from tests.chaos.fault import Fault
from tests.chaos.oracle import Verdict
from tests.chaos.ownership import shared_copartitions
from tests.chaos.progress import Place
from tests.chaos.quiet import quiet
from tests.chaos.service import Exit
from tests.chaos.unfinished import end_unfinished, seen
from tests.chaos.verdict import judge
from tests.chaos.world import World

LONGEST_PAUSE_SECONDS = 2.0
"""Between two strikes of a run that lasts some time: the next one falls into any moment of the services' work."""

_RESTORED = re.compile(r"milliseconds=(\d+)")


@dataclass(frozen=True)
class Strike:
    """One strike and what came of it. Times in s; ``recovery`` is ``None`` if it did not within the fault's bound.

    ``recovery`` is the longest time, from ``struck`` on, that an affected co-partition committed no news, ``stall`` the
    same from the strike's beginning and with what passed since the commit before it. ``restore`` is the longest
    take-over meanwhile (fencing, rows and checkpoint).
    """

    fault: str
    number: int
    after: float
    recovery: float | None
    stall: float
    restore: float


@dataclass
class Outcome:
    """What a run found. ``problems`` are processes and recoveries that were not well, in words."""

    verdict: Verdict
    strikes: list[Strike] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    unacknowledged: int = 0

    @property
    def passed(self) -> bool:
        return self.verdict.clean and not self.problems


def schedule(faults: Sequence[Fault], chance: random.Random) -> Iterator[Fault]:
    """Yield faults for ever: each once in a random order, then each again in another."""
    while True:
        yield from chance.sample(list(faults), len(faults))


class Run:
    """Plays ``faults`` against a world for ``seconds``, or ``strikes`` strikes; at least one."""

    def __init__(
        self, world: World, faults: Sequence[Fault], *, seed: int, seconds: float, strikes: int | None = None
    ) -> None:
        self._world = world
        self._chance = random.Random(seed)
        self._schedule = schedule(faults, self._chance)
        self._seconds, self._most = seconds, strikes
        self._strikes: list[Strike] = []
        self._problems: list[str] = []

    async def play(self, told: asyncio.Queue[Strike] | None = None) -> Outcome:
        """Do it and judge; ``told`` hears of each strike."""
        began = time.monotonic()
        for number in itertools.count():
            enough = number >= self._most if self._most is not None else time.monotonic() - began >= self._seconds
            if number and enough:
                break
            await self._strike(next(self._schedule), began)
            if told is not None and self._strikes:
                told.put_nowait(self._strikes[-1])
            self._world.load.check()
            if self._most is None:
                await asyncio.sleep(self._chance.random() * LONGEST_PAUSE_SECONDS)
        return await self._judge(began)

    async def _strike(self, fault: Fault, began: float) -> None:
        world = self._world
        logs = {service: len(service.output()) for service in world.services}
        ended = {service.name: len(service.exits) for service in world.services}
        after = time.monotonic() - began
        places = [place for place in world.progress.places if place[0] in fault.affects]
        world.struck()
        began_at, recovery = world.struck_at, None
        try:
            await fault.strike(world, self._chance)
            until = await self._recovered(fault, places)
            # Without places nothing was to stop, and the strike itself tells how long what it did took.
            recovery = world.progress.longest_stall(places, world.struck_at, until, from_since=True)
            recovery = recovery if places else (_now() - world.struck_at) / 1000
        except (TimeoutError, RuntimeError) as error:
            self._problems.append(f"{fault.name} after {after:.0f} s: {type(error).__name__}: {error}")
            until = _now()
        stall = world.progress.longest_stall(places, began_at, until)
        restore = max(_restored(service.output()[length:]) for service, length in logs.items())
        self._strikes.append(Strike(fault.name, fault.number, after, recovery, stall, restore))
        for service in world.services:
            for ending in service.exits[ended[service.name] :]:
                self._check_exit(fault, ending)

    async def _recovered(self, fault: Fault, places: Sequence[Place]) -> int:
        """Wait until every place has news again and return when, ms since 1970.

        Raises:
            TimeoutError: some have none; the text says what was seen then.
        """
        progress = self._world.progress
        try:
            return await progress.news_from(places, _now(), fault.recovers_within)
        except TimeoutError as error:
            if not await end_unfinished(self._world):
                raise TimeoutError(f"{error}; {await seen(self._world)}") from None
        return await progress.news_from(places, _now(), fault.recovers_within)

    def _check_exit(self, fault: Fault, ending: Exit) -> None:
        well = ending.obeyed or ending.status == -9 if ending.asked else ending.status in {99, *fault.statuses}
        if not well:
            asked = "was asked to end and" if ending.asked else "by itself"
            words = f"{ending.service} {asked} ended with {ending.status}: {ending.last_line[:200]}"
            self._problems.append(f"{fault.name}: {words}")

    async def _judge(self, began: float) -> Outcome:
        world = self._world
        await world.stop_load()
        try:
            await quiet(world)
        except TimeoutError as error:
            self._problems.append(str(error))
        self._problems += await end(world.running())
        verdict = await judge(world.kafka, world.load)
        for other in world.verdicts:
            verdict.add(other)
        for text in await shared_copartitions(world.kafka):
            self._problems.append(text)
        return Outcome(
            verdict,
            self._strikes,
            self._problems,
            dict(sorted(world.counts.items())),
            list(world.notes),
            time.monotonic() - began,
            world.load.unacknowledged,
        )


def _now() -> int:
    return time.time_ns() // 1_000_000


def _restored(output: str) -> float:
    """Return the seconds that the longest take-over took of which a service tells."""
    found = [_RESTORED.search(line) for line in output.splitlines() if "taken" in line]
    return max((int(match[1]) for match in found if match), default=0) / 1000
