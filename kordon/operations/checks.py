"""What `kordon doctor` makes of services, keys and files: each check's verdict, and what to do. Pure.

Of brokers: ``broker_checks``.
"""

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

SOON_MILLIS: Final = 30 * 86_400_000
"""A key that ends within this time is told of."""


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


def some(names: Sequence[str]) -> str:
    """Return the first few names and how many more there are."""
    more = f" and {len(names) - _LARGEST_NAMED} more" if len(names) > _LARGEST_NAMED else ""
    return ", ".join(names[:_LARGEST_NAMED]) + more


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
    told = some([f"{count} {rule} on {topic}" for (topic, rule), count in most if count])
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
