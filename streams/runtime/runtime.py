"""What the parts of the runtime share: names, settings, and how to crash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from faust.types import TP

from streams.runtime.copartitions import Copartitions
from streams.runtime.errors import SplitCopartitionError
from streams.runtime.huge_pages import HugePages
from streams.runtime.lag import ReadMark
from streams.runtime.table import Table
from streams.settings import WorkerSettings
from transport.settings import KafkaSettings
from transport.writer import Step, TransactionalWriter

if TYPE_CHECKING:
    from streams.runtime.application import CopartitionedApp

_log = structlog.get_logger("kordon.streams")


class Runtime:
    """The worker's shared parts.

    Topic names given are without prefix: ``sources`` are folded, ``changelog`` takes the rows, ``progress`` the
    checkpoints, ``outputs`` are the other topics whose partition p only the owner of co-partition p writes (they tell
    whether it ever committed), ``others`` are written as well and must exist. ``new_table`` makes an empty table for a
    co-partition. ``policy_version`` stands in the progress records.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        worker: WorkerSettings,
        *,
        service: str,
        sources: Sequence[str],
        changelog: str,
        progress: str,
        outputs: Sequence[str],
        others: Sequence[str],
        policy_version: int,
        new_table: Callable[[int], Table],
    ) -> None:
        self.kafka = kafka
        self.worker = worker
        self.service = service
        self.group_id = kafka.group_id(service)
        self.sources = tuple(sources)
        self.source_names = {kafka.topic(name): name for name in sources}
        self.changelog = kafka.topic(changelog)
        self.progress_topic = kafka.topic(progress)
        self.outputs = tuple(kafka.topic(name) for name in outputs)
        self.topics = frozenset(
            {*self.source_names, self.changelog, self.progress_topic, *self.outputs, *map(kafka.topic, others)}
        )
        self.watched = (*self.source_names, self.changelog)
        """Topics that must stay what they were at the take-over: not created anew, not given more partitions."""
        self.policy_version = policy_version
        self.new_table = new_table
        self.crashed = False
        self.on_step: Callable[[Step], None] = _do_nothing
        """Called between the steps of each commit, so that a test can end the process there."""
        self.copartitions = Copartitions(self)
        self._huge_pages = HugePages()
        self._app: CopartitionedApp | None = None

    def attach(self, app: CopartitionedApp) -> None:
        """Connect to the application's signals."""
        self._app = app
        copartitions = self.copartitions

        async def revoke(*_: Any, **__: Any) -> None:
            await copartitions.revoke()

        async def assign(*arguments: Any, **_: Any) -> None:
            try:
                await copartitions.assign(arguments[1])
            except SplitCopartitionError:
                # Else a static member that comes back would be given the same parts again, and so for ever.
                app.copartition_consumer.leave_group()
                raise

        async def complete(*_: Any, **__: Any) -> None:
            await copartitions.complete()
            if self.worker.huge_pages:
                self._huge_pages.start()

        async def shut_down(*_: Any, **__: Any) -> None:
            try:
                await copartitions.shut_down()
            finally:
                await self._huge_pages.stop()

        app.on_partitions_revoked.connect(revoke)
        app.on_partitions_assigned.connect(assign)
        app.on_rebalance_complete.connect(complete)
        app.on_before_shutdown.connect(shut_down)

    @property
    def app(self) -> CopartitionedApp:
        """The application."""
        assert self._app is not None
        return self._app

    @property
    def is_taking_over(self) -> bool:
        """Whether the assignment is not wholly owned yet."""
        return self.copartitions.is_taking_over

    def generation(self) -> int:
        """Return the group's generation as of the last assignment."""
        return int(self.app.consumer_generation_id)

    def source(self, topic: str) -> str:
        """Return the full name of a source topic."""
        return self.kafka.topic(topic)

    def new_writer(self, partition: int) -> TransactionalWriter:
        """Return the writer of a co-partition, not open yet."""
        return TransactionalWriter(self.kafka, self.kafka.transactional_id(self.service, partition), self._note_step)

    def _note_step(self, step: Step) -> None:
        self.on_step(step)

    def read_mark_of(self, partition: int) -> ReadMark:
        """Return how far the broker said each source topic of a co-partition reaches."""

        def read_mark(topic: str) -> tuple[int, int] | None:
            return self.app.copartition_consumer.read_mark(TP(self.source(topic), partition))

        return read_mark

    def guard(self, task: asyncio.Task[None]) -> None:
        """Crash the worker if ``task`` ends with an exception."""
        task.add_done_callback(self._crash_if_failed)

    def _crash_if_failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crash(error)

    def crash(self, error: BaseException) -> None:
        """Crash the worker; call it on the main loop."""
        self.crashed = True
        _log.error("worker.crash", error=type(error).__name__, reason=str(error))
        self._crashing = asyncio.ensure_future(self.app.crash(error))

    def crash_from_thread(self, error: BaseException) -> None:
        """Crash the worker from the consumer's thread."""
        self.app.loop.call_soon_threadsafe(self.crash, error)


def _do_nothing(_: Step) -> None:
    return
