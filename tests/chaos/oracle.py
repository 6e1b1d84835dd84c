"""Folds the log again by the recorded ``batches`` and counts what differs.

It shares the rules (``policy``) and the messages (``schemas``) with the worker and nothing else: the log is decoded by
:mod:`tests.chaos.log`, and the merge of a batch, the partitioner and the headers of forwarded records and dead letters
are written again here, as docs/design.md has them.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka.partitioner import murmur2

from policy.fleet import Fleet
from policy.policy_file import Policy, default_policy
from policy.risk import Folded
from schemas.codec import decode, encode
from schemas.progress import StreamsProgress
from schemas.topics import (
    COMMANDS,
    DECISIONS,
    NETWORK,
    QUARANTINE,
    RISK,
    STREAMS_PROGRESS,
    TELEMETRY,
    dlq_of,
    repartition_of,
    source_of,
)
from tests.chaos.log import Log, LogRecord, last_of
from tests.chaos.position import Position, digest_of

FORWARDED = (TELEMETRY, NETWORK)
SOURCES = (COMMANDS, DECISIONS, NETWORK, repartition_of(NETWORK), TELEMETRY, repartition_of(TELEMETRY))
"""In the order in which records of one timestamp are folded (design.md, section 5)."""
WRITTEN = (
    RISK,
    QUARANTINE,
    STREAMS_PROGRESS,
    *(dlq_of(topic) for topic in (COMMANDS, DECISIONS, NETWORK, TELEMETRY)),
)

_NODE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


@dataclass
class Verdict:
    """What a run lost, doubled and got wrong; ``details`` names the first of each sort."""

    lost: int = 0
    doubled: int = 0
    rows_differing: int = 0
    folded: int = 0
    transitions: int = 0
    decided: int = 0
    dead_letters: int = 0
    details: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.rows_differing)

    def __str__(self) -> str:
        return f"lost {self.lost}, doubled {self.doubled}, rows differing {self.rows_differing}"

    def add(self, other: Verdict) -> None:
        """Add what another verdict counted."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.rows_differing += other.rows_differing
        self.folded += other.folded
        self.transitions += other.transitions
        self.decided += other.decided
        self.dead_letters += other.dead_letters
        self.details += other.details

    def compare(self, what: str, expected: Counter[object], found: Counter[object]) -> None:
        """Count what of ``expected`` was not found as lost, and what was found beyond it as doubled."""
        for number, sort in (((expected - found), "lost"), ((found - expected), "doubled")):
            if number:
                examples = ", ".join(str(one)[:120] for one in list(number)[:3])
                self.details.append(f"{what}: {number.total()} {sort}, such as {examples}")
        self.lost += (expected - found).total()
        self.doubled += (found - expected).total()


@dataclass
class Expected:
    """What the plain fold of one co-partition gives."""

    rows: dict[bytes | None, bytes | None] = field(default_factory=dict)
    transitions: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    rejected: Counter[object] = field(default_factory=Counter)
    forwarded: Counter[object] = field(default_factory=Counter)
    folded: int = 0


