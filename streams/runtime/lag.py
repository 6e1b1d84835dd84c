"""How old the oldest unfolded record of a co-partition is, at most.

The broker says with each fetch how far a partition reached at that time. Once the fold has come that far, everything
unfolded was written later. So the lag is at most the time since the latest such moment, or since the timestamp of the
last folded record if that is later. Nobody has to look at unread records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SETTLED_MILLIS = 2_000
"""A partition that was read to its end less than this ago counts as without lag: an idle one is asked about twice a
second."""

ReadMark = Callable[[str], tuple[int, int] | None]
"""For a source topic: (wall clock in ms of the last fetch response, the high watermark it named)."""


@dataclass(slots=True)
class _Reach:
    """Of one topic: since when nothing older is unfolded, and the mark that the fold has yet to reach."""

    since: int
    pending: tuple[int, int] | None = None


class Lag:
    """The lag of one co-partition, per source topic. Times are in ms since 1970.

    ``since`` is when everything written before had been folded: the previous owner's last word, 0 if nothing is known.
    """

    def __init__(
        self,
        topics: tuple[str, ...],
        since: int,
        read_mark: ReadMark,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._reaches = {topic: _Reach(since) for topic in topics}
        self._read_mark = read_mark
        self._now = now

    def folded(self, topic: str, timestamp: int) -> None:
        """Note the timestamp of the last record folded of a topic; one in the future counts for nothing."""
        reach = self._reaches[topic]
        if reach.since < timestamp <= self._now():
            reach.since = timestamp

    def millis(self, positions: Mapping[str, int]) -> int:
        """Return the lag in ms, at least 0, of a fold that stands at ``positions``."""
        now = self._now()
        return max(self._millis(topic, reach, positions[topic], now) for topic, reach in self._reaches.items())

    def _millis(self, topic: str, reach: _Reach, position: int, now: int) -> int:
        if reach.pending is not None and position >= reach.pending[1]:
            reach.since = max(reach.since, reach.pending[0])
            reach.pending = None
        mark = self._read_mark(topic)
        if mark is not None:
            if position >= mark[1]:
                reach.since = max(reach.since, mark[0])
                reach.pending = None
            elif reach.pending is None:
                reach.pending = mark
        lag = now - reach.since
        return 0 if lag < SETTLED_MILLIS else lag
