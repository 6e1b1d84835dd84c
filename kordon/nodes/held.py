"""Who is held now, and why: risk rows joined with the transitions that began their quarantines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from schemas.codec import DecodeError, decode
from schemas.quarantine import QuarantineTransition
from schemas.risk import Cause, RiskRow, Signal
from schemas.timestamp import Timestamp
from schemas.topics import QUARANTINE, RISK

if TYPE_CHECKING:
    from transport.incoming import IncomingRecord


class Held(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A held node, as ``kordon quarantine list --json`` prints it.

    ``cause``, ``since`` and ``quarantine_score`` are of its quarantine, ``score`` is the row's now; ``actor`` and
    ``reason`` the transition's, None where policy began it. ``signals`` are raised now.
    """

    node_id: str
    since: Timestamp
    cause: Cause
    quarantine_score: int
    score: int
    actor: str | None
    reason: str | None
    signals: tuple[Signal, ...]
    transition_id: str


class HeldNodes:
    """Fed with risk rows, then with transitions, each in offset order; keeps held nodes alone.

    ``unreadable`` counts rows that could not be read: nobody knows whether those nodes are held.
    """

    def __init__(self) -> None:
        self._held: dict[bytes, RiskRow] = {}
        self._unreadable: set[bytes] = set()
        self._transitions: dict[str, QuarantineTransition] = {}

    @property
    def unreadable(self) -> int:
        """How many nodes' rows cannot be read."""
        return len(self._unreadable)

    def read_row(self, record: IncomingRecord) -> None:
        """Take in a row in place of its node's earlier one."""
        key = record.key or b""
        self._held.pop(key, None)
        self._unreadable.discard(key)
        # A fleet has few held nodes and many others, whose rows are not worth decoding. A row's quarantine is absent
        # or not null, so its name stands in the bytes; where it stands for another reason, decoding tells.
        if record.value is None or b'"quarantine' not in record.value:
            return
        try:
            row = decode(RiskRow, record.value, RISK)
        except DecodeError:
            self._unreadable.add(key)
            return
        if row.quarantine is not None:
            self._held[key] = row

    def read_transition(self, record: IncomingRecord) -> None:
        """Take in a transition, if it began one of the quarantines that are known by now."""
        row = self._held.get(record.key or b"")
        if row is None or row.quarantine is None:
            return
        try:
            transition = decode(QuarantineTransition, record.value, QUARANTINE)
        except DecodeError:
            return
        if transition.transitionId == row.quarantine.transitionId:
            self._transitions[transition.transitionId] = transition

    def nodes(self, cause: Cause | None = None) -> list[Held]:
        """Return who is held, those held last first, then by name; of one ``cause`` alone if it is given."""
        held = [self._told(row) for row in self._held.values()]
        wanted = [each for each in held if cause is None or each.cause is cause]
        return sorted(wanted, key=lambda each: (-each.since, each.node_id))

    def _told(self, row: RiskRow) -> Held:
        assert row.quarantine is not None
        quarantine = row.quarantine
        transition = self._transitions.get(quarantine.transitionId)
        return Held(
            row.nodeId,
            quarantine.since,
            quarantine.cause,
            quarantine.score,
            row.score,
            None if transition is None else transition.actor,
            None if transition is None else transition.reason,
            row.signals,
            quarantine.transitionId,
        )
