"""What `kordon doctor` makes of what it found: each check's verdict, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from issuer.key_ring import SigningKey
from kordon.operations.lag import CopartitionLag, seconds
from kordon.operations.letters import Count
from kordon.output import counted
from schemas.timestamp import Timestamp
from schemas.trust import KeyState, Role, TrustDocument, TrustedKey
from transport.administration import Cluster, Outcome, State, Topic
from transport.broker_clock import BrokerTime

SOON_MILLIS: Final = 30 * 86_400_000
"""A key that ends within this time is told of."""

CLOCK_WARNING_MILLIS: Final = 5_000
CLOCK_FAILED_MILLIS: Final = 30_000
"""From here on the issuer mistakes fresh progress for stale, or stale progress for fresh."""

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

_LARGEST_NAMED: Final = 4


class Verdict(StrEnum):
    """What a check comes to; only FAILED makes the exit status 1."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One examined thing: what was found, and what to do unless it is well."""

    name: str
    verdict: Verdict
    found: str
    remedy: str | None = None


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
        return Check("topics", Verdict.FAILED, f"{_some(missing)} missing", "`kordon topics apply` creates them.")
    repartitioned = [outcome.topic for outcome in different if "partitions" in outcome.differences]
    if repartitioned:
        return Check(
            "topics",
            Verdict.FAILED,
            f"{_some(repartitioned)} of another number of partitions than KORDON_KAFKA_PARTITIONS",
            "Correct the setting; the partitions of a topic are never changed in place.",
        )
    if different:
        return Check(
            "topics",
            Verdict.WARNING,
            f"{_some([outcome.topic for outcome in different])} different from what they should be",
            "`kordon topics check` says how.",
        )
    return Check("topics", Verdict.OK, f"all {len(outcomes)} are as they should be")


def _judge_copies(topics: Sequence[Topic]) -> Check:
    without_leader = [topic.name for topic in topics if topic.leaders < topic.partitions]
    if without_leader:
        return Check(
            "copies",
            Verdict.FAILED,
            f"{_some(without_leader)} without a leader in some partition: nobody can write or read there",
            "Start the brokers that hold it.",
        )
    behind = [topic.name for topic in topics if topic.in_sync < topic.replication_factor]
    if behind:
        return Check(
            "copies",
            Verdict.WARNING,
            f"{_some(behind)} with copies that are not in sync",
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


def judge_trust(name: str, document: TrustDocument, now: int) -> Check:
    """Judge the keys in a ``trust.json``: whether each role has one that counts, and which end soon."""
    found = f"cluster {document.clusterId}, {counted(len(document.keys), 'key')}"
    active = [key for key in document.keys if key.state is KeyState.ACTIVE]
    usable = [key for key in active if key.valid_at(now)]
    without = [role.value for role in Role if not any(role in key.roles for key in usable)]
    if Role.ISSUE.value in without:
        return Check(
            name,
            Verdict.FAILED,
            f"{found}; none may issue now, so no capsule can be verified",
            "Add the issuer's present key (docs/trust.md).",
        )
    if without:
        return Check(
            name,
            Verdict.WARNING,
            f"{found}; nobody may {', '.join(without)} now",
            "Give the roles to an operator's key (docs/trust.md).",
        )
    if ending := _ending(active, now):
        return Check(name, Verdict.WARNING, f"{found}; {ending}", "Rotate it in time (docs/trust.md).")
    return Check(name, Verdict.OK, f"{found}, none ends soon")


def _ending(keys: Collection[TrustedKey], now: int) -> str:
    return ", ".join(
        f"{key.kid} {'ended' if key.notAfter <= now else 'ends'} at {Timestamp(key.notAfter)}"
        for key in keys
        if key.notAfter is not None and key.notAfter - now < SOON_MILLIS
    )


def judge_signing_key(name: str, key: SigningKey, now: int) -> Check:
    """Judge the key that the issuer signs with now."""
    if key.not_after is not None and key.not_after - now < SOON_MILLIS:
        found = f"{key.kid} signs, and ends at {Timestamp(key.not_after)}"
        return Check(name, Verdict.WARNING, found, "Rotate it in time (docs/trust.md); capsules end with it.")
    return Check(name, Verdict.OK, f"{key.kid} signs, as trust.json says it may")


def judge_progress(service: str, lags: Sequence[CopartitionLag]) -> Check:
    """Judge a service by its co-partitions."""
    stale = [lag for lag in lags if lag.stale is not None]
    if not lags or all(lag.at is None for lag in lags):
        return Check(service, Verdict.FAILED, "it has never written progress", f"Start it: `kordon {service}`.")
    if stale:
        first = stale[0]
        return Check(
            service,
            Verdict.FAILED,
            f"{len(stale)} of {len(lags)} co-partitions are stale: of {first.partition}, {first.stale}",
            f"Is `kordon {service}` running, and what does its log say? See `kordon lag --service {service}`.",
        )
    oldest = max(lag.age_millis or 0 for lag in lags)
    lag = max(lag.lag_millis or 0 for lag in lags)
    return Check(
        service,
        Verdict.OK,
        f"{len(lags)} co-partitions, the oldest progress {seconds(oldest)} old, lag at most {seconds(lag)}",
    )


def judge_policy(in_progress: Collection[int], configured: Mapping[str, int]) -> Check:
    """Judge whether all go by one policy: versions in the worker's progress, and in the services' settings here."""
    told = ", ".join(f"the {service}'s settings here {version}" for service, version in configured.items())
    found = f"version {', '.join(map(str, sorted(in_progress))) or 'unknown'} in the worker's progress; {told}"
    if len(set(in_progress) | set(configured.values())) > 1:
        return Check(
            "policy",
            Verdict.FAILED,
            found,
            "An issuer denies while the worker's policy is another: give all the same file, restart workers first.",
        )
    return Check("policy", Verdict.OK, found)


def judge_dead_letters(counts: Mapping[tuple[str, str], Count]) -> Check:
    """Judge the dead letters of the last hour, by topic and rule."""
    waiting = {key: count.letters - count.replayed for key, count in counts.items()}
    left = sum(waiting.values())
    if not left:
        return Check("dead letters", Verdict.OK, "none in the last hour that was not replayed")
    most = sorted(waiting.items(), key=lambda each: (-each[1], each[0]))
    told = _some([f"{count} {rule} on {topic}" for (topic, rule), count in most if count])
    return Check("dead letters", Verdict.WARNING, f"{left} in the last hour: {told}", "`kordon dlq list --since 1h`")


def judge_ledger(exists: bool, writer: int | None, lags: Sequence[CopartitionLag]) -> Check:  # noqa: FBT001 - a fact
    """Judge the ledger on this machine."""
    if not exists:
        return Check("ledger", Verdict.OK, "there is none on this machine")
    lag = max((each.lag_millis or 0 for each in lags), default=0)
    behind = sum(each.behind for each in lags)
    found = f"{behind} offsets behind, the oldest of them {seconds(lag)} old" if lag else "nothing is missing in it"
    if any(each.stale is not None for each in lags):
        remedy = (
            "Start `kordon ledger run`." if writer is None else f"See the log of process {writer}, which writes it."
        )
        return Check("ledger", Verdict.WARNING, found, remedy)
    return Check("ledger", Verdict.OK, f"{found}; {'nobody writes it' if writer is None else 'it is being written'}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LARGEST_NAMED} more" if len(names) > _LARGEST_NAMED else ""
    return ", ".join(names[:_LARGEST_NAMED]) + more
