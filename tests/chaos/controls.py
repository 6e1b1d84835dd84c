"""Negative controls: workers that are wrong on purpose, each in one way that the harness has to find.

``KORDON_CHAOS_CONTROL`` names one. They wrap what the runtime does, in the process of ``tests.chaos.worker_app`` alone.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from streams.runtime.copartition import Copartition
from streams.runtime.runtime import Runtime
from transport.outgoing import OutgoingRecord, OutgoingRows
from transport.writer import Committed, TransactionalWriter

VARIABLE = "KORDON_CHAOS_CONTROL"
TORN_SECONDS = 1.0
LATE_SECONDS = 0.05
"""Long enough for a mistake to matter at almost every kill; real ones are as wrong, but more seldom."""

Last = Callable[[Mapping[TopicPartition, int]], Sequence[OutgoingRecord]]


def offsets_first(runtime: Runtime) -> None:
    """Commit offsets and progress in a transaction of their own, before the rows and outputs."""
    del runtime
    commit = TransactionalWriter.commit

    def torn(
        self: TransactionalWriter,
        records: Iterable[OutgoingRecord],
        offsets: Mapping[TopicPartition, int],
        group_id: str,
        last: Last,
        rows: OutgoingRows | None = None,
    ) -> Coroutine[Any, Any, Committed]:
        taken = tuple(records)

        async def both() -> Committed:
            await commit(self, (), offsets, group_id, last)
            await asyncio.sleep(TORN_SECONDS)
            return await commit(self, taken, {}, group_id, rows=rows)

        return both()

    TransactionalWriter.commit = torn  # type: ignore[assignment,method-assign]


def rows_serialised_late(runtime: Runtime) -> None:
    """Encode the rows after the first await of the commit, while the fold goes on."""
    commit, begin = TransactionalWriter.commit, Copartition.__init__
    owners: dict[TransactionalWriter, Copartition[Any]] = {}

    def noted(self: Copartition[Any], *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        owners[self._writer] = self

    def late(
        self: TransactionalWriter,
        records: Iterable[OutgoingRecord],
        offsets: Mapping[TopicPartition, int],
        group_id: str,
        last: Last,
        rows: OutgoingRows | None = None,
    ) -> Coroutine[Any, Any, Committed]:
        taken = tuple(records)
        owner = owners[self]

        async def encoded_now() -> Committed:
            await asyncio.sleep(LATE_SECONDS)
            newer = [
                OutgoingRecord(runtime.changelog, owner.partition, key, value)
                for key, value in owner.table.take_changes()
            ]
            return await commit(self, itertools.chain(taken, newer), offsets, group_id, last, rows)

        return encoded_now()

    Copartition.__init__ = noted  # type: ignore[method-assign]
    TransactionalWriter.commit = late  # type: ignore[assignment,method-assign]


def no_fencing(runtime: Runtime) -> None:
    """Give each process transactional ids of its own, so that nobody ends a zombie's commits."""
    mine = uuid.uuid4().hex[:8]

    def new_writer(partition: int) -> TransactionalWriter:
        name = runtime.kafka.transactional_id(runtime.service, partition)
        return TransactionalWriter(runtime.kafka, f"{name}-{mine}", runtime.on_step)

    runtime.new_writer = new_writer  # type: ignore[method-assign]


CONTROLS: Mapping[str, Callable[[Runtime], None]] = {
    "offsets-first": offsets_first,
    "rows-serialised-late": rows_serialised_late,
    "no-fencing": no_fencing,
}


def apply(runtime: Runtime) -> None:
    """Apply the control that the environment names, if any."""
    if name := os.environ.get(VARIABLE):
        CONTROLS[name](runtime)
