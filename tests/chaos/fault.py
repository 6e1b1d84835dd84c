"""What a fault is to the harness: something that strikes a world, and how long the world may take to work again."""

from __future__ import annotations

import random
from typing import Protocol

from tests.chaos.world import World

STREAMS, ISSUER = "streams", "issuer"
BOTH = frozenset({STREAMS, ISSUER})

ENDED_BY_FENCE = frozenset({70})
"""EX_SOFTWARE: a process that met its fence, or a broker that was not there, and left the rest to its supervisor."""


class Fault(Protocol):
    """One kind of fault; an object of it may strike many times.

    ``strike`` returns once the fault has been done and undone (a paused process continues, a cut network is whole). It
    may call ``world.struck()`` where it begins to hurt, if that is not at once. It draws only on ``chance``, so a seed
    repeats the schedule (not the moments at which the operating system runs what). What it changes of the world
    (a third worker, another setting) it takes back.
    """

    @property
    def name(self) -> str:
        """Stands in the report and is accepted by ``--faults``."""

    @property
    def number(self) -> int:
        """The fault's number in issue 4 (1 crashes, 2 rebalances, 3 zombies, 4 brokers, 5 network, 6 inputs)."""

    @property
    def affects(self) -> frozenset[str]:
        """Services, ``streams`` and ``issuer``, of which every co-partition must commit news again."""

    @property
    def recovers_within(self) -> float:
        """Seconds from ``struck`` within which they must have, else the run has failed: a bound, not the promise."""

    @property
    def statuses(self) -> frozenset[int]:
        """Exit statuses with which processes may end because of it, beside those that a strike asked for."""

    async def strike(self, world: World, chance: random.Random) -> None:
        """Do it."""
