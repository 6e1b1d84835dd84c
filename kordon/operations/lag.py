"""How far each service is behind in each co-partition, and whether that is too far. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.progress import IssuerProgress, StreamsProgress

WORKER: Final = "worker"
ISSUER: Final = "issuer"
LEDGER: Final = "ledger"


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond these, in ms, the issuer denies: the age of a progress record either way, and the worker's lag."""

    age_millis: int
    lag_millis: int


@dataclass(frozen=True, slots=True)
class TopicLag:
    """A source topic's partition: the next offset to read, the high watermark, both None where they are not known."""

    position: int | None
    high: int | None

    @property
    def behind(self) -> int:
        """Offsets yet to be read, markers of transactions among them."""
        return 0 if self.position is None or self.high is None else max(0, self.high - self.position)


@dataclass(frozen=True, slots=True)
class CopartitionLag:
    """A service in one co-partition. Topics without prefix.

    ``at`` is the last progress record's by its writer's clock, None without one (the ledger has none); ``age_millis``
    how old that is by ours; ``lag_millis`` the age of the oldest record that is not yet dealt with, None if unknown;
    ``stale`` says why this is too far behind, None if it is not.
    """

    service: str
    partition: int
    at: int | None
    age_millis: int | None
    lag_millis: int | None
    topics: Mapping[str, TopicLag]
    stale: str | None

    @property
    def behind(self) -> int:
        """Offsets yet to be read over all topics."""
        return sum(topic.behind for topic in self.topics.values())


def progress_lag(
    service: str,
    partition: int,
    progress: StreamsProgress | IssuerProgress | None,
    high: Mapping[str, int],
    oldest_unread: Mapping[str, int],
    now: int,
    limits: Limits,
) -> CopartitionLag:
    """Judge a co-partition by its last progress record.

    ``high`` are the high watermarks of its source topics, ``oldest_unread`` the timestamps of the first record that is
    not dealt with, for the topics that have one. The worker says its lag itself.
    """
    if progress is None:
        return CopartitionLag(service, partition, None, None, None, {}, "there is no progress record")
    age = now - progress.at
    if isinstance(progress, StreamsProgress):
        lag = progress.lagMillis
    else:
        lag = max((now - timestamp for timestamp in oldest_unread.values()), default=0)
    topics = {topic: TopicLag(position, high.get(topic)) for topic, position in progress.offsets.items()}
    return CopartitionLag(service, partition, progress.at, age, max(0, lag), topics, _stale(age, max(0, lag), limits))


def ledger_lag(
    partition: int,
    positions: Mapping[str, int],
    high: Mapping[str, int],
    oldest_unread: Mapping[str, int],
    now: int,
    limits: Limits,
) -> CopartitionLag:
    """Judge the ledger in a co-partition, by the age of the oldest record that is not in it; else as above."""
    lag = max(0, max((now - timestamp for timestamp in oldest_unread.values()), default=0))
    topics = {topic: TopicLag(position, high.get(topic)) for topic, position in positions.items()}
    return CopartitionLag(LEDGER, partition, None, None, lag, topics, _stale(None, lag, limits))


def _stale(age: int | None, lag: int, limits: Limits) -> str | None:
    if age is not None and age > limits.age_millis:
        return f"its last progress is {seconds(age)} old, more than {seconds(limits.age_millis)}"
    if age is not None and age < -limits.age_millis:
        return f"its last progress is {seconds(-age)} ahead of our clock"
    if lag > limits.lag_millis:
        return f"it lags by {seconds(lag)}, more than {seconds(limits.lag_millis)}"
    return None


def seconds(millis: int) -> str:
    """Return a span for people."""
    if abs(millis) < 10_000:  # noqa: PLR2004 - tenths are of use below ten seconds
        return f"{millis / 1000:.1f} s"
    if abs(millis) < 600_000:  # noqa: PLR2004 - as above, minutes from ten on
        return f"{millis // 1000} s"
    return f"{millis // 60_000} min" if abs(millis) < 36_000_000 else f"{millis // 3_600_000} h"  # noqa: PLR2004
