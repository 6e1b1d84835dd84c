"""The issuer's decisions, the newest first."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from schemas.codec import DecodeError, decode
from schemas.decisions import CapsuleDecision, DenialReason
from schemas.topics import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transport.incoming import IncomingRecord


class WantedDecisions(NamedTuple):
    """Which decisions are wanted; None asks for nothing. ``reason`` has denials alone."""

    node_id: str | None = None
    denied: bool | None = None
    reason: DenialReason | None = None


class Decided(NamedTuple):
    """A decision and where it lies."""

    decision: CapsuleDecision
    partition: int
    offset: int


class NewestDecisions:
    """Takes the decisions of one partition in offset order and keeps the last ``limit`` wanted ones; None keeps all."""

    def __init__(self, wanted: WantedDecisions, limit: int | None) -> None:
        self.found: deque[Decided] = deque(maxlen=limit)
        self._wanted = wanted
        self._key = None if wanted.node_id is None else wanted.node_id.encode()

    def read(self, record: IncomingRecord) -> None:
        """Take in a decision; one that cannot be read is none."""
        if self._key is not None and record.key != self._key:
            return
        try:
            decision = decode(CapsuleDecision, record.value, DECISIONS)
        except DecodeError:
            return
        wanted = self._wanted
        if wanted.denied is not None and decision.denied is not wanted.denied:
            return
        if wanted.reason is not None and decision.reason is not wanted.reason:
            return
        self.found.append(Decided(decision, record.partition, record.offset))


def newest(partitions: Iterable[NewestDecisions], limit: int | None) -> list[Decided]:
    """Return what the partitions have together, the newest first, at most ``limit``."""
    found = [each for partition in partitions for each in partition.found]
    found.sort(key=lambda each: (-each.decision.decidedAt, each.partition, -each.offset))
    return found[:limit]


def view_of(decided: Decided) -> dict[str, object]:
    """Return a decision as ``kordon capsule list --json`` prints it: the record's value, and its place."""
    fields: dict[str, object] = msgspec.to_builtins(decided.decision, enc_hook=str)
    return fields | {"partition": decided.partition, "offset": decided.offset}
