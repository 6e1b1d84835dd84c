"""The unit of work: what one poll read of one co-partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transport.lean_fetches import ParsedRecord

Record = ParsedRecord
"""What a batch holds; topic and partition are the batch's."""


@dataclass(frozen=True, slots=True)
class TopicRange:
    """What a batch holds of one topic: every visible record of the offsets [first, stop).

    ``records`` may be empty: the range then held only transaction markers or aborted records. ``topic`` is without
    prefix.
    """

    topic: str
    first: int
    stop: int
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Batch:
    """The ranges read of one co-partition in one poll, at most one a topic, in the given ``epoch``."""

    partition: int
    epoch: int
    ranges: tuple[TopicRange, ...]
