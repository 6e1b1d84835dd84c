"""Registry, risk and bindings of a whole fleet, read share by share of its co-partitions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from kordon.nodes.listing import Share
from kordon.nodes.reading import Bounds, KeptRecord, bounds_of, groups_of, read
from kordon.progress import progress_on_stderr
from schemas.topics import BINDINGS, REGISTRY, RISK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiokafka import ConsumerRecord, TopicPartition

    from transport.settings import KafkaSettings

TOPICS: Final = (REGISTRY, RISK, BINDINGS)


async def shares_of(settings: KafkaSettings, bounds: Bounds) -> AsyncIterator[Share]:
    """Yield the whole fleet, share by share, each node in one of them; progress goes to stderr.

    ``bounds`` are of :data:`TOPICS`. Raises as :func:`kordon.nodes.reading.read`.
    """
    with progress_on_stderr("reading nodes", bounds.offsets(bounds.high)) as advance:
        for places in groups_of(bounds):
            reading = _ShareReading(settings)
            await read(settings, places, bounds, reading, advance)
            yield Share(reading.registry, reading.rows, frozenset(reading.bound))


class _ShareReading:
    """Keeps of a share's records what a list is made of."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.registry: dict[bytes, list[KeptRecord]] = defaultdict(list)
        self.rows: dict[bytes, bytes] = {}
        self.bound: set[bytes] = set()
        self._registry_topic, self._risk_topic, _ = map(settings.topic, TOPICS)

    def __call__(self, place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        if place.topic == self._registry_topic:
            for record in records:
                self.registry[record.key or b""].append(KeptRecord.of(record))
        elif place.topic == self._risk_topic:
            for record in records:
                if record.value is None:
                    self.rows.pop(record.key, None)
                else:
                    self.rows[record.key or b""] = record.value
        else:
            for record in records:
                (self.bound.discard if record.value is None else self.bound.add)(record.key or b"")


async def bounds_of_fleet(settings: KafkaSettings) -> Bounds:
    """Return the bounds of :data:`TOPICS`; raises as :func:`kordon.nodes.reading.bounds_of`."""
    return await bounds_of(settings, TOPICS)
