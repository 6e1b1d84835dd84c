from __future__ import annotations

import asyncio

import pytest
from aiokafka import TopicPartition

from schemas.codec import decode
from schemas.progress import StreamsProgress
from streams.runtime.batches import Batch, TopicRange
from streams.runtime.copartition import Copartition
from streams.runtime.errors import BrokenChainError, BrokenFoldError
from streams.runtime.intervals import CommitIntervals
from tests.unit.streams.records import Counted, Found, KeepingWriter, new_copartition
from transport.outgoing import OutgoingRecord

LAGGING = 10_000
"""A time at which a co-partition that is new at 0 lags behind."""

ONE = OutgoingRecord("out", 0, b"k", b"v")


def batch(*ranges: TopicRange) -> Batch:
    return Batch(3, 1, ranges)


def read(topic: str, first: int, stop: int, *offsets: int) -> TopicRange:
    return TopicRange(topic, first, stop, [Found(offset) for offset in offsets])


def count(copartition: Copartition[Counted], found: Batch) -> None:
    for one in found.ranges:
        for record in one.records:
            assert record.key is not None
            copartition.table.add(record.key)


def progress_of(writer: KeepingWriter, number: int = -1) -> StreamsProgress:
    (record,) = writer.commits[number][2]
    assert (record.topic, record.partition, record.key) == ("progress", 3, None)
    return decode(StreamsProgress, record.value, "progress")


async def test_batches_that_join_are_folded_and_holes_in_the_log_are_none_in_the_chain() -> None:
    copartition = new_copartition(KeepingWriter())
    copartition.fold(batch(read("a", 0, 5, 0, 3)), count)
    copartition.fold(batch(read("a", 5, 6), read("b", 0, 9, 8)), count)
    copartition.fold(batch(read("a", 6, 7, 6)), count)
    assert copartition.positions == {"a": 7, "b": 9}
    assert copartition.table.rows == {b"key": 4}


@pytest.mark.parametrize(
    "found",
    [
        read("a", 6, 7, 6),  # a batch was lost
        read("a", 0, 5, 0),  # it came twice
        read("a", 4, 7, 4),  # it reaches back
        read("a", 5, 4),  # it ends before it begins
        read("a", 5, 9, 4, 8),  # a record at or below the checkpoint
        read("a", 5, 9, 5, 9),  # a record beyond the end
    ],
)
async def test_a_batch_that_does_not_join_the_last_one_breaks_the_copartition(found: TopicRange) -> None:
    writer = KeepingWriter()
    copartition = new_copartition(writer, a=5)
    copartition.outputs.append(ONE)
    with pytest.raises(BrokenChainError, match=r"a \[3\]"):
        copartition.fold(batch(found), count)
    with pytest.raises(BrokenFoldError):
        await copartition.commit_pending()
    assert not writer.commits


async def test_a_half_folded_batch_is_never_committed() -> None:
    def fail(copartition: Copartition[Counted], found: Batch) -> None:
        count(copartition, found)
        copartition.outputs.append(ONE)
        raise ZeroDivisionError

    writer = KeepingWriter()
    copartition = new_copartition(writer)
    with pytest.raises(BrokenFoldError, match="ZeroDivisionError"):
        copartition.fold(batch(read("a", 0, 1, 0)), fail)
    with pytest.raises(BrokenFoldError):
        await copartition.commit_pending()
    with pytest.raises(BrokenFoldError):
        copartition.fold(batch(read("a", 0, 1, 0)), count)
    assert not writer.commits


async def test_a_commit_holds_rows_outputs_moved_offsets_and_the_order_of_batches() -> None:
    writer = KeepingWriter()
    copartition = new_copartition(writer, b=4)
    copartition.fold(batch(read("a", 0, 2, 0, 1), read("b", 4, 6)), count)
    copartition.fold(batch(read("a", 2, 3, 2)), count)
    copartition.outputs.append(ONE)
    await copartition.commit_pending()
    records, offsets, _ = writer.commits[0]
    assert records == [OutgoingRecord("rows", 3, b"key", b"3"), ONE]
    assert offsets == {TopicPartition("prefix.a", 3): 3, TopicPartition("prefix.b", 3): 6}
    progress = progress_of(writer)
    assert progress.offsets == {"a": 3, "b": 6}
    assert progress.batches == ({"a": (0, 2)}, {"a": (2, 3)})
    assert (progress.riskEnd, progress.partitionCount, progress.policyVersion) == (11, 8, 7)


