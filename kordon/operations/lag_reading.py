"""What :mod:`kordon.operations.lag` judges, asked of the broker and of the ledger's file."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from issuer.settings import IssuerSettings
from kordon.ledger.reading import status
from kordon.operations.lag import ISSUER, LEDGER, WORKER, CopartitionLag, Limits, ledger_lag, progress_lag
from schemas.codec import DecodeError, decode
from schemas.progress import IssuerProgress, StreamsProgress
from schemas.topics import ISSUER_PROGRESS, STREAMS_PROGRESS
from transport.settings import KafkaSettings
from transport.views import View, last_records
from transport.watermarks import Watermarks

SERVICES: Final = (WORKER, ISSUER, LEDGER)

_PROGRESS: Final[Mapping[str, tuple[str, type[StreamsProgress | IssuerProgress]]]] = {
    WORKER: (STREAMS_PROGRESS, StreamsProgress),
    ISSUER: (ISSUER_PROGRESS, IssuerProgress),
}
_READ_SECONDS: Final = 30.0

Progress = StreamsProgress | IssuerProgress
Place = tuple[str, int]
"""Service and co-partition."""
_Positions = Mapping[Place, Mapping[str, int]]


async def last_progress(settings: KafkaSettings, services: Iterable[str]) -> dict[Place, Progress | None]:
    """Return each co-partition's last progress record, by worker or issuer; None if there is none that can be read.

    Raises:
        UnknownTopicOrPartitionError: there is no such topic.
        NotCaughtUpError, KafkaError: it could not be read.
    """
    found: dict[Place, Progress | None] = {}
    for service in services:
        name, message = _PROGRESS[service]
        topic = settings.topic(name)
        async with Watermarks(settings) as watermarks:
            count = await watermarks.partition_count(topic)
        if not count:
            raise UnknownTopicOrPartitionError(topic)
        places = [TopicPartition(topic, number) for number in range(count)]
        records = await last_records(settings, places, timeout_seconds=_READ_SECONDS)
        found |= {(service, place.partition): _decoded(message, records.get(place), name) for place in places}
    return found


async def lags(
    settings: KafkaSettings, limits: Limits, services: Collection[str], ledger: Path | None
) -> list[CopartitionLag]:
    """Return how far each of ``services`` is, by service and co-partition; ``ledger`` is its file, None without one.

    Raises as :func:`last_progress`, and as :func:`kordon.ledger.reading.status`.
    """
    progress = await last_progress(settings, [service for service in (WORKER, ISSUER) if service in services])
    positions = {
        (service, partition): {} if each is None else dict(each.offsets)
        for (service, partition), each in progress.items()
    }
    if ledger is not None and LEDGER in services:
        for (topic, partition), offset in sorted(_positions_of(settings, ledger).items()):
            positions.setdefault((LEDGER, partition), {})[topic] = offset
    high = await _high(settings, positions)
    # The worker says its own lag, so nothing need be read for it.
    unread = {
        service: await oldest_unread(settings, _behind(settings, positions, high, service))
        for service in (ISSUER, LEDGER)
    }
    now = time.time_ns() // 1_000_000

    def oldest(service: str, partition: int) -> dict[str, int]:
        found = unread.get(service, {}).items()
        return {settings.without_prefix(place.topic): at for place, at in found if place.partition == partition}

    def ends(partition: int) -> dict[str, int]:
        return {topic: end for (topic, number), end in high.items() if number == partition}

    return [
        ledger_lag(partition, offsets, ends(partition), oldest(service, partition), now, limits)
        if service == LEDGER
        else progress_lag(
            service,
            partition,
            progress[service, partition],
            ends(partition),
            oldest(service, partition),
            now,
            limits,
        )
        for (service, partition), offsets in positions.items()
    ]


async def oldest_unread(
    settings: KafkaSettings, positions: Mapping[TopicPartition, int]
) -> Mapping[TopicPartition, int]:
    """Return the timestamp of the first record at or after each position; absent where only markers follow.

    What retention has deleted counts as read. Raises as :func:`last_progress`.
    """
    if not positions:
        return {}
    async with Watermarks(settings) as watermarks:
        high, low = await watermarks.high(positions.keys()), await watermarks.low(positions.keys())
    start = {place: max(low[place], offset) for place, offset in positions.items()}
    found: dict[TopicPartition, int] = {}

    def on_batch(place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        found.setdefault(place, records[0].timestamp)

    async with View(settings, list(start), on_batch, start=start) as view:
        while wanted := {
            place: view.position(place) + 1
            for place in start
            if place not in found and view.position(place) < high[place]
        }:
            await view.caught_up_to(wanted, _READ_SECONDS)
    return found


def limits_of(settings: IssuerSettings) -> Limits:
    """Return the issuer's limits."""
    return Limits(settings.progress_age_ms, settings.lag_ms)


def _positions_of(settings: KafkaSettings, ledger: Path) -> Mapping[tuple[str, int], int]:
    """Return the ledger's positions, none if it is of another prefix."""
    found = status(ledger)
    return found.positions if found.about.get("prefix", settings.prefix) == settings.prefix else {}


async def _high(settings: KafkaSettings, positions: _Positions) -> dict[tuple[str, int], int]:
    """Return the high watermarks of every partition that a position is of; absent is what does not exist."""
    wanted = {
        TopicPartition(settings.topic(topic), partition)
        for (_, partition), offsets in positions.items()
        for topic in offsets
    }
    async with Watermarks(settings) as watermarks:
        counts = {topic: await watermarks.partition_count(topic) for topic in {place.topic for place in wanted}}
        there = [place for place in wanted if place.partition < counts[place.topic]]
        return {
            (settings.without_prefix(place.topic), place.partition): end
            for place, end in (await watermarks.high(there)).items()
        }


def _behind(
    settings: KafkaSettings, positions: _Positions, high: Mapping[tuple[str, int], int], service: str
) -> dict[TopicPartition, int]:
    return {
        TopicPartition(settings.topic(topic), partition): offset
        for (each, partition), offsets in positions.items()
        for topic, offset in offsets.items()
        if each == service and offset < high.get((topic, partition), 0)
    }


def _decoded(message: type[Progress], record: ConsumerRecord | None, topic: str) -> Progress | None:
    try:
        return None if record is None else decode(message, record.value, topic)
    except DecodeError:
        return None
