"""What the worker does with each record: place it, check who signed it, let the policy judge it, collect what follows.

A batch is judged in the folding order (:mod:`policy.order`). A record ends in exactly one way:

- folded: its node's row changes, and perhaps a transition goes out;
- late: nothing changes, it is counted;
- misplaced: forwarded once to the right partition of its ``.repartition`` topic;
- rejected: a dead letter says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from policy.admission import Rejection
from policy.order import FOLD_ORDER, merged_indices
from policy.risk import Folded
from policy.steady import Advance
from schemas.codec import encode
from schemas.topics import COMMANDS, NETWORK, QUARANTINE, TELEMETRY, dlq_of, repartition_of, source_of
from streams.counts import Counts
from streams.risk_table import RiskTable
from streams.runtime.batches import Batch, Record, TopicRange
from streams.runtime.copartition import Copartition
from transport.dead_letters import dead_letter
from transport.incoming import IncomingRecord
from transport.outgoing import Headers, OutgoingRecord, RecordTooLargeError
from transport.partitioner import partition_of
from transport.repartition import ForwardedRecordError, forwarded, read_forwarded
from transport.settings import KafkaSettings

FORWARDED: Final = frozenset({TELEMETRY, NETWORK})
"""Source topics whose misplaced records are judged in their right partition; others' are rejected."""

_REPARTITION: Final = frozenset(repartition_of(topic) for topic in FORWARDED)
_NODE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")

CheckSignature = Callable[["Received"], "Refusal | None"]
"""Says why a command does not count, or ``None`` if it was signed by somebody who may order it."""


class Refusal(NamedTuple):
    """Why a record does not count: a name, and a text that quotes nothing of the record."""

    exception: str
    reason: str


