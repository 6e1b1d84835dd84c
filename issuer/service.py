"""The issuer as a process: joins the group, owns what it is given, and stops at the first thing that goes wrong.

An ownership is a task: it takes all assigned co-partitions over (:mod:`issuer.takeover`), follows the registry, the
risk rows and the worker's progress in one view, and answers each co-partition in a task of its own. A rebalance ends it
and a new one begins; any fault in it ends the process, which a supervisor starts again.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from issuer.copartition import SERVICE, Copartition
from issuer.counts import Counts
from issuer.envelopes import EnvelopeBuilder
from issuer.errors import OwnershipLostError, RefusedError
from issuer.freshness import Freshness
from issuer.group import Group
from issuer.judgement import Judge, Rules
from issuer.key_ring import KeyRing
from issuer.refusal_rate import RefusalRate
from issuer.settings import IssuerSettings
from issuer.state import CopartitionState
from issuer.takeover import checkpoint_offsets, require_owned, require_unchanged_topics, restore_memory, topic_ids
from issuer.topics import partition_counts, reply_topics, shared_count
from policy.policy_file import load_policy
from schemas.timestamp import Timestamp
from schemas.topics import REGISTRY, RISK, STREAMS_PROGRESS
from transport.client import consumer_arguments
from transport.consumer_shutdown import stop_consumer
from transport.record_offsets import check_offsets
from transport.settings import KafkaSettings
from transport.trust import Trust
from transport.views import NotCaughtUpError, View, ViewFailedError, last_records
from transport.watermarks import Watermarks
from transport.writer import Step, TransactionalWriter

_LAST_RECORD_SECONDS: Final = 60.0
_TOPIC_CHECK_SECONDS: Final = 5.0
_MILLIS: Final = 1000

_log: Final = structlog.get_logger("kordon.issuer")


def system_clock() -> Timestamp:
    """Return the time of day."""
    return Timestamp(time.time_ns() // 1_000_000)


class Issuer:
    """One issuer process. ``on_step`` is handed to every transactional writer."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: IssuerSettings,
        *,
        clock: Callable[[], Timestamp] = system_clock,
        on_step: Callable[[Step], None] = lambda _: None,
    ) -> None:
        """Load trust, keys and policy.

        Raises:
            TrustFileError, PrivateFileError, KeyFileError, KeyRingError, PolicyError: they cannot be used.
        """
        self.counts: Final = Counts()
        self._kafka = kafka
        self._settings = settings
        self._clock = clock
        self._on_step = on_step
        self._trust = Trust.load(settings.trust_file)
        self._ring = KeyRing.load(settings.keys_folder, settings.read_passphrase())
        self._ring.check_against(self._trust, clock())
        self._policy = load_policy(settings.policy_file)
        self._audience = self._trust.audience(kafka.prefix)
        self._ownership: asyncio.Task[None] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Answer requests until ``stop`` is set.

        Raises:
            RefusedError: a person has to decide first.
            Exception: anything else is a crash that a restart resumes from.
        """
        counts = await partition_counts(self._kafka)
        count = shared_count(self._kafka, counts)
        rules = Rules(
            self._audience,
            self._policy,
            self._settings.limits,
            self._ring,
            EnvelopeBuilder(self._trust, self._ring, self._audience, self._settings.capsule_lifetime_seconds),
            reply_topics(self._kafka, self._settings, counts),
        )
        group = Group(self._kafka, self._settings, self._release)
        try:
            await group.join()
            while not stop.is_set():
                assigned = await group.poll()
                if assigned is not None:
                    await self._release()
                    self._ownership = asyncio.create_task(self._own(sorted(assigned), count, rules), name="ownership")
                if self._ownership is not None and self._ownership.done():
                    self._ownership.result()
                    raise OwnershipLostError("the ownership ended by itself")
        finally:
            try:
                await self._release()  # raises what the ownership ended with
            finally:
                await group.leave()

    async def _release(self) -> None:
        """End the ownership; what it was about to commit is aborted, and the next owner answers it."""
        ownership, self._ownership = self._ownership, None
        if ownership is not None:
            ownership.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ownership

    async def _own(self, partitions: Sequence[int], partition_count: int, rules: Rules) -> None:
        try:
            async with AsyncExitStack() as stack:
                await self._own_within(stack, partitions, partition_count, rules)
        except ExceptionGroup as group:
            raise _reason_of(_first(group)) from group
        except ViewFailedError as error:
            raise _reason_of(error) from error

    async def _own_within(
        self, stack: AsyncExitStack, partitions: Sequence[int], partition_count: int, rules: Rules
    ) -> None:
        if not partitions:
            await asyncio.Event().wait()
        began = time.monotonic()
        writers = await self._fence(stack, partitions)
        watermarks = await stack.enter_async_context(Watermarks(self._kafka))
        states = {p: CopartitionState(p, partition_count, self._trust, self._ring, self.counts) for p in partitions}
        restore_seconds = self._settings.restore_timeout_ms / _MILLIS
        ids = await topic_ids(self._kafka, watermarks)
        # Each waits for the broker most of the time, and none needs what another finds.
        try:
            async with asyncio.TaskGroup() as tasks:
                checkpoints = tasks.create_task(
                    checkpoint_offsets(self._kafka, watermarks, partitions, partition_count, ids)
                )
                tasks.create_task(restore_memory(self._kafka, states, restore_seconds))
                unopened = tasks.create_task(self._view(states))
        except ExceptionGroup as group:
            if isinstance(refusal := _first(group), RefusedError):
                await require_owned(self._kafka, writers, refusal)
            raise
        offsets = checkpoints.result()
        view = await stack.enter_async_context(unopened.result())
        freshness = Freshness(self._kafka, view, watermarks, self._settings.freshness_timeout_ms / _MILLIS)
        for state in states.values():
            if not await freshness.wait(state, restore_seconds):
                raise NotCaughtUpError({}, restore_seconds)
        copartitions = [
            Copartition(
                self._kafka,
                states[p],
                Judge(self._kafka, rules, states[p], self._rate(), self.counts),
                writers[p],
                offsets[p],
                self._clock,
                ids,
            )
            for p in partitions
        ]
        reader = await self._reader(stack, copartitions)
        _log.info(
            "copartitions.taken",
            partitions=list(partitions),
            milliseconds=round((time.monotonic() - began) * _MILLIS),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(view.failed())
            tasks.create_task(self._watch_topics(watermarks, ids, partition_count))
            for copartition in copartitions:
                tasks.create_task(
                    copartition.run(
                        reader,
                        freshness,
                        poll_records=self._settings.poll_records,
                        progress_interval_seconds=self._settings.progress_interval_ms / _MILLIS,
                    )
                )

    async def _watch_topics(self, watermarks: Watermarks, ids: Mapping[str, str], partition_count: int) -> None:
        """Ask now and then whether the topics are still those that were taken over."""
        while True:
            await asyncio.sleep(_TOPIC_CHECK_SECONDS)
            with contextlib.suppress(KafkaError):  # the next time will do
                await require_unchanged_topics(self._kafka, watermarks, ids, partition_count)

    async def _fence(self, stack: AsyncExitStack, partitions: Sequence[int]) -> dict[int, TransactionalWriter]:
        writers: dict[int, TransactionalWriter] = {}
        for partition in partitions:
            name = self._kafka.transactional_id(SERVICE, partition)
            writers[partition] = TransactionalWriter(self._kafka, name, self._on_step)
            stack.push_async_callback(writers[partition].close)
        async with asyncio.TaskGroup() as tasks:
            for writer in writers.values():
                tasks.create_task(writer.open())
        return writers

    async def _view(self, states: dict[int, CopartitionState]) -> View:
        """Return a view, not open yet, of the registry, the risk rows and the worker's progress."""
        kafka = self._kafka
        registry, risk, progress = (kafka.topic(name) for name in (REGISTRY, RISK, STREAMS_PROGRESS))
        reports = [TopicPartition(progress, partition) for partition in states]
        last = await last_records(kafka, reports, timeout_seconds=_LAST_RECORD_SECONDS)
        start = {place: record.offset for place, record in last.items()}

        def take(place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
            state = states[place.partition]
            reads = {registry: state.read_registry, risk: state.read_risk, progress: state.read_progress}
            for record in records:
                reads[place.topic](record)

        places = [TopicPartition(topic, p) for p in states for topic in (registry, risk, progress)]
        return View(kafka, places, take, start=start)

    async def _reader(self, stack: AsyncExitStack, copartitions: Sequence[Copartition]) -> AIOKafkaConsumer:
        reader: AIOKafkaConsumer = AIOKafkaConsumer(**consumer_arguments(self._kafka))
        stack.push_async_callback(stop_consumer, reader)
        await reader.start()
        check_offsets(reader, consecutive=True)
        positions = {place: at for copartition in copartitions for place, at in copartition.positions.items()}
        reader.assign(list(positions))
        for place, at in positions.items():
            reader.seek(place, at)
        return reader

    def _rate(self) -> RefusalRate:
        return RefusalRate(self._settings.refusals_per_second, time.monotonic)


def _reason_of(fault: Exception) -> Exception:
    """Return what made a view fail if a person has to decide about it: a restart would meet it again."""
    cause = fault.__cause__ if isinstance(fault, ViewFailedError) else None
    return cause if isinstance(cause, RefusedError) else fault


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first fault of a group: the others are what it led to."""
    fault = group.exceptions[0]
    return _first(fault) if isinstance(fault, ExceptionGroup) else fault
