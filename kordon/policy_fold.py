"""Fold records from lines of JSON, as ``kcat -J`` prints them, by the rules of ``policy/`` alone."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from policy.admission import Rejection
from policy.fleet import INPUTS, Fleet
from policy.policy_file import Policy
from policy.risk import Folded
from schemas.quarantine import QuarantineTransition
from schemas.risk import RiskRow

LINES_A_CHUNK: Final = 4096
NO_TIMESTAMP: Final = -1
"""Kafka's own mark of a record without a timestamp."""


class KcatLine(msgspec.Struct, frozen=True, gc=False):
    """One record as ``kcat -J`` prints it. ``ts`` is in milliseconds; a ``null`` payload is a tombstone."""

    topic: str
    partition: int = 0
    offset: int = 0
    ts: int | None = None
    key: str | None = None
    payload: str | None = None


class UnreadableLineError(ValueError):
    """A line is not a record as ``kcat -J`` prints it. ``number`` counts from 1."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")
        self.number = number


class FoldSummary(msgspec.Struct, frozen=True):
    """What a fold came to; its JSON is what ``kordon policy fold`` prints.

    ``rows``: node id → [status, score, raised kinds sorted, cause of the quarantine or null, revision].
    ``transitions``: [node id, from, to, score, cause] in order. ``rejected``: records that go to the dead letters.
    ``late``: records older than what was folded in.
    """

    rows: dict[str, tuple[str, int, list[str], str | None, int]]
    transitions: list[tuple[str, str, str, int, str]]
    rejected: int
    late: int


class LineFold:
    """A fold over lines; ``skipped`` counts the records of topics that the fold does not read."""

    def __init__(self, policy: Policy, prefix: str = "") -> None:
        self.skipped = 0
        self._prefix = prefix
        self._fleet = Fleet(policy)
        self._lines = 0
        self._rejected = 0
        self._late = 0
        self._transitions: list[QuarantineTransition] = []
        self._decode = msgspec.json.Decoder(KcatLine).decode

    def fold(self, lines: Iterable[bytes]) -> None:
        """Fold the records of some more lines, in the order given; empty lines are passed over.

        Raises:
            UnreadableLineError: a line is no record; those before it are folded.
        """
        fold, prefix = self._fleet.fold, self._prefix
        for line in lines:
            self._lines += 1
            try:
                record = self._decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if not line.strip():
                    continue
                record = self._decode_leniently(line)
            topic = record.topic.removeprefix(prefix)
            if topic not in INPUTS:
                self.skipped += 1
                continue
            value = None if record.payload is None else record.payload.encode(errors="surrogatepass")
            timestamp = NO_TIMESTAMP if record.ts is None else record.ts
            outcome = fold(topic, record.partition, record.offset, timestamp, record.key, value)
            if isinstance(outcome, Folded):
                if outcome.transition is not None:
                    self._transitions.append(outcome.transition)
            elif isinstance(outcome, Rejection):
                self._rejected += 1
            else:
                self._late += 1

    def _decode_leniently(self, line: bytes) -> KcatLine:
        # A payload may hold an unpaired surrogate, which JSON can spell and msgspec refuses: it is one bad record
        # (its bytes are no UTF-8), not a bad file.
        try:
            return msgspec.convert(json.loads(line), KcatLine)
        except (ValueError, RecursionError) as error:
            raise UnreadableLineError(self._lines, str(error)) from None

    def summary(self) -> FoldSummary:
        """Return what the lines so far came to."""
        return FoldSummary(
            rows={node_id: _summed_up(row) for node_id, row in self._fleet.rows.items()},
            transitions=[(each.nodeId, each.from_, each.to, each.score, each.cause) for each in self._transitions],
            rejected=self._rejected,
            late=self._late,
        )


def in_chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines in lists of up to :data:`LINES_A_CHUNK`."""
    remaining = iter(lines)
    while chunk := list(islice(remaining, LINES_A_CHUNK)):
        yield chunk


def _summed_up(row: RiskRow) -> tuple[str, int, list[str], str | None, int]:
    kinds: list[Any] = sorted(signal.kind for signal in row.signals)
    return row.status, row.score, kinds, row.quarantine.cause if row.quarantine else None, row.revision