class Oracle:
    """Judges what workers wrote. ``unsigned`` are the digests of commands that no operator signed."""

    def __init__(self, prefix: str, log: Log, unsigned: Collection[str] = (), policy: Policy | None = None) -> None:
        self._prefix = prefix
        self._log = log
        self._unsigned = frozenset(unsigned)
        self._policy = policy or default_policy()

    def judge(self, verdict: Verdict) -> Counter[object]:
        """Compare all co-partitions and return the positions of the records that had to be rejected."""
        rejected: Counter[object] = Counter()
        forwarded: Counter[object] = Counter()
        for partition in range(self._log.partitions):
            expected = self._refold(partition, verdict)
            rejected += expected.rejected
            forwarded += expected.forwarded
            self._compare_rows(partition, expected, verdict)
            self._compare_transitions(partition, expected, verdict)
        verdict.compare("dead letters", rejected, self.dead_lettered())
        verdict.compare("forwarded records", forwarded, self._forwarded())
        verdict.dead_letters = self.dead_lettered().total()
        return rejected

    def dead_lettered(self) -> Counter[object]:
        """Return the positions that the worker's dead letters name."""
        letters = [letter for topic in WRITTEN if topic.endswith(".dlq") for letter in self._log.all(topic)]
        return origins(self._prefix, letters)

    def _forwarded(self) -> Counter[object]:
        originals = [original(one) for topic in FORWARDED for one in self._log.all(repartition_of(topic))]
        return Counter(Position(one.topic.removeprefix(self._prefix), one.partition, one.offset) for one in originals)

    def _compare_rows(self, partition: int, expected: Expected, verdict: Verdict) -> None:
        rows = {record.key: record.value for record in self._log.of(RISK, partition)}
        wrong = [key for key in rows.keys() | expected.rows.keys() if rows.get(key) != expected.rows.get(key)]
        verdict.rows_differing += len(wrong)
        if wrong:
            key = min(map(str, wrong))
            verdict.details.append(f"co-partition {partition}: {len(wrong)} rows differ, such as {key}'s")

    def _compare_transitions(self, partition: int, expected: Expected, verdict: Verdict) -> None:
        found = [(record.key, record.value) for record in self._log.of(QUARANTINE, partition)]
        what = f"transitions of co-partition {partition}"
        verdict.compare(what, Counter(expected.transitions), Counter(found))
        verdict.transitions += len(found)
        if Counter(expected.transitions) == Counter(found) and expected.transitions != found:
            verdict.doubled += 1
            verdict.details.append(f"{what}: not in the order of the fold")

    def _refold(self, partition: int, verdict: Verdict) -> Expected:
        expected, fleet = Expected(), Fleet(self._policy)
        standing = dict.fromkeys(SOURCES, 0)
        for record in self._log.of(STREAMS_PROGRESS, partition):
            for batch in decode(StreamsProgress, record.value, STREAMS_PROGRESS).batches:
                chosen: dict[str, Sequence[LogRecord]] = {}
                for topic, (first, stop) in batch.items():
                    self._check_range(topic, partition, standing[topic], first, stop, verdict)
                    standing[topic] = max(stop, standing[topic])
                    chosen[topic] = self._log.between(topic, partition, first, stop)
                self._fold(partition, fleet, chosen, expected)
        for topic in SOURCES:
            left = sum(one.offset >= standing[topic] for one in self._log.of(topic, partition))
            verdict.lost += left
            if left:
                verdict.details.append(f"{topic} [{partition}]: the last {left} records were never folded")
        verdict.folded += expected.folded
        expected.rows = {node_id.encode(): encode(row) for node_id, row in fleet.rows.items()}
        return expected

    def _check_range(self, topic: str, partition: int, standing: int, first: int, stop: int, verdict: Verdict) -> None:
        skipped = len(self._log.between(topic, partition, standing, first))
        again = len(self._log.between(topic, partition, first, min(standing, stop)))
        verdict.lost += skipped
        verdict.doubled += again
        if skipped:
            verdict.details.append(f"{topic} [{partition}]: {skipped} records before offset {first} were never folded")
        if again:
            verdict.details.append(f"{topic} [{partition}]: {again} records from offset {first} were folded again")

    def _fold(
        self, partition: int, fleet: Fleet, chosen: Mapping[str, Sequence[LogRecord]], expected: Expected
    ) -> None:
        queues = [
            deque(original(one) if topic.endswith(".repartition") else one for one in chosen.get(topic, ()))
            for topic in SOURCES
        ]
        while waiting := [number for number, queue in enumerate(queues) if queue]:
            smallest = min(waiting, key=lambda number: (queues[number][0].timestamp, number))
            record = queues[smallest].popleft()
            self._fold_one(source_of(SOURCES[smallest]), record, partition, fleet, expected)

    def _fold_one(self, topic: str, record: LogRecord, partition: int, fleet: Fleet, expected: Expected) -> None:
        position = Position(topic, record.partition, record.offset)
        if topic in FORWARDED and self._is_misplaced(record.key, partition):
            expected.forwarded[position] += 1
            return
        if topic == COMMANDS and digest_of(record.value or b"") in self._unsigned:
            expected.rejected[position] += 1
            return
        outcome = fleet.fold(topic, record.partition, record.offset, record.timestamp, record.key, record.value)
        if isinstance(outcome, Folded):
            expected.folded += 1
            if outcome.transition is not None:
                expected.transitions.append((outcome.row.nodeId.encode(), encode(outcome.transition)))
        elif hasattr(outcome, "rule"):
            expected.rejected[position] += 1

    def _is_misplaced(self, key: bytes | None, partition: int) -> bool:
        """Tell whether a key belongs elsewhere, as Java's partitioner has it; what is no node id belongs nowhere."""
        if key is None or not _NODE_ID.fullmatch(key):
            return False
        return bool((murmur2(key) & 0x7FFFFFFF) % self._log.partitions != partition)


def original(record: LogRecord) -> LogRecord:
    """Return a record of a ``.repartition`` topic as it was where it was first written."""
    origin = last_of(record.headers[-4:])
    return record._replace(
        topic=origin["kordon-original-topic"].decode(),
        partition=int(origin["kordon-original-partition"]),
        offset=int(origin["kordon-original-offset"]),
        timestamp=int(origin["kordon-original-timestamp"]),
    )


def origins(prefix: str, letters: Sequence[LogRecord]) -> Counter[object]:
    """Return the positions that dead letters name."""
    causes = [last_of(letter.headers) for letter in letters]
    return Counter(
        Position(
            cause["__streams.errors.topic"].decode().removeprefix(prefix),
            int(cause["__streams.errors.partition"]),
            int(cause["__streams.errors.offset"]),
        )
        for cause in causes
    )
