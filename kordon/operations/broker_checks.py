"""What `kordon doctor` makes of brokers: versions, topics, clocks and transactions that do not end. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from kordon.operations.checks import Check, Verdict, some
from kordon.operations.lag import seconds
from kordon.output import counted
from transport.administration import Cluster, Outcome, State, Topic
from transport.broker_clock import BrokerTime
from transport.transactions import Transaction, TransactionState

CLOCK_WARNING_MILLIS: Final = 5_000
CLOCK_FAILED_MILLIS: Final = 30_000
"""From here on the issuer mistakes fresh progress for stale, or stale progress for fresh."""

UNFINISHED_MILLIS: Final = 60_000
"""A transaction that began so long ago has ended, or been aborted by the broker, unless something keeps it."""

NEEDED_APIS: Final[Mapping[int, tuple[str, int]]] = {
    0: ("Produce", 3),
    1: ("Fetch", 4),
    22: ("InitProducerId", 0),
    24: ("AddPartitionsToTxn", 0),
    25: ("AddOffsetsToTxn", 0),
    26: ("EndTxn", 0),
    28: ("TxnOffsetCommit", 0),
}
"""Kafka's API key → name and the version that a transaction, and reading only committed ones, needs."""
METADATA_API: Final = 3
METADATA_WITH_TOPIC_IDS: Final = 12


def judge_brokers(cluster: Cluster) -> list[Check]:
    """Judge which brokers answer, and whether they can do what Kordon needs."""
    silent = [address for broker, address in cluster.brokers.items() if broker not in cluster.api_versions]
    found = f"{counted(len(cluster.brokers), 'broker')}, cluster id {cluster.cluster_id or 'unknown'}"
    if silent:
        reached = Check(
            "brokers",
            Verdict.FAILED,
            f"{found}; {', '.join(silent)} does not answer",
            "See that broker's log, and whether this machine may reach its advertised address.",
        )
    else:
        reached = Check("brokers", Verdict.OK, found)
    return [reached, _judge_versions(cluster)]


def _judge_versions(cluster: Cluster) -> Check:
    lacking = sorted(
        f"{name} {version}"
        for key, (name, version) in NEEDED_APIS.items()
        if any(versions.get(key, -1) < version for versions in cluster.api_versions.values())
    )
    newest = {key: min(each.get(key, -1) for each in cluster.api_versions.values()) for key in (0, 1, METADATA_API)}
    found = f"Produce {newest[0]}, Fetch {newest[1]}, Metadata {newest[METADATA_API]}, with transactions"
    if lacking:
        return Check(
            "API versions",
            Verdict.FAILED,
            f"the brokers lack {', '.join(lacking)}",
            "Kordon's promises rest on transactions: use Apache Kafka 2.8 or later.",
        )
    if newest[METADATA_API] < METADATA_WITH_TOPIC_IDS:
        return Check(
            "API versions",
            Verdict.WARNING,
            f"{found}, without topic ids",
            "A topic that is created anew is noticed by its offsets alone: Apache Kafka 2.8 and later have ids.",
        )
    return Check("API versions", Verdict.OK, found)


def judge_topics(outcomes: Sequence[Outcome], topics: Sequence[Topic]) -> list[Check]:
    """Judge the topics' settings, and whether their copies are there."""
    return [_judge_settings(outcomes), _judge_copies(topics)]


def _judge_settings(outcomes: Sequence[Outcome]) -> Check:
    missing = [outcome.topic for outcome in outcomes if outcome.state is State.MISSING]
    different = [outcome for outcome in outcomes if outcome.state is State.DIFFERENT]
    if missing:
        return Check("topics", Verdict.FAILED, f"{some(missing)} missing", "`kordon topics apply` creates them.")
    repartitioned = [outcome.topic for outcome in different if "partitions" in outcome.differences]
    if repartitioned:
        return Check(
            "topics",
            Verdict.FAILED,
            f"{some(repartitioned)} of another number of partitions than KORDON_KAFKA_PARTITIONS",
            "Correct the setting; the partitions of a topic are never changed in place.",
        )
    if different:
        return Check(
            "topics",
            Verdict.WARNING,
            f"{some([outcome.topic for outcome in different])} different from what they should be",
            "`kordon topics check` says how.",
        )
    return Check("topics", Verdict.OK, f"all {len(outcomes)} are as they should be")


def _judge_copies(topics: Sequence[Topic]) -> Check:
    without_leader = [topic.name for topic in topics if topic.leaders < topic.partitions]
    if without_leader:
        return Check(
            "copies",
            Verdict.FAILED,
            f"{some(without_leader)} without a leader in some partition: nobody can write or read there",
            "Start the brokers that hold it.",
        )
    behind = [topic.name for topic in topics if topic.in_sync < topic.replication_factor]
    if behind:
        return Check(
            "copies",
            Verdict.WARNING,
            f"{some(behind)} with copies that are not in sync",
            "One more broker that fails may stop Kordon: see which broker is down or slow.",
        )
    copies = min((topic.replication_factor for topic in topics), default=0)
    return Check("copies", Verdict.OK, f"every partition has a leader; copies: {copies}, all in sync")


def judge_clock(service: str, measured: BrokerTime | None) -> list[Check]:
    """Judge our clock, and the clock of a service, against the brokers', by the end of one of its transactions."""
    if measured is None:
        return [
            Check(
                f"clock of the {service}",
                Verdict.WARNING,
                f"not measured: no transaction of the {service} ended while we waited",
                f"It is measured while the {service} runs.",
            )
        ]
    found = [_judge_ahead("our clock", measured.ours_ahead)]
    if measured.writer_ahead is not None:
        found.append(_judge_ahead(f"clock of the {service}", measured.writer_ahead))
    return found


def _judge_ahead(name: str, ahead: int) -> Check:
    told = (
        f"{seconds(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the brokers', "
        "by the marker of a transaction that just ended"
    )
    if abs(ahead) < CLOCK_WARNING_MILLIS:
        return Check(name, Verdict.OK, told)
    verdict = Verdict.WARNING if abs(ahead) < CLOCK_FAILED_MILLIS else Verdict.FAILED
    return Check(name, verdict, told, "Run NTP on brokers, services and this machine.")


def judge_transactions(transactions: Collection[Transaction] | None, now: int) -> Check:
    """Judge whether some transaction does not end: it holds readers back, and its service cannot go on."""
    name = "transactions"
    if transactions is None:
        return Check(name, Verdict.OK, "these brokers do not tell of them")
    kept = sorted((each for each in transactions if is_unfinished(each, now)), key=lambda each: (each.started_at, each))
    if not kept:
        return Check(name, Verdict.OK, f"none of {counted(len(transactions), 'transactional id')} hangs")
    first = kept[0]
    missing = f"; without a marker: {some(first.places)}" if first.places else ""
    return Check(
        name,
        Verdict.FAILED,
        f"{counted(len(kept), 'transaction')} without an end: {first.transactional_id} is in {first.state} for "
        f"{seconds(now - first.started_at)}, on broker {first.coordinator}{missing}",
        f"Start the brokers that lead those partitions. If all run, restart broker {first.coordinator}: another "
        "coordinator writes the markers (docs/operations.md).",
    )


def is_unfinished(transaction: Transaction, now: int) -> bool:
    """Tell whether a transaction should have ended by ``now``, ms since 1970, and has not."""
    under_way = transaction.is_decided or transaction.state is TransactionState.ONGOING
    return under_way and now - transaction.started_at >= UNFINISHED_MILLIS
