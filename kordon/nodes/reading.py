"""Partitions read from the first record kept to the high watermark, with progress for who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from kordon.failures import CommandFailed, ExitStatus
from transport.partitioner import partition_of
from transport.views import OnBatch, read_to_high_watermark
from transport.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from transport.settings import KafkaSettings

READ_SECONDS: Final = 30.0
"""How long a read may take, and a second more for every so many offsets:"""
SLOWEST_OFFSETS_A_SECOND: Final = 5_000

OFFSETS_AT_ONCE: Final = 200_000
"""Co-partitions are read together as long as no more lies in them: a small fleet needs one connection alone, and of a
large one no more is in memory."""


class KeptRecord(NamedTuple):
    """A record without what nobody asks for; ``topic`` is the full name, ``timestamp`` in ms since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]

    @classmethod
    def of(cls, record: ConsumerRecord) -> KeptRecord:
        """Return what is kept of a consumer's record."""
        return cls(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(record.headers),
        )


class Bounds(NamedTuple):
    """Of some partitions the first offset that is kept, and the high watermark; ``partitions`` a topic has."""

    partitions: int
    low: Mapping[TopicPartition, int]
    high: Mapping[TopicPartition, int]

    def offsets(self, places: Collection[TopicPartition]) -> int:
        """Return how many offsets lie between the two, over some of the partitions."""
        return sum(self.high[place] - self.low[place] for place in places)


async def bounds_of(settings: KafkaSettings, topics: Sequence[str], node_id: str | None = None) -> Bounds:
    """Return the bounds of topics (without prefix): of all partitions, or of the one where ``node_id`` belongs.

    Raises:
        UnknownTopicOrPartitionError: one of them does not exist.
        CommandFailed: their partition counts differ, so nobody knows where a node's records are.
        KafkaError: the broker cannot be reached.
    """
    names = [settings.topic(topic) for topic in topics]
    async with Watermarks(settings) as watermarks:
        counts = {name: await watermarks.partition_count(name) for name in names}
        for name, count in counts.items():
            if count == 0:
                raise UnknownTopicOrPartitionError(name)
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise CommandFailed(
                ExitStatus.REFUSED,
                f"the topics' partition counts differ: {listed}",
                "A node's records lie in one partition number of all of them; see `kordon topics apply`.",
            )
        partitions = counts[names[0]]
        numbers = range(partitions) if node_id is None else [partition_of(node_id.encode(), partitions)]
        places = [TopicPartition(name, number) for name in names for number in numbers]
        return Bounds(partitions, await watermarks.low(places), await watermarks.high(places))


def groups_of(bounds: Bounds, topic: str | None = None) -> Iterator[list[TopicPartition]]:
    """Yield the partitions that are read together, co-partitions whole; of one ``topic`` (full name) if it is given."""
    group: list[TopicPartition] = []
    for number in sorted({place.partition for place in bounds.high}):
        copartition = [place for place in bounds.high if place.partition == number and topic in {None, place.topic}]
        if group and bounds.offsets([*group, *copartition]) > OFFSETS_AT_ONCE:
            yield group
            group = []
        group += copartition
    yield group


async def read(
    settings: KafkaSettings,
    places: Collection[TopicPartition],
    bounds: Bounds,
    on_batch: OnBatch,
    advance: Callable[[int], None],
    *,
    start: Mapping[TopicPartition, int] | None = None,
) -> None:
    """Read partitions from ``start``, where absent from the first record kept, to the high watermark of now.

    ``advance`` is told how many offsets are behind the read, of those within ``bounds``.

    Raises:
        NotCaughtUpError: the end was not reached in time.
        KafkaError: the broker refuses, or a ``start`` is no longer kept.
    """
    begins = dict(bounds.low) | dict(start or {})
    passed = {place: begins[place] for place in places}

    def told(place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        on_batch(place, records)
        reached = min(records[-1].offset + 1, bounds.high[place])
        if reached > passed[place]:
            advance(reached - passed[place])
            passed[place] = reached

    offsets = sum(max(0, bounds.high[place] - begins[place]) for place in places)
    await read_to_high_watermark(
        settings, places, told, start=start, timeout_seconds=READ_SECONDS + offsets / SLOWEST_OFFSETS_A_SECOND
    )
    for place in places:
        advance(max(0, bounds.high[place] - passed[place]))
