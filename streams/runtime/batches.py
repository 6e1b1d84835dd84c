"""The unit of work: what one poll read of one co-partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Record(Protocol):
    """A record as aiokafka's parser makes it; topic and partition are its batch's.

    ``timestamp`` is in ms since 1970, -1 without one. ``headers`` are in the producer's order.
    """

    @property
    def offset(self) -> int: ...  # noqa: D102

    @property
    def timestamp(self) -> int: ...  # noqa: D102

    @property
    def key(self) -> bytes | None: ...  # noqa: D102

    @property
    def value(self) -> bytes | None: ...  # noqa: D102

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102


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