class Received(NamedTuple):
    """A record with its place: where it was first written, if it was forwarded. ``topic`` is the full name."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class _Lane(NamedTuple):
    """What a batch holds of one source topic, and what is the same for all of it.

    ``source`` is the topic where its records were first written; ``advance`` folds those that say nothing new.
    """

    topic: str
    source: str
    advance: Advance
    records: Sequence[Record]


class Assessment:
    """Judges batches; one for the whole worker, as it keeps nothing of a batch."""

    def __init__(self, kafka: KafkaSettings, check_signature: CheckSignature, counts: Counts) -> None:
        self._kafka = kafka
        self._check_signature = check_signature
        self._counts = counts
        self._quarantine = kafka.topic(QUARANTINE)
        # A record of which only a .repartition topic is known: its letter names that, and lies with its source's.
        self._own_dead_letters = {kafka.topic(topic): kafka.topic(dlq_of(source_of(topic))) for topic in _REPARTITION}

    def __call__(self, copartition: Copartition[RiskTable], batch: Batch) -> None:
        """Fold a batch whole: rows into the co-partition's table, all else into its outputs."""
        lanes = [
            _Lane(
                found.topic,
                source_of(found.topic),
                copartition.table.fleet.steady(found.topic),
                self._readable(copartition, found),
            )
            for found in sorted(batch.ranges, key=_turn)
            if found.records
        ]
        if len(lanes) == 1:
            self._judge_all(copartition, repeat(lanes[0]), lanes[0].records)
            return
        owners = [lane for lane in lanes for _ in lane.records]
        records = [record for lane in lanes for record in lane.records]
        order = merged_indices([record.timestamp for record in lane.records] for lane in lanes)
        self._judge_all(copartition, map(owners.__getitem__, order), map(records.__getitem__, order))

    def _readable(self, copartition: Copartition[RiskTable], found: TopicRange) -> Sequence[Record]:
        """Return a topic's records; of forwarded ones the originals, those without a legible origin rejected."""
        if found.topic not in _REPARTITION:
            return found.records
        originals: list[Record] = []
        for record in found.records:
            received = self._received(found.topic, copartition.partition, record)
            try:
                originals.append(read_forwarded(received))
            except ForwardedRecordError as error:
                self._reject(copartition, received, type(error).__name__, str(error))
        return originals

    def _judge_all(
        self, copartition: Copartition[RiskTable], lanes: Iterable[_Lane], records: Iterable[Record]
    ) -> None:
        """Judge records, each with its lane, in the given order: the hot path."""
        changed = copartition.table.changed
        folded = 0
        for lane, record in zip(lanes, records, strict=False):
            # A node that has a row here is rightly placed, and commands are never steady: nothing is left to check.
            row = lane.advance(record.key, record.value, record.timestamp)
            if row is not None:
                folded += 1
                changed[row.nodeId] = row
            else:
                self._judge(copartition, lane, record)
        self._counts.folded += folded

    def _judge(self, copartition: Copartition[RiskTable], lane: _Lane, record: Record) -> None:
        """Judge a record that may change something."""
        table, partition, key, topic = copartition.table, copartition.partition, record.key, lane.topic
        if self._is_misplaced(copartition, topic, record):
            return
        if topic == COMMANDS and self._is_unsigned(copartition, record):
            return
        origin = getattr(record, "partition", partition)
        outcome = table.fleet.fold(lane.source, origin, record.offset, record.timestamp, key, record.value)
        if isinstance(outcome, Folded):
            self._counts.folded += 1
            table.change(outcome.row.nodeId)
            if outcome.transition is not None:
                copartition.outputs.append(OutgoingRecord(self._quarantine, partition, key, encode(outcome.transition)))
                copartition.hasten()
                self._counts.transitions += 1
        elif isinstance(outcome, Rejection):
            received = self._received(topic, partition, record)
            self._reject(copartition, received, outcome.rule.value, outcome.reason)
        else:
            self._counts.late += 1

    def _is_misplaced(self, copartition: Copartition[RiskTable], topic: str, record: Record) -> bool:
        """Send a record of another co-partition's node on its way; an illegible key is the policy's business."""
        key, partition = record.key, copartition.partition
        if key is None or _is_known(copartition.table, key) or not _NODE_ID.fullmatch(key):
            return False
        right = partition_of(key, copartition.partition_count)
        if right == partition:
            return False
        received = self._received(topic, partition, record)
        if topic not in FORWARDED:
            reason = f"the key belongs into partition {right}; produce with the murmur2 partitioner"
            self._reject(copartition, received, "MisplacedRecord", reason)
            return True
        try:
            copartition.outputs.append(forwarded(self._kafka, received, right))
        except RecordTooLargeError as error:
            self._reject(copartition, received, type(error).__name__, "misplaced, and too large to be forwarded")
        else:
            self._counts.forwarded += 1
        return True

    def _is_unsigned(self, copartition: Copartition[RiskTable], record: Record) -> bool:
        received = self._received(COMMANDS, copartition.partition, record)
        refusal = self._check_signature(received)
        if refusal is not None:
            self._reject(copartition, received, refusal.exception, refusal.reason)
        return refusal is not None

    def _reject(self, copartition: Copartition[RiskTable], record: IncomingRecord, exception: str, reason: str) -> None:
        letter = dead_letter(self._kafka, record, exception, reason, copartition.partition)
        if record.topic in self._own_dead_letters:
            letter = letter._replace(topic=self._own_dead_letters[record.topic])
        copartition.outputs.append(letter)
        self._counts.rejected += 1

    def _received(self, topic: str, partition: int, record: Record) -> Received:
        """Return a record with its place; an original knows its own, what is on a source topic is where it lies."""
        return Received(
            getattr(record, "topic", None) or self._kafka.topic(topic),
            getattr(record, "partition", partition),
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(record.headers),
        )


def _is_known(table: RiskTable, key: bytes) -> bool:
    """Whether the key's node has a row here: then it belongs here, and nothing has to be hashed."""
    return key.decode(errors="replace") in table.fleet.standings


def _turn(found: TopicRange) -> int:
    """Return the place of a range's topic in the fold's order."""
    return FOLD_ORDER.index(found.topic)
