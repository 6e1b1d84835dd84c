"""Fault 5: the network between services and brokers is cut, slow, or half-open, for some or for all of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from dataclasses import dataclass

from tests.brokers.tcp_proxy import Condition, Network, Way
from tests.chaos.fault import BOTH, ENDED_BY_FENCE, ISSUER, STREAMS, Fault
from tests.chaos.world import World

HALVES: tuple[frozenset[Way], ...] = (frozenset({Way.REQUESTS}), frozenset({Way.ANSWERS}), frozenset(Way))
"""Which ways are held: in the second, brokers do what they are asked and nobody hears of it."""


@dataclass
class NetworkFault:
    """What the faults of the network have in common.

    ``least`` and ``most`` bound, in s, how long the network is disturbed. With ``alone`` it is for one service, of the
    kind that is affected; else for all services, on the way to one broker or to all.
    """

    name: str
    least: float
    most: float
    alone: bool = False
    number: int = 5
    affects: frozenset[str] = BOTH
    recovers_within: float = 120.0
    statuses: frozenset[int] = ENDED_BY_FENCE

    async def strike(self, world: World, chance: random.Random) -> None:
        net = network(world)
        brokers, clients = self._concerned(world, chance)
        condition, forgotten = self.condition(chance)
        seconds = chance.uniform(self.least, self.most)
        net.impose(condition, brokers=brokers, clients=clients)
        world.struck()
        world.count(f"{self.name}, {self._whom(brokers)}")
        try:
            await asyncio.sleep(seconds)
        finally:
            net.heal(forgotten=forgotten)
        if not self.alone:
            world.struck()

    def condition(self, chance: random.Random) -> tuple[Condition, bool]:
        """Return what befalls the bytes, and whether their connections are forgotten at the end."""
        raise NotImplementedError

    def _concerned(self, world: World, chance: random.Random) -> tuple[Collection[int] | None, Collection[str] | None]:
        if self.alone:
            (kind,) = self.affects
            return None, {chance.choice(world.running(kind)).name}
        brokers = range(len(network(world).ports))
        return chance.choice((None, [chance.choice(brokers)])), None

    def _whom(self, brokers: Collection[int] | None) -> str:
        if self.alone:
            return "one service"
        return "all brokers" if brokers is None else "one broker"


class Cut(NetworkFault):
    """Connections are reset, new ones too."""

    def condition(self, chance: random.Random) -> tuple[Condition, bool]:
        del chance
        return Condition(cut=True), False


class Slow(NetworkFault):
    """Every chunk takes its time, which makes answers late and transfers slow."""

    def condition(self, chance: random.Random) -> tuple[Condition, bool]:
        return Condition(delay=chance.uniform(0.05, 0.3)), False


class HalfOpen(NetworkFault):
    """Connections stand, but nothing comes, on one way or on both; at the end it arrives late or never."""

    def condition(self, chance: random.Random) -> tuple[Condition, bool]:
        return Condition(held=chance.choice(HALVES)), chance.random() < 1 / 2


def network(world: World) -> Network:
    """Return what services reach the brokers through."""
    assert world.network is not None, "this fault needs a network between services and brokers"
    return world.network


def faults() -> list[Fault]:
    """Return new objects of all faults of this module."""
    streams, issuer = frozenset({STREAMS}), frozenset({ISSUER})
    # Longer than the session (10 s), so that others take over, and than the delivery timeout (20 s), so that it ends.
    return [
        Cut("network-cut", 1, 8),
        Cut("network-cut-long", 21, 26),
        Cut("worker-cut-off", 12, 25, alone=True, affects=streams),
        Cut("issuer-cut-off", 12, 25, alone=True, affects=issuer),
        Slow("network-slow", 5, 12),
        HalfOpen("network-half-open", 2, 15),
        HalfOpen("worker-half-open", 8, 25, alone=True, affects=streams),
        HalfOpen("issuer-half-open", 8, 25, alone=True, affects=issuer),
    ]
