"""The world that faults strike: brokers, topics and keys, supervised services, the load, and a follower of progress."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from schemas.trust import KeyState, Role, TrustedKey
from tests.brokers.broker import Broker
from tests.brokers.tcp_proxy import Network
from tests.chaos.load import Load
from tests.chaos.oracle import Verdict
from tests.chaos.progress import ProgressFollower
from tests.chaos.service import Service, python
from tests.issuers.cluster import CLUSTER_ID, Cluster
from transport.settings import KafkaSettings
from transport.trust import Trust

WORKER = python("-m", "faust", "-A", "streams.app", "worker", "-l", "info")
CHAOS_WORKER = python("-m", "faust", "-A", "tests.chaos.worker_app", "worker", "-l", "info")
"""The same with hooks for forced exits and negative controls, which production code does not have."""
ISSUER = python("-m", "issuer")
CHAOS_ISSUER = python("-m", "tests.chaos.issuer_app")


@dataclass(frozen=True)
class Layout:
    """What a world consists of. Rates are records a second; ``control`` is a negative control's name."""

    seed: int = 1
    partitions: int = 6
    workers: tuple[bool, ...] = (True, True, False)
    """Each with static membership (true) or without; the last one joins and leaves."""
    issuers: tuple[bool, ...] = (True, False)
    nodes: int = 300
    rate: int = 400
    requests: int = 50
    commands: int = 4
    session_timeout_ms: int = 10_000
    control: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of every service."""

    @property
    def session_seconds(self) -> float:
        return self.session_timeout_ms / 1000


class ChaosCluster(Cluster):
    """A cluster whose operator may do everything."""

    def __init__(self, kafka: KafkaSettings, folder: Path) -> None:
        super().__init__(kafka, folder)
        roles = (Role.ENROL, Role.REVOKE, Role.QUARANTINE, Role.RELEASE)
        trusted = TrustedKey(self.operator.kid, self.operator.public_key_text, roles, KeyState.ACTIVE)
        self.trust = Trust(self.ring.trust_document(CLUSTER_ID, "test-issuer", [trusted]))


class World:
    """Use as ``async with World(...) as world``: topics exist, services run, load flows.

    ``kafka`` is the harness's own way to the brokers (load, follower, verdict); services go through ``network`` if
    there is one, each known there by its name. ``brokers`` were started by the caller, who stops them.
    ``workers`` and ``issuers`` are all there are, running or not. ``verdicts`` are those on other worlds that a fault
    made beside this one; they count with this one's.
    """

    def __init__(
        self,
        brokers: Broker,
        folder: Path,
        layout: Layout,
        *,
        network: Network | None = None,
        replication_factor: int = 1,
        prefix: str = "chaos.",
    ) -> None:
        self.brokers = brokers
        self.network = network
        self.folder = folder
        self.layout = layout
        self.kafka = KafkaSettings(
            bootstrap_servers=brokers.bootstrap_servers,
            prefix=prefix,
            partitions=layout.partitions,
            replication_factor=replication_factor,
        )
        self.cluster = ChaosCluster(self.kafka, folder)
        self.progress = ProgressFollower(self.kafka)
        self.load = Load(
            self.cluster,
            seed=layout.seed,
            rate=layout.rate,
            nodes=layout.nodes,
            requests=layout.requests,
            commands=layout.commands,
        )
        self.workers = [self._worker(number, static) for number, static in enumerate(layout.workers, 1)]
        self.issuers = [self._issuer(number, static) for number, static in enumerate(layout.issuers, 1)]
        self.notes: list[str] = []
        self.counts: dict[str, int] = {}
        self.verdicts: list[Verdict] = []
        self._struck_at = 0
        self._stack = AsyncExitStack()

    @property
    def client_environment(self) -> dict[str, str]:
        """The settings of a client that is no service."""
        return {
            "KORDON_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KORDON_KAFKA_PREFIX": self.kafka.prefix,
            "KORDON_KAFKA_PARTITIONS": str(self.kafka.partitions),
        }

    @property
    def services(self) -> list[Service]:
        """All workers and issuers, running or not."""
        return [*self.workers, *self.issuers]

    def running(self, *kinds: str) -> list[Service]:
        """The services of these kinds (both if none is named) that are meant to run."""
        return [one for one in self.services if one.wanted and (not kinds or one.kind in kinds)]

    def struck(self) -> None:
        """Note that the fault begins to hurt now: recovery time counts from here."""
        self._struck_at = time.time_ns() // 1_000_000

    @property
    def struck_at(self) -> int:
        """When the last fault struck, ms since 1970."""
        return self._struck_at

    def count(self, what: str, more: int = 1) -> None:
        """Count something that the report names, such as SIGKILLs."""
        self.counts[what] = self.counts.get(what, 0) + more

    def note(self, text: str) -> None:
        """Add a line to the report."""
        self.notes.append(text)

    async def __aenter__(self) -> Self:
        try:
            await self._stack.enter_async_context(self.cluster)
            await self._stack.enter_async_context(self.progress)
            self._stack.push_async_callback(self._kill_all)
            for service in self.services:
                if service is not self._spare:
                    await service.start()
            self.loading = AsyncExitStack()
            await self._stack.enter_async_context(self.loading)
            await self.loading.enter_async_context(self.load)
            self.struck()
            await self.progress.news_from(self.progress.places, self.struck_at, 120)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def _spare(self) -> Service | None:
        """The worker that joins and leaves: the third."""
        return self.workers[2] if len(self.workers) > 2 else None

    @property
    def spare(self) -> Service | None:
        """The worker that does not run at first."""
        return self._spare

    async def stop_load(self) -> None:
        """Let what is under way be acknowledged, and write no more."""
        await self.loading.aclose()

    async def stop_services(self) -> None:
        """End every service as an operator does, all at once."""
        await asyncio.gather(*(service.stop() for service in self.running()))

    async def _kill_all(self) -> None:
        await asyncio.gather(*(service.killed_for_good() for service in self.services))

    def _environment(self, name: str) -> dict[str, str]:
        reached = self.brokers if self.network is None else self.network
        control = {} if self.layout.control is None else {"KORDON_CHAOS_CONTROL": self.layout.control}
        return {
            "KORDON_KAFKA_BOOTSTRAP_SERVERS": reached.bootstrap_servers,
            "KORDON_KAFKA_CLIENT_ID": name,
            "KORDON_KAFKA_PREFIX": self.kafka.prefix,
            **control,
            **self.layout.settings,
        }

    def _session(self, section: str) -> dict[str, str]:
        timeout = self.layout.session_timeout_ms
        return {
            f"KORDON_{section}_SESSION_TIMEOUT_MS": str(timeout),
            f"KORDON_{section}_HEARTBEAT_INTERVAL_MS": str(min(2_000, timeout // 4)),
        }

    def _worker(self, number: int, static: bool) -> Service:
        name = f"worker-{number}"
        environment = self._environment(name) | self._session("WORKER")
        environment["KORDON_WORKER_TRUST_FILE"] = str(self.folder / "trust.json")
        if static:
            environment["KORDON_WORKER_INSTANCE_ID"] = name
        command = WORKER if self.layout.control is None else CHAOS_WORKER
        return Service(name, "streams", command, environment, self.folder, static=static)

    def _issuer(self, number: int, static: bool) -> Service:
        name = f"issuer-{number}"
        environment = self.cluster.issuer_settings | self._environment(name) | self._session("ISSUER")
        # More would be dropped unanswered; here each must be found among the dead letters.
        environment["KORDON_ISSUER_REFUSALS_PER_SECOND"] = "100000"
        if static:
            environment["KORDON_ISSUER_INSTANCE_ID"] = name
        return Service(name, "issuer", ISSUER, environment, self.folder, static=static)


async def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds, for at most ``seconds``; return whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


__all__ = ["CHAOS_ISSUER", "CHAOS_WORKER", "ISSUER", "WORKER", "ChaosCluster", "Layout", "World", "within"]
