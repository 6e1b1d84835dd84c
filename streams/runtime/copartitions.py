"""The co-partitions of this worker through rebalances: who owns what, in which epoch, and what happens when it ends.

Faust calls in this order, on its main loop::

    signal                   method
    on_partitions_revoked    revoke      end the epoch; stop a take-over under way; commit what is pending; suspend:
                                         until the next assignment somebody else may become the owner
    on_partitions_assigned   assign      only whole co-partitions, or crash; keep those that this member had in the
                                         generation before, close the others
    on_rebalance_complete    complete    take over what is missing. Faust awaits this outside the group's rebalance, so
                                         a long restore holds up nobody else
    (Consumer.perform_seek)  positions   seek everything explicitly: a new epoch begins
    on_before_shutdown       shut_down   commit what is pending, close

A revocation, in steps; each step's name is that of the model's action (docs/model). Faust revokes everything at every
rebalance (the eager protocol), and the group waits for it, at most for the rebalance timeout:

1. EPOCH_ENDED: what was read and not folded is dropped; it is read again from where the fold stands. A crash from here
   to 3 is a crash between two commits, or at the step of the one under way.
2. TAKE_OVER_STOPPED: a take-over under way is cancelled and its writers are closed. A crash leaves a fenced former
   owner.
3. SUSPENDED: nothing is committed on the interval any more. Without it a progress record between join and assignment
   would meet the next owner's fence, and a healthy worker would crash.
4. PENDING_COMMITTED: the commit under way has ended and what was folded is committed. Only now does the member join the
   next generation, so whoever is assigned there finds nothing open. A crash leaves the checkpoint; a member that is too
   slow is left out of the generation, and its commit then succeeds before the successor's fence or fails after it.

JOINED: Faust's and the group's. ASSIGNED is :meth:`Copartitions.assign`: a co-partition is kept only over consecutive
generations, else it is given up and, if it was assigned, taken over again. A crash leaves the checkpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import IllegalStateError
from faust.types import TP

from streams.runtime.batches import Batch
from streams.runtime.copartition import Copartition
from streams.runtime.errors import BrokenChainError, SplitCopartitionError, TakeOverFailedError
from streams.runtime.intervals import CommitIntervals
from streams.runtime.table import Table
from streams.runtime.takeover import take_over
from streams.runtime.topics import require_topics
from transport.topic_ids import TopicState

if TYPE_CHECKING:
    from streams.runtime.runtime import Runtime

_log = structlog.get_logger("kordon.streams")

FoldFunction = Callable[[Copartition[Any], Batch], None]


class Copartitions:
    """What this worker owns. ``generation`` is the group's, as of the last assignment."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._owned: dict[int, Copartition[Table]] = {}
        self._assigned: frozenset[int] = frozenset()
        self._generation = -1
        self._epoch: int | None = None
        self._latest_epoch = 0
        self._taking_over: asyncio.Task[None] | None = None
        self._superseded = False

    @property
    def is_taking_over(self) -> bool:
        """Whether some assigned co-partition is not owned yet."""
        return not self._assigned <= self._owned.keys()

    async def fold(self, batch: Batch, function: FoldFunction) -> None:
        """Fold a batch of the current epoch with ``function``; drop one of an earlier epoch, which is read again.

        Waits while too much is folded ahead of the last commit. ``function`` must not await and must not keep anything
        if it raises.

        Raises:
            BrokenChainError, BrokenFoldError: the worker must crash.
        """
        copartition = self._current(batch)
        if copartition is None:
            return
        await copartition.room(self._runtime.worker.uncommitted_records)
        # Waiting may have outlived the epoch.
        if self._current(batch) is copartition:
            copartition.fold(batch, function)
        # Reading from a full buffer never waits, and commits have to get their turn.
        await asyncio.sleep(0)

    def _current(self, batch: Batch) -> Copartition[Table] | None:
        if batch.epoch > self._latest_epoch:
            # It would be dropped, and so would all that follow: nobody would fold them and nothing would fail.
            raise BrokenChainError(
                f"a batch of epoch {batch.epoch} came, but the last one begun is {self._latest_epoch}"
            )
        return self._owned.get(batch.partition) if batch.epoch == self._epoch else None

    def positions(self) -> dict[TP, int]:
        """Return where the fold of everything owned stands, by full topic name."""
        return {
            TP(self._runtime.source(topic), partition): offset
            for partition, copartition in self._owned.items()
            for topic, offset in copartition.positions.items()
        }

    def require_unchanged(self, states: Mapping[str, TopicState]) -> None:
        """Refuse to go on once a topic (full name) is not what it was when its co-partitions were taken over.

        Raises:
            CheckpointOutOfRangeError: one was created anew.
            PartitionCountError: one has another partition count.
        """
        kafka = self._runtime.kafka
        ids = {kafka.without_prefix(topic): state.topic_id for topic, state in states.items()}
        for copartition in tuple(self._owned.values()):
            copartition.require_ids(ids)
            for state in states.values():
                copartition.require_count(state.partitions)

    def end_epoch(self) -> None:
        """Fold nothing that was read until now."""
        self._epoch = None

    def begin_epoch(self, epoch: int) -> None:
        """Fold what is read from now on: every owned partition was sought explicitly."""
        self._epoch = self._latest_epoch = epoch

    async def revoke(self) -> None:
        """End what the last assignment allowed; Faust revokes all partitions at every rebalance."""
        self.end_epoch()  # 1. EPOCH_ENDED
        await self._stop_taking_over()  # 2. TAKE_OVER_STOPPED
        for copartition in self._owned.values():
            copartition.suspend()  # 3. SUSPENDED
        await asyncio.gather(*(copartition.commit_pending() for copartition in self._owned.values()))
        # 4. PENDING_COMMITTED

    async def assign(self, assigned: Iterable[TP]) -> None:
        """Keep what this member had in the generation before, give the rest up.

        Raises:
            SplitCopartitionError: the assignment does not consist of whole co-partitions.
        """
        runtime = self._runtime
        self._assigned = frozenset(whole_copartitions(assigned, runtime.source_names))
        generation = runtime.generation()
        # A skipped generation is one in which somebody else may have been the owner.
        kept = self._assigned if generation == self._generation + 1 else frozenset[int]()
        self._generation = generation
        # All at once: Faust calls `complete` while this is still closing, and what it finds here it does not take over.
        given_up = {partition: self._owned.pop(partition) for partition in sorted(self._owned.keys() - kept)}
        for copartition in self._owned.values():
            copartition.resume()
        for partition, copartition in given_up.items():
            await copartition.close()
            _log.info("copartition.given_up", partition=partition)

    async def complete(self) -> None:
        """Take over what is assigned and not owned; returns early if a newer rebalance begins meanwhile.

        Raises as :func:`~streams.runtime.takeover.take_over`, and TakeOverFailedError.
        """
        await self._stop_taking_over()
        self._superseded = False
        self._taking_over = asyncio.create_task(self._take_missing(), name="taking over")
        await asyncio.wait({self._taking_over})
        if self._superseded:
            return  # by a newer rebalance, which calls this again
        failure: BaseException | None = None
        try:
            self._taking_over.result()
        except (asyncio.CancelledError, IllegalStateError) as error:
            # Faust takes either for a rebalance that begins again, and would wait for it in silence.
            failure = error
        if failure is not None or self.is_taking_over:
            missing = sorted(self._assigned - self._owned.keys())
            raise TakeOverFailedError(f"the take-over of co-partitions {missing} ended without them") from failure

    async def _take_missing(self) -> None:
        runtime, worker = self._runtime, self._runtime.worker
        count = await require_topics(runtime.kafka, runtime.topics)
        for copartition in self._owned.values():
            copartition.require_count(count)
        missing = sorted(self._assigned - self._owned.keys())
        if not missing:
            return
        for partition, copartition in (await take_over(runtime, missing, count)).items():
            # 5. HANDED_OVER
            self._owned[partition] = copartition
            commits = copartition.start(
                CommitIntervals(
                    commit=worker.commit_interval_ms / 1000,
                    urgent=worker.transition_interval_ms / 1000,
                    catch_up=worker.catch_up_interval_ms / 1000,
                    progress=worker.progress_interval_ms / 1000,
                )
            )
            runtime.guard(commits)

    async def _stop_taking_over(self) -> None:
        self._superseded = True
        if self._taking_over is not None and not self._taking_over.done():
            self._taking_over.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._taking_over

    async def shut_down(self) -> None:
        """Commit what is pending, unless this is a crash, and let go of everything."""
        self.end_epoch()
        await self._stop_taking_over()
        owned, self._owned, self._assigned = self._owned, {}, frozenset()
        try:
            if not self._runtime.crashed:
                for copartition in owned.values():
                    copartition.suspend()
                await asyncio.gather(*(copartition.commit_pending() for copartition in owned.values()))
        finally:
            await asyncio.gather(*(copartition.close() for copartition in owned.values()), return_exceptions=True)


def whole_copartitions(assigned: Iterable[TP], sources: Iterable[str]) -> set[int]:
    """Return the co-partitions of an assignment.

    Raises:
        SplitCopartitionError: of some co-partition not all source topics are assigned.
    """
    topics: dict[int, set[str]] = {}
    for tp in assigned:
        topics.setdefault(tp.partition, set()).add(tp.topic)
    wanted = set(sources)
    for partition, found in sorted(topics.items()):
        if found != wanted:
            raise SplitCopartitionError(
                f"of co-partition {partition} this member was assigned {', '.join(sorted(found))} but not "
                f"{', '.join(sorted(wanted - found)) or 'only those'}. All members must run this version with the "
                "assignor kordon-copartition, and all source topics must have the same partition count"
            )
    return set(topics)
