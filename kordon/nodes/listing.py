"""The nodes of a fleet, joined of registry, risk rows and bindings, filtered, and the first of them in some order.

A fleet may have a million nodes, so it is fed one share of the co-partitions after the other and keeps no more than
what may still be shown. Signatures are checked only of nodes that are shown, or filtered by what the registry says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from kordon.nodes.registrations import Registration, Standing
from schemas.risk import Cause, NodeStatus, SignalKind
from schemas.timestamp import Timestamp
from transport.incoming import IncomingRecord


class Order(StrEnum):
    """What comes first: the highest score, the first name, or the row that changed last."""

    SCORE = "score"
    NODE = "node"
    UPDATED = "updated"


class Wanted(NamedTuple):
    """Which nodes are wanted; None asks for nothing. A node without a row has no status and no score."""

    status: NodeStatus | None = None
    standing: Standing | None = None
    min_score: int | None = None


class _Raised(msgspec.Struct, frozen=True, gc=False):
    kind: SignalKind


class _Held(msgspec.Struct, frozen=True, gc=False):
    since: str
    cause: Cause


class Outline(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a list shows of a risk row; the rest of it is not even read."""

    status: NodeStatus
    score: int
    signals: tuple[_Raised, ...]
    updated_at: str
    quarantine: _Held | None = None


class Listed(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One node, as ``kordon node list --json`` prints it; ``since`` is of its quarantine, absent parts are None."""

    node_id: str
    registry: Standing | None
    status: NodeStatus | None
    score: int | None
    signals: tuple[SignalKind, ...]
    since: str | None
    cause: Cause | None
    updated_at: str | None
    bound: bool


class Share(NamedTuple):
    """The records of some co-partitions: registry records by node in offset order, the last row, who is bound."""

    registry: Mapping[bytes, Sequence[IncomingRecord]]
    rows: Mapping[bytes, bytes]
    bound: frozenset[bytes]


class _Candidate(NamedTuple):
    rank: tuple[int, str]
    listed: Listed
    registry: Sequence[IncomingRecord]


class Listing:
    """Takes one share after the other; ``limit`` nodes are kept, all of them with None.

    ``matched`` counts all that are wanted, ``unreadable`` the rows that could not be read and were passed over.
    """

    def __init__(
        self,
        wanted: Wanted,
        order: Order,
        limit: int | None,
        registration_of: Callable[[Sequence[IncomingRecord]], Registration | None],
    ) -> None:
        self.matched = 0
        self.unreadable = 0
        self._wanted = wanted
        self._rank = _RANKS[order]
        self._limit = limit
        self._registration_of = registration_of
        self._candidates: list[_Candidate] = []

    def add(self, share: Share) -> None:
        """Take in some co-partitions, each of which comes once and whole."""
        decode, wanted = _DECODE, self._wanted
        resolve_now = wanted.standing is not None or self._limit is None
        for key in share.registry.keys() | share.rows.keys() | share.bound:
            value = share.rows.get(key)
            try:
                row = None if value is None else decode(value)
            except (ValueError, RecursionError):
                self.unreadable += 1
                continue
            if not _matches(row, wanted):
                continue
            registry = share.registry.get(key, ())
            listed = _listed(key.decode(errors="replace"), row, bound=key in share.bound)
            if resolve_now:
                listed = self._resolved(listed, registry)
                if wanted.standing is not None and listed.registry is not wanted.standing:
                    continue
                registry = ()
            self.matched += 1
            self._candidates.append(_Candidate(self._rank(listed), listed, registry))
            if self._limit is not None and len(self._candidates) > 2 * self._limit + _SLACK:
                self._drop_the_last()

    def nodes(self) -> list[Listed]:
        """Return what is wanted of all that was added, in its order, at most ``limit``."""
        self._drop_the_last()
        if self._limit is None or self._wanted.standing is not None:
            return [each.listed for each in self._candidates]
        return [self._resolved(each.listed, each.registry) for each in self._candidates]

    def _drop_the_last(self) -> None:
        self._candidates.sort(key=_rank_of)
        if self._limit is not None:
            del self._candidates[self._limit :]

    def _resolved(self, listed: Listed, registry: Sequence[IncomingRecord]) -> Listed:
        registration = self._registration_of(registry)
        if registration is None:
            return listed
        return msgspec.structs.replace(listed, registry=registration.standing)


def _matches(row: Outline | None, wanted: Wanted) -> bool:
    if row is None:
        return wanted.status is None and wanted.min_score is None
    return (wanted.status is None or row.status is wanted.status) and (
        wanted.min_score is None or row.score >= wanted.min_score
    )


def _listed(node_id: str, row: Outline | None, *, bound: bool) -> Listed:
    if row is None:
        return Listed(node_id, None, None, None, (), None, None, None, bound)
    kinds = tuple(signal.kind for signal in row.signals)
    held = row.quarantine
    return Listed(
        node_id,
        None,
        row.status,
        row.score,
        _KINDS.setdefault(kinds, kinds),
        None if held is None else sys.intern(held.since),
        None if held is None else held.cause,
        row.updated_at,
        bound,
    )


def _rank_of(candidate: _Candidate) -> tuple[int, str]:
    return candidate.rank


def _latest(listed: Listed) -> tuple[int, str]:
    try:
        at = -1 if listed.updated_at is None else Timestamp.parse(listed.updated_at)
    except ValueError:
        at = -1
    return -at, listed.node_id


_RANKS: Final[Mapping[Order, Callable[[Listed], tuple[int, str]]]] = {
    Order.SCORE: lambda listed: (1 if listed.score is None else -listed.score, listed.node_id),
    Order.NODE: lambda listed: (0, listed.node_id),
    Order.UPDATED: _latest,
}
_DECODE: Final = msgspec.json.Decoder(Outline).decode
_KINDS: Final[dict[tuple[SignalKind, ...], tuple[SignalKind, ...]]] = {}
_SLACK: Final = 1_000
