"""A worker that was paused in its take-over, and overtaken, crashes and comes back: it never refuses for that."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Any

import msgspec
import pytest

from schemas.codec import encode
from schemas.progress import StreamsProgress
from schemas.topics import NETWORK, RISK, STREAMS_PROGRESS
from streams.composition import SOURCES, new_runtime
from streams.runtime.errors import OvertakenError
from streams.runtime.worker import EX_CRASH, status_of
from streams.settings import WorkerSettings
from tests.chaos.exits import WORKER_STEPS
from tests.workers.checkpoints import PARTITIONS, ROW, checkpoint, delete_before, take, write
from tests.workers.following import create_topics
from transport.outgoing import OutgoingRecord
from transport.settings import KafkaSettings


def overtaken_after(
    monkeypatch: pytest.MonkeyPatch, step: int, meanwhile: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Let the next take-over pause after one of its steps until ``meanwhile`` is done; nothing else of it changes."""
    module, name = WORKER_STEPS[step]
    ended = getattr(import_module(module), name)

    async def paused(*arguments: Any) -> Any:
        result = await ended(*arguments)
        await meanwhile()
        return result

    monkeypatch.setattr(f"{module}.{name}", paused)


async def succeed(kafka: KafkaSettings, rows: Sequence[OutgoingRecord], progress: StreamsProgress) -> None:
    """Do what a successor does: fence, and commit rows with their checkpoint."""
    writer = new_runtime(kafka, WorkerSettings()).new_writer(0)
    await writer.open()
    last = OutgoingRecord(kafka.topic(STREAMS_PROGRESS), 0, None, encode(progress))
    await writer.commit(rows, {}, kafka.group_id("streams"), lambda _: [last])
    await writer.close()


async def test_who_is_overtaken_before_its_successors_first_commit_crashes_and_does_not_refuse(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topics(kafka, PARTITIONS)
    row = OutgoingRecord(kafka.topic(RISK), 0, b"node-1", msgspec.json.encode(ROW))
    with monkeypatch.context() as patches:
        overtaken_after(patches, 3, lambda: succeed(kafka, [row], checkpoint(riskEnd=1)))
        with pytest.raises(OvertakenError, match="CheckpointMissingError") as crash:
            await take(kafka)
    assert status_of(crash.value) == EX_CRASH
    assert await take(kafka) == dict.fromkeys(SOURCES, 0)


@pytest.mark.apache_kafka_only
async def test_who_is_overtaken_while_records_are_folded_and_deleted_crashes_and_does_not_refuse(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_topics(kafka, PARTITIONS)
    for _ in range(3):
        await write(kafka, NETWORK, b"folded by the successor, then deleted")
    await write(kafka, STREAMS_PROGRESS, encode(checkpoint()), None)
    offsets = dict.fromkeys(SOURCES, 0) | {NETWORK: 3}

    async def fold_and_delete() -> None:
        await succeed(kafka, [], checkpoint(offsets=offsets))
        await delete_before(kafka, NETWORK, 2)

    with monkeypatch.context() as patches:
        overtaken_after(patches, 3, fold_and_delete)
        with pytest.raises(OvertakenError, match="2 offsets were deleted"):
            await take(kafka)
    assert await take(kafka) == offsets
