"""Which records are rejected, before any other rule (design.md sections 3 and 5)."""

from enum import StrEnum
from typing import Final

import msgspec

from schemas.commands import Command
from schemas.decisions import CapsuleDecision
from schemas.network import NetworkObservation
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp

RiskInput = Telemetry | NetworkObservation | Command | CapsuleDecision
"""What the fold reads."""

FUTURE_MILLIS: Final = 300_000
"""How far ``observedAt`` or ``issuedAt`` may lie after the record's timestamp, inclusive: the rule for every reader."""


class RejectionRule(StrEnum):
    """The rule a record broke; the ``__streams.errors.exception`` of its dead letter."""

    UNREADABLE = "DecodeError"
    FOREIGN_KEY = "KeyMismatch"
    UNUSABLE_TIMESTAMP = "UnusableTimestamp"
    FROM_THE_FUTURE = "FromTheFuture"
    EXPIRED_COMMAND = "ExpiredCommand"
    UNKNOWN_TOPIC = "UnknownTopic"


class Rejection(msgspec.Struct, frozen=True):
    """A refused record: the rule it broke, and what its author should know."""

    rule: RejectionRule
    reason: str


def admit_key(node_id: str, key: bytes | str | None) -> Rejection | None:
    """Reject a record whose key is not its ``nodeId`` in UTF-8: nobody speaks for another node."""
    if key is not None and (key == node_id if isinstance(key, str) else key == node_id.encode()):
        return None
    return Rejection(RejectionRule.FOREIGN_KEY, "the record's key must equal its nodeId")


def admit_timestamp(timestamp: int) -> Rejection | None:
    """Reject a record without a usable timestamp (before 1970 or after 9999): nothing can be ordered by it."""
    if 0 <= timestamp <= Timestamp.LATEST:
        return None
    return Rejection(RejectionRule.UNUSABLE_TIMESTAMP, "the record's timestamp lies outside the years 1970 to 9999")


def admit_time(message: RiskInput, timestamp: int) -> Rejection | None:
    """Reject a message from the future, or a command at or past its end, by its record's timestamp."""
    if isinstance(message, (NetworkObservation, Telemetry)):
        if message.observedAt - timestamp > FUTURE_MILLIS:
            return _from_the_future("observedAt")
    elif isinstance(message, Command):
        if message.issuedAt - timestamp > FUTURE_MILLIS:
            return _from_the_future("issuedAt")
        if message.expiresAt is not None and timestamp >= message.expiresAt:
            return Rejection(RejectionRule.EXPIRED_COMMAND, "expiresAt: the command arrived at or past its end")
    return None


def _from_the_future(field: str) -> Rejection:
    return Rejection(
        RejectionRule.FROM_THE_FUTURE,
        f"{field}: more than {FUTURE_MILLIS // 1000} s after the record's timestamp; check the producer's clock",
    )
