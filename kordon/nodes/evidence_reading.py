"""The very records that raised signals, read back by a seek to where they lie."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from kordon.nodes.reading import KeptRecord
from transport.views import View, ViewFailedError
from transport.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiokafka import ConsumerRecord

    from schemas.risk import Evidence
    from transport.settings import KafkaSettings

SEEK_SECONDS: Final = 30.0


class EvidenceState(StrEnum):
    """What has become of a record."""

    KEPT = "kept"
    DELETED = "deleted"
    """It lies before the first record that is kept: its topic's retention has passed, or somebody deleted it."""
    MISSING = "missing"
    """Nothing committed lies there. The topic was created anew, or its broker lost it."""


class FoundEvidence(NamedTuple):
    """A record that was looked for; ``first_kept`` is the first offset that its partition still has."""

    state: EvidenceState
    first_kept: int
    record: KeptRecord | None


async def read_evidence(settings: KafkaSettings, wanted: Collection[Evidence]) -> dict[Evidence, FoundEvidence]:
    """Return what lies at each place.

    Raises:
        NotCaughtUpError: a place could not be read in time.
        KafkaError: the broker cannot be reached.
    """
    places = {evidence: TopicPartition(settings.topic(evidence.topic), evidence.partition) for evidence in wanted}
    if not places:
        return {}
    async with Watermarks(settings) as watermarks:
        counts = {place.topic: await watermarks.partition_count(place.topic) for place in places.values()}
        existing = {place for place in places.values() if place.partition < counts[place.topic]}
        low = await watermarks.low(existing) if existing else {}
        high = await watermarks.high(existing) if existing else {}
    found = {}
    for evidence, place in places.items():
        first = low.get(place, 0)
        if evidence.offset < first:
            found[evidence] = FoundEvidence(EvidenceState.DELETED, first, None)
        elif evidence.offset >= high.get(place, 0):
            found[evidence] = FoundEvidence(EvidenceState.MISSING, first, None)
        else:
            found[evidence] = await _read_one(settings, place, evidence.offset, first)
    return found


async def _read_one(settings: KafkaSettings, place: TopicPartition, offset: int, first_kept: int) -> FoundEvidence:
    found: KeptRecord | None = None

    def take(_: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        nonlocal found
        if found is None and records[0].offset == offset:
            found = KeptRecord.of(records[0])

    try:
        async with View(settings, [place], take, start={place: offset}) as view:
            await view.caught_up(place, offset + 1, SEEK_SECONDS)
    except ViewFailedError as error:
        if isinstance(error.__cause__, OffsetOutOfRangeError):
            # Retention was there between the question and the seek.
            return FoundEvidence(EvidenceState.DELETED, offset + 1, None)
        raise
    return FoundEvidence(EvidenceState.MISSING if found is None else EvidenceState.KEPT, first_kept, found)