async def test_what_is_folded_while_a_commit_is_on_its_way_belongs_wholly_to_the_next() -> None:
    writer = KeepingWriter()
    copartition = new_copartition(writer)

    async def fold_meanwhile() -> None:
        copartition.fold(batch(read("a", 1, 2, 1)), count)
        copartition.outputs.append(ONE)

    copartition.fold(batch(read("a", 0, 1, 0)), count)
    writer.waits_for = fold_meanwhile()
    await copartition.commit_pending()
    await copartition.commit_pending()
    (first, first_offsets, _), (second, second_offsets, _) = writer.commits
    assert first == [OutgoingRecord("rows", 3, b"key", b"1")]
    assert first_offsets == {TopicPartition("prefix.a", 3): 1}
    assert progress_of(writer, 0).batches == ({"a": (0, 1)},)
    assert second == [OutgoingRecord("rows", 3, b"key", b"2"), ONE]
    assert second_offsets == {TopicPartition("prefix.a", 3): 2}
    assert progress_of(writer, 1).batches == ({"a": (1, 2)},)


async def test_nothing_is_committed_without_news_but_progress_at_its_interval() -> None:
    writer = KeepingWriter()
    copartition = new_copartition(writer)
    await copartition.commit_pending()
    assert not writer.commits
    copartition.start(CommitIntervals(0.001, 0.001, 0.001, 0.0))
    while len(writer.commits) < 2:  # noqa: ASYNC110 - the interval is what is tested
        await asyncio.sleep(0)
    await copartition.close()
    records, offsets, _ = writer.commits[-1]
    assert (records, offsets) == ([], {})
    assert progress_of(writer).riskEnd == 5
    assert writer.closed


async def test_while_it_lags_behind_news_waits_for_the_longer_interval_and_no_longer_than_the_lag() -> None:
    now, writer = LAGGING, KeepingWriter()
    copartition = new_copartition(writer, lambda: now)
    copartition.start(CommitIntervals(0.0, 0.0, 3_600.0, 3_600.0))
    copartition.fold(batch(read("a", 0, 1, 0)), count)
    await copartition.commit_pending()
    copartition.fold(batch(read("a", 1, 2, 1)), count)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(writer.commits) == 1
    now = 0
    while len(writer.commits) < 2:  # noqa: ASYNC110 - the interval is what is tested
        await asyncio.sleep(0)
    await copartition.close()


async def test_the_longer_interval_does_not_keep_a_fold_that_waits_for_room() -> None:
    writer = KeepingWriter()
    copartition = new_copartition(writer, lambda: LAGGING)
    copartition.start(CommitIntervals(0.0, 0.0, 3_600.0, 3_600.0))
    copartition.fold(batch(read("a", 0, 1, 0)), count)
    await copartition.commit_pending()
    copartition.fold(batch(read("a", 1, 4, 1, 2, 3)), count)
    await copartition.room(2)
    assert len(writer.commits) == 2
    await copartition.close()


async def test_what_somebody_waits_for_makes_the_one_commit_that_takes_it_begin_sooner() -> None:
    writer = KeepingWriter()
    copartition = new_copartition(writer)
    copartition.start(CommitIntervals(3_600.0, 0.0, 3_600.0, 3_600.0))
    for number in range(2):
        copartition.fold(batch(read("a", number, number + 1, number)), count)
        await asyncio.sleep(0.01)
        assert len(writer.commits) == number
        copartition.hasten()
        while len(writer.commits) == number:  # noqa: ASYNC110 - the interval is what is tested
            await asyncio.sleep(0)
    await copartition.close()


async def test_a_suspended_copartition_commits_only_what_is_asked_for() -> None:
    writer = KeepingWriter()
    copartition = new_copartition(writer)
    copartition.suspend()
    copartition.start(CommitIntervals(0.0, 0.0, 0.0, 0.0))
    copartition.fold(batch(read("a", 0, 1, 0)), count)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not writer.commits
    await copartition.commit_pending()
    assert len(writer.commits) == 1
    copartition.resume()
    while len(writer.commits) < 2:  # noqa: ASYNC110 - the interval is what is tested
        await asyncio.sleep(0)
    await copartition.close()


async def test_a_failed_commit_ends_the_commits_with_its_error() -> None:
    writer = KeepingWriter()
    writer.error = ConnectionError("gone")
    copartition = new_copartition(writer)
    with pytest.raises(ConnectionError, match="gone"):
        await copartition.start(CommitIntervals(0.0, 0.0, 0.0, 0.0))


async def test_folding_waits_while_too_much_is_uncommitted() -> None:
    copartition = new_copartition(KeepingWriter())
    copartition.fold(batch(read("a", 0, 3, 0, 1, 2)), count)
    await copartition.room(3)
    waiting = asyncio.ensure_future(copartition.room(2))
    await asyncio.sleep(0)
    assert not waiting.done()
    await copartition.commit_pending()
    await waiting
