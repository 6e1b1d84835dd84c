"""What the topics still hold of one node's co-partition, read so that rows and the order of folding fit together.

1. Note where the progress topic ends. What it says up to there was folded from records that are on the topics by now.
2. Read the source topics, and the dead letters of commands, to their ends.
3. Read the progress records up to where they ended in step 1.
4. Read the row as of the last of them: the last one below its ``riskEnd``, written in the same transaction. A later one
   must lie below the ``riskEnd`` of a later progress record, or the worker did not write it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kordon.nodes.reading import READ_SECONDS, Bounds, bounds_of, read
from kordon.nodes.recorded_order import Lane, RecordedOrder
from kordon.progress import progress_on_stderr
from policy.order import FOLD_ORDER
from schemas.codec import decode
from schemas.progress import StreamsProgress
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, RISK, STREAMS_PROGRESS, dlq_of
from transport.dead_letters import cause_of
from transport.views import last_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import ConsumerRecord, TopicPartition

    from transport.settings import KafkaSettings

_LETTERS = dlq_of(COMMANDS)
TOPICS = (*FOLD_ORDER, _LETTERS)


class Kept(NamedTuple):
    """How far back a topic's partition reaches: the first offset kept (0: nothing was deleted) and its timestamp."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    since: Timestamp | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing was ever deleted from it."""
        return self.first_offset == 0


class NodeLog(NamedTuple):
    """A node's records in the order of the fold, and the row (its bytes) as of the last recorded batch.

    ``unrecorded_row`` is the offset of a row that is beyond what any progress record covers; None without one.
    """

    kept: tuple[Kept, ...]
    order: RecordedOrder
    refused_commands: dict[int, str]
    row: bytes | None
    unrecorded_row: int | None


async def read_log(settings: KafkaSettings, node_id: str) -> NodeLog:
    """Read what the topics hold of a node.

    Raises:
        UnknownTopicOrPartitionError, CommandFailed, NotCaughtUpError, KafkaError: as :mod:`kordon.nodes.reading`.
        DecodeError: a progress record cannot be read.
    """
    of_worker = await bounds_of(settings, (STREAMS_PROGRESS, RISK), node_id)
    of_sources = await bounds_of(settings, TOPICS, node_id)
    reading = _Reading(settings, node_id)
    total = of_worker.offsets(of_worker.high) + of_sources.offsets(of_sources.high)
    with progress_on_stderr(f"reading the co-partition of {node_id}", total) as advance:
        await read(settings, list(of_sources.high), of_sources, reading.take_source, advance)
        order = await _order_of(settings, reading, of_worker, advance)
        row, later = await _row_of(settings, node_id, of_worker, order, advance)
        unrecorded = None if later is None or await _is_recorded(settings, of_worker, later) else later
    bounds = {**_kept_of(settings, of_sources, reading), **_kept_of(settings, of_worker, reading)}
    kept = tuple(bounds[topic] for topic in (*FOLD_ORDER, STREAMS_PROGRESS))
    return NodeLog(kept, order, reading.refused, row, unrecorded)


class _Reading:
    def __init__(self, settings: KafkaSettings, node_id: str) -> None:
        self.refused: dict[int, str] = {}
        self.since: dict[str, int] = {}
        self._settings = settings
        self._key = node_id.encode()
        self.lanes = {topic: Lane(topic, self._key) for topic in FOLD_ORDER}

    def note(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        """Note a topic's first record."""
        self.since.setdefault(topic, records[0].timestamp)

    def take_source(self, place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        topic = self._settings.without_prefix(place.topic)
        self.note(topic, records)
        if topic == _LETTERS:
            self._take_letters(records)
            return
        lane = self.lanes[topic]
        for record in records:
            lane.read(record)

    def _take_letters(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            cause = cause_of(record.headers) if record.key == self._key else None
            if cause is not None and (cause.topic, cause.partition) == (
                self._settings.topic(COMMANDS),
                record.partition,
            ):
                self.refused[cause.offset] = cause.exception


async def _order_of(
    settings: KafkaSettings, reading: _Reading, bounds: Bounds, advance: Callable[[int], None]
) -> RecordedOrder:
    order = RecordedOrder({topic: lane.records for topic, lane in reading.lanes.items()})
    place = _place_of(settings, bounds, STREAMS_PROGRESS)

    def take(_: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        reading.note(STREAMS_PROGRESS, records)
        for record in records:
            if record.offset < bounds.high[place]:
                order.read(decode(StreamsProgress, record.value, STREAMS_PROGRESS))

    await read(settings, [place], bounds, take, advance)
    return order


async def _row_of(
    settings: KafkaSettings, node_id: str, bounds: Bounds, order: RecordedOrder, advance: Callable[[int], None]
) -> tuple[bytes | None, int | None]:
    """Return the last row that the order covers, and the offset of the last one beyond it."""
    place = _place_of(settings, bounds, RISK)
    key, end = node_id.encode(), order.risk_end or 0
    row: bytes | None = None
    later: int | None = None

    def take(_: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        nonlocal row, later
        for record in records:
            if record.key == key and record.offset < end:
                row = record.value
            elif record.key == key:
                later = record.offset

    await read(settings, [place], bounds, take, advance)
    return row, later


async def _is_recorded(settings: KafkaSettings, bounds: Bounds, row: int) -> bool:
    """Whether the worker's progress of now covers a row's offset: its record is in the row's own transaction."""
    place = _place_of(settings, bounds, STREAMS_PROGRESS)
    last = await last_record(settings, place, timeout_seconds=READ_SECONDS)
    return last is not None and row < decode(StreamsProgress, last.value, STREAMS_PROGRESS).riskEnd


def _place_of(settings: KafkaSettings, bounds: Bounds, topic: str) -> TopicPartition:
    (place,) = (each for each in bounds.high if each.topic == settings.topic(topic))
    return place


def _kept_of(settings: KafkaSettings, bounds: Bounds, reading: _Reading) -> dict[str, Kept]:
    found = {}
    for place, low in bounds.low.items():
        topic = settings.without_prefix(place.topic)
        since = reading.since.get(topic)
        found[topic] = Kept(
            topic, place.partition, low, bounds.high[place], None if since is None or since < 0 else Timestamp(since)
        )
    return found
