"""One node's records in the order in which the worker folded them, by the ``batches`` of its progress records.

Within a batch the topics are merged by their heads (:mod:`policy.order`), so where a node's record came depends on
those of other nodes before it: a record waits behind an earlier one of its topic with a later timestamp. Nobody can
keep a co-partition's whole log for that. But a merge by heads is the order of *the highest timestamp so far in the
topic's range*, then of the topics, then of the offsets: what lies below a peak comes right after the peak. So of each
of the node's records it is enough to know the peaks before it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from policy.order import FOLD_ORDER
from schemas.topics import repartition_of, source_of
from transport.repartition import ForwardedRecordError, read_forwarded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.progress import Batch, StreamsProgress
    from transport.incoming import IncomingRecord

Peaks = tuple[tuple[int, int], ...]
"""Offsets, ascending, with timestamps, descending: after each there is none higher up to where they were asked for."""


class NodeRecord(NamedTuple):
    """A record of the node. ``offset`` is on the topic read; all after it are where it was first written.

    ``topic`` has no prefix; ``timestamp`` is the original one, in ms since the epoch.
    """

    offset: int
    peaks: Peaks
    topic: str
    origin_partition: int
    origin_offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Lane:
    """One source topic of the fold in the node's partition; takes every record in offset order, keeps the node's."""

    def __init__(self, topic: str, key: bytes) -> None:
        self.records: list[NodeRecord] = []
        self._topic = source_of(topic)
        self._is_repartition = topic == repartition_of(self._topic)
        self._key = key
        self._peaks: list[tuple[int, int]] = []

    def read(self, record: IncomingRecord) -> None:
        """Take in the topic's next record. A forwarded one counts by its original; an illegible one is no record."""
        origin = record
        if self._is_repartition:
            try:
                origin = read_forwarded(record)
            except ForwardedRecordError:
                return
        peaks = self._peaks
        while peaks and peaks[-1][1] <= origin.timestamp:
            peaks.pop()
        peaks.append((record.offset, origin.timestamp))
        if record.key == self._key:
            self.records.append(
                NodeRecord(
                    record.offset,
                    tuple(peaks),
                    self._topic,
                    origin.partition,
                    origin.offset,
                    origin.timestamp,
                    record.key,
                    record.value,
                )
            )


class RecordedOrder:
    """Takes progress records in their order and puts the lanes' records, by topic, into that of the fold.

    ``ordered`` are those that a recorded batch has; ``policy_versions`` those that folded them; ``risk_end`` the risk
    topic's next offset after the last progress record, None before the first.
    """

    def __init__(self, lanes: Mapping[str, Sequence[NodeRecord]]) -> None:
        self.ordered: list[NodeRecord] = []
        self.policy_versions: set[int] = set()
        self.risk_end: int | None = None
        self._lanes = lanes
        self._offsets = {topic: [record.offset for record in records] for topic, records in lanes.items()}
        self._begin: dict[str, int] = {}
        self._end: dict[str, int] = {}

    def read(self, progress: StreamsProgress) -> None:
        """Take in the next progress record of the node's co-partition."""
        for batch in progress.batches:
            before = len(self.ordered)
            self._order(batch)
            if len(self.ordered) > before:
                self.policy_versions.add(progress.policyVersion)
        self.risk_end = progress.riskEnd

    @property
    def before(self) -> int:
        """How many of the node's records are kept that were folded in batches of which no record is kept."""
        return sum(bisect_left(offsets, self._begin.get(topic, 0)) for topic, offsets in self._offsets.items())

    @property
    def after(self) -> int:
        """How many of the node's records no batch has yet."""
        return sum(
            len(offsets) - bisect_left(offsets, self._end.get(topic, 0)) for topic, offsets in self._offsets.items()
        )

    def _order(self, batch: Batch) -> None:
        found: list[tuple[int, int, NodeRecord]] = []
        for topic, (first, stop) in batch.items():
            self._begin.setdefault(topic, first)
            self._end[topic] = stop
            offsets = self._offsets.get(topic)
            if offsets:
                lane = FOLD_ORDER.index(topic)
                records = self._lanes[topic][bisect_left(offsets, first) : bisect_left(offsets, stop)]
                found += [(highest_since(record.peaks, first), lane, record) for record in records]
        # Stable: each lane's records were added in the order of their offsets.
        found.sort(key=lambda each: each[:2])
        self.ordered += [record for *_, record in found]


def highest_since(peaks: Peaks, first: int) -> int:
    """Return the highest timestamp from offset ``first`` on, at or below the record whose peaks these are."""
    return next(timestamp for offset, timestamp in peaks if offset >= first)
