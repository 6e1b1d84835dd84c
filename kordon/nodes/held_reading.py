"""The held nodes of a fleet, read from its risk rows and transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kordon.nodes.held import HeldNodes
from kordon.nodes.reading import bounds_of, groups_of, read
from kordon.progress import progress_on_stderr
from schemas.topics import QUARANTINE, RISK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import ConsumerRecord, TopicPartition

    from transport.incoming import IncomingRecord
    from transport.settings import KafkaSettings


async def read_held(settings: KafkaSettings) -> HeldNodes:
    """Return who is held now, rows first: of a quarantine's transition no row is older.

    Raises as :func:`kordon.nodes.reading.bounds_of` and :func:`kordon.nodes.reading.read`.
    """
    held = HeldNodes()
    bounds = await bounds_of(settings, (RISK, QUARANTINE))

    def each(take: Callable[[IncomingRecord], None]) -> Callable[[TopicPartition, Sequence[ConsumerRecord]], None]:
        def on_batch(_: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
            for record in records:
                take(record)

        return on_batch

    with progress_on_stderr("reading who is held", bounds.offsets(bounds.high)) as advance:
        for topic, take in ((RISK, held.read_row), (QUARANTINE, held.read_transition)):
            for places in groups_of(bounds, settings.topic(topic)):
                await read(settings, places, bounds, each(take), advance)
    return held
