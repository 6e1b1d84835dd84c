"""The issuer's decisions, read from the end: the newest are asked for, and 90 days of them are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kordon.nodes.decisions import Decided, NewestDecisions, WantedDecisions, newest
from kordon.nodes.reading import bounds_of, read
from kordon.progress import progress_on_stderr
from schemas.topics import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord, TopicPartition

    from transport.settings import KafkaSettings

FIRST_LOOK: Final = 4_096
"""Offsets before the end that are read first; as long as too little is found, eight times as many."""


async def read_newest(settings: KafkaSettings, wanted: WantedDecisions, limit: int | None) -> list[Decided]:
    """Return the newest wanted decisions, at most ``limit``; with None all that are kept.

    Of a partition no more is read than its own newest ``limit`` take. Raises as
    :func:`kordon.nodes.reading.bounds_of` and :func:`kordon.nodes.reading.read`.
    """
    bounds = await bounds_of(settings, (DECISIONS,), wanted.node_id)
    found: dict[TopicPartition, NewestDecisions] = {place: NewestDecisions(wanted, limit) for place in bounds.high}

    def on_batch(place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            found[place].read(record)

    distance = max(bounds.offsets([place]) for place in bounds.high) if limit is None else FIRST_LOOK
    left = list(bounds.high)
    while left:
        # Where retention may delete meanwhile the read begins without a start: at whatever is kept.
        start = {
            place: bounds.high[place] - distance for place in left if bounds.high[place] - distance > bounds.low[place]
        }
        for place in left:
            found[place] = NewestDecisions(wanted, limit)
        total = sum(bounds.high[place] - start.get(place, bounds.low[place]) for place in left)
        with progress_on_stderr("reading decisions", total) as advance:
            await read(settings, left, bounds, on_batch, advance, start=start)
        left = [place for place in start if limit is not None and len(found[place].found) < limit]
        distance *= 8
    return newest(found.values(), limit)
