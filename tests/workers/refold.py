"""The oracle: folds the log again, plainly, in the order that the progress records state, and compares.

It reads every topic at read_committed, so what it finds is what any reader would find.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord, TopicPartition

from policy.fleet import Fleet
from policy.order import merge_by_heads
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
from transport.dead_letters import cause_of
from transport.partitioner import partition_of
from transport.repartition import read_forwarded
from transport.settings import KafkaSettings
from transport.views import read_to_high_watermark

SOURCES = (COMMANDS, DECISIONS, NETWORK, repartition_of(NETWORK), TELEMETRY, repartition_of(TELEMETRY))
WRITTEN = (RISK, QUARANTINE, STREAMS_PROGRESS, dlq_of(COMMANDS), dlq_of(DECISIONS), dlq_of(NETWORK), dlq_of(TELEMETRY))
FORWARDED = (TELEMETRY, NETWORK)


@dataclass
class Log:
    """Every committed record of the topics, by (topic without prefix, partition), in the order of offsets."""

    partitions: int
    records: dict[tuple[str, int], list[ConsumerRecord]] = field(default_factory=dict)

    def of(self, topic: str, partition: int) -> Sequence[ConsumerRecord]:
        return self.records.get((topic, partition), ())

    def all(self, topic: str) -> list[ConsumerRecord]:
        return [record for partition in range(self.partitions) for record in self.of(topic, partition)]


async def read_log(kafka: KafkaSettings, partitions: int, topics: Sequence[str] = (*SOURCES, *WRITTEN)) -> Log:
    """Read topics, by default everything the worker reads and writes, up to the high watermarks of now."""
    log = Log(partitions)

    def keep(tp: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        log.records.setdefault((kafka.without_prefix(tp.topic), tp.partition), []).extend(records)

    wanted = [TopicPartition(kafka.topic(topic), partition) for topic in topics for partition in range(partitions)]
    await read_to_high_watermark(kafka, wanted, keep, timeout_seconds=60)
    return log


@dataclass
class Refolded:
    """What the plain fold of one co-partition gives."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    transitions: list[tuple[bytes | None, bytes]] = field(default_factory=list)
    rejected: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    forwarded: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    folded: int = 0


def refold(kafka: KafkaSettings, log: Log, partition: int, policy: Policy) -> Refolded:
    """Fold co-partition ``partition`` by the ``batches`` of its progress records.

    The batches must follow each other without hole or overlap in every topic. Commands count as signed: a test that
    writes unsigned ones checks them itself.
    """
    result, fleet = Refolded(), Fleet(policy)
    standing: dict[str, int] = {}
    for record in log.of(STREAMS_PROGRESS, partition):
        progress = decode(StreamsProgress, record.value, STREAMS_PROGRESS)
        assert progress.partition == partition
        for batch in progress.batches:
            chosen: dict[str, list[ConsumerRecord]] = {}
            for topic, (first, stop) in batch.items():
                records = log.of(topic, partition)
                skipped = [one for one in records if standing.get(topic, 0) <= one.offset < first]
                assert not skipped, f"{topic} [{partition}]: {len(skipped)} records before {first} were never folded"
                assert first >= standing.get(topic, 0), f"{topic} [{partition}]: {first} was folded twice"
                standing[topic] = stop
                chosen[topic] = [one for one in records if first <= one.offset < stop]
            _fold_batch(kafka, log.partitions, fleet, partition, chosen, result)
        for topic, offset in progress.offsets.items():
            assert offset >= standing.get(topic, 0)
    for topic in SOURCES:
        left = [one for one in log.of(topic, partition) if one.offset >= standing.get(topic, 0)]
        assert not left, f"{topic} [{partition}]: the last {len(left)} records were never folded"
    result.rows = {node_id.encode(): encode(row) for node_id, row in fleet.rows.items()}
    return result


def _fold_batch(
    kafka: KafkaSettings,
    partitions: int,
    fleet: Fleet,
    partition: int,
    chosen: Mapping[str, Sequence[ConsumerRecord]],
    result: Refolded,
) -> None:
    originals = {
        topic: [read_forwarded(record) if topic.endswith(".repartition") else record for record in records]
        for topic, records in chosen.items()
    }
    times = {topic: [record.timestamp for record in records] for topic, records in originals.items()}
    for topic, first, stop in merge_by_heads(times):
        for record in originals[topic][first:stop]:
            position = (source_of(topic), record.partition, record.offset)
            misplaced = record.key is not None and partition_of(record.key, partitions) != partition
            if misplaced and topic in FORWARDED:
                result.forwarded[position] += 1
                continue
            outcome = fleet.fold(
                source_of(topic), record.partition, record.offset, record.timestamp, record.key, record.value
            )
            if isinstance(outcome, Folded):
                result.folded += 1
                if outcome.transition is not None:
                    result.transitions.append((outcome.row.nodeId.encode(), encode(outcome.transition)))
            elif hasattr(outcome, "rule"):
                result.rejected[position] += 1


def assert_refolds(kafka: KafkaSettings, log: Log, policy: Policy | None = None) -> int:
    """Assert that rows, transitions, dead letters and forwarded records are those of the plain fold, each once.

    Returns how many records were folded.
    """
    folded = 0
    rejected: Counter[tuple[str, int, int]] = Counter()
    forwarded: Counter[tuple[str, int, int]] = Counter()
    for partition in range(log.partitions):
        expected = refold(kafka, log, partition, policy or default_policy())
        folded += expected.folded
        rejected += expected.rejected
        forwarded += expected.forwarded
        rows = {record.key: record.value for record in log.of(RISK, partition)}
        wrong = {key for key in rows.keys() | expected.rows.keys() if rows.get(key) != expected.rows.get(key)}
        assert not wrong, f"co-partition {partition}: {len(wrong)} of {len(expected.rows)} rows differ"
        transitions = [(record.key, record.value) for record in log.of(QUARANTINE, partition)]
        assert transitions == expected.transitions, f"co-partition {partition}: transitions differ"
    assert dead_lettered(kafka, log) == rejected
    assert forwarded_to(kafka, log) == forwarded
    return folded


def dead_lettered(kafka: KafkaSettings, log: Log) -> Counter[tuple[str, int, int]]:
    """Return the origins (topic, partition, offset) of all dead letters."""
    causes = [cause_of(record.headers) for topic in WRITTEN if topic.endswith(".dlq") for record in log.all(topic)]
    assert all(causes)
    return Counter((kafka.without_prefix(cause.topic), cause.partition, cause.offset) for cause in causes if cause)


def forwarded_to(kafka: KafkaSettings, log: Log) -> Counter[tuple[str, int, int]]:
    """Return the origins of all records on the ``.repartition`` topics."""
    originals = [read_forwarded(record) for topic in FORWARDED for record in log.all(repartition_of(topic))]
    return Counter((kafka.without_prefix(one.topic), one.partition, one.offset) for one in originals)
