from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP

from streams.runtime import copartitions as module
from streams.runtime.batches import Batch, TopicRange
from streams.runtime.copartition import Copartition
from streams.runtime.copartitions import Copartitions, whole_copartitions
from streams.runtime.errors import BrokenChainError, NewerStateError, SplitCopartitionError, TakeOverFailedError
from tests.unit.streams.records import SOURCES, Counted, Found, KeepingWriter, new_copartition


def assigned(*partitions: int) -> set[TP]:
    return {TP(f"prefix.{topic}", partition) for topic in SOURCES for partition in partitions}


class Worker:
    """Copartitions with take-overs that need no broker."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.generation = 1
        self.taken: list[list[int]] = []
        self.writers: list[KeepingWriter] = []
        self.result: Any = None
        runtime = SimpleNamespace(
            source_names={f"prefix.{topic}": topic for topic in SOURCES},
            source=lambda topic: f"prefix.{topic}",
            worker=SimpleNamespace(
                uncommitted_records=10,
                commit_interval_ms=60_000,
                transition_interval_ms=60_000,
                catch_up_interval_ms=60_000,
                progress_interval_ms=60_000,
            ),
            kafka=None,
            topics=(),
            generation=lambda: self.generation,
            guard=lambda _: None,
            crashed=False,
        )
        self.runtime = runtime
        self.copartitions = Copartitions(runtime)  # type: ignore[arg-type]
        monkeypatch.setattr(module, "take_over", self._take_over)
        monkeypatch.setattr(module, "require_topics", self._require_topics)

    async def _require_topics(self, *_: object) -> int:
        return 8

    async def _take_over(self, _: object, partitions: list[int], __: int) -> dict[int, Copartition[Counted]]:
        if isinstance(self.result, BaseException):
            raise self.result
        self.taken.append(list(partitions))
        taken = {}
        for partition in partitions if self.result is None else self.result:
            self.writers.append(KeepingWriter())
            taken[partition] = new_copartition(self.writers[-1], a=partition)
        return taken

    async def rebalance(self, *partitions: int) -> None:
        self.generation += 1
        await self.copartitions.revoke()
        await self.copartitions.assign(assigned(*partitions))
        await self.copartitions.complete()


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(monkeypatch)


def add(copartition: Copartition[Any], batch: Batch) -> None:
    for found in batch.ranges:
        for record in found.records:
            copartition.table.add(record.key)


def batch(partition: int, epoch: int) -> Batch:
    return Batch(partition, epoch, (TopicRange("a", partition, partition + 1, [Found(partition)]),))


def test_whole_copartitions_are_told_by_their_number() -> None:
    assert whole_copartitions(assigned(2, 5), [f"prefix.{topic}" for topic in SOURCES]) == {2, 5}
    assert whole_copartitions([], ["prefix.a"]) == set()


def test_a_split_copartition_is_named() -> None:
    with pytest.raises(SplitCopartitionError, match=r"co-partition 5 .* prefix\.a but not prefix\.b"):
        whole_copartitions([*assigned(2), TP("prefix.a", 5)], ["prefix.a", "prefix.b"])


async def test_what_is_assigned_is_taken_and_what_was_kept_is_not_taken_again(worker: Worker) -> None:
    await worker.rebalance(1, 2)
    await worker.rebalance(2, 3)
    assert worker.taken == [[1, 2], [3]]
    assert [writer.closed for writer in worker.writers] == [True, False, False]
    assert {tp.partition for tp in worker.copartitions.positions()} == {2, 3}
    await worker.copartitions.shut_down()
    assert all(writer.closed for writer in worker.writers)


async def test_after_a_missed_generation_everything_is_taken_anew(worker: Worker) -> None:
    await worker.rebalance(1, 2)
    worker.generation += 1
    await worker.rebalance(1, 2)
    assert worker.taken == [[1, 2], [1, 2]]
    await worker.copartitions.shut_down()


async def test_only_batches_of_the_current_epoch_are_folded(worker: Worker) -> None:
    await worker.rebalance(1)
    copartitions = worker.copartitions
    copartitions.begin_epoch(4)
    await copartitions.fold(batch(1, 3), add)
    await copartitions.fold(batch(2, 4), add)
    assert copartitions.positions()[TP("prefix.a", 1)] == 1
    await copartitions.fold(batch(1, 4), add)
    assert copartitions.positions()[TP("prefix.a", 1)] == 2
    await copartitions.revoke()
    await copartitions.fold(Batch(1, 4, (TopicRange("a", 2, 3, [Found(2)]),)), add)
    assert copartitions.positions()[TP("prefix.a", 1)] == 2
    await copartitions.shut_down()


async def test_a_batch_of_an_epoch_that_was_never_begun_is_a_bug_and_not_dropped_in_silence(worker: Worker) -> None:
    await worker.rebalance(1)
    worker.copartitions.begin_epoch(4)
    with pytest.raises(BrokenChainError, match="epoch 5"):
        await worker.copartitions.fold(batch(1, 5), add)
    await worker.copartitions.shut_down()


async def test_what_was_folded_is_committed_when_it_is_revoked(worker: Worker) -> None:
    await worker.rebalance(1)
    worker.copartitions.begin_epoch(1)
    await worker.copartitions.fold(batch(1, 1), add)
    await worker.copartitions.revoke()
    assert len(worker.writers[0].commits) == 1
    await worker.copartitions.shut_down()


async def test_after_a_crash_nothing_is_committed_any_more(worker: Worker) -> None:
    await worker.rebalance(1)
    worker.copartitions.begin_epoch(1)
    await worker.copartitions.fold(batch(1, 1), add)
    worker.runtime.crashed = True
    await worker.copartitions.shut_down()
    assert not worker.writers[0].commits
    assert worker.writers[0].closed


@pytest.mark.parametrize("failure", [asyncio.CancelledError(), IllegalStateError("no longer assigned")])
async def test_a_failure_that_faust_would_take_for_a_new_rebalance_is_a_crash(
    worker: Worker, failure: BaseException
) -> None:
    worker.result = failure
    with pytest.raises(TakeOverFailedError):
        await worker.rebalance(1)
    await worker.copartitions.shut_down()


async def test_a_refused_take_over_is_told_and_one_that_ends_without_its_copartition_too(worker: Worker) -> None:
    worker.result = NewerStateError("newer")
    with pytest.raises(NewerStateError):
        await worker.rebalance(1)
    worker.result = [2]
    with pytest.raises(TakeOverFailedError, match=r"\[1\]"):
        await worker.rebalance(1, 2)
    await worker.copartitions.shut_down()
