"""Fold records from lines of JSON, as ``kcat -J`` prints them, by the rules of ``policy/`` alone."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple
from zlib import crc32

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
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[int, str]]:
        return type(self), (self.number, self.reason)


class UnsplittableError(Exception):
    """A line's key is spelled so that its share cannot be told from the bytes; fold the lines in one piece."""


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


class Share(NamedTuple):
    """Which lines a fold takes: those of the nodes of share ``number``, from 0, of ``shares``."""

    number: int
    shares: int


class PartialFold(NamedTuple):
    """What one share of the lines came to. ``seen_at`` is the line of each node's first record."""

    summary: FoldSummary
    seen_at: Mapping[str, int]
    transitions_at: list[int]
    skipped: int


WHOLE: Final = Share(0, 1)


class LineFold:
    """A fold over lines; ``skipped`` counts the records of topics that the fold does not read.

    With a :class:`Share` it takes the lines of that share's nodes and passes over the others: as no node's row depends
    on another's, all shares together are the whole.
    """

    def __init__(self, policy: Policy, prefix: str = "", share: Share = WHOLE) -> None:
        self.skipped = 0
        self._prefix = prefix
        self._share = share
        self._fleet = Fleet(policy)
        self._steady = {topic: self._fleet.steady(topic) for topic in INPUTS}
        self._lines = 0
        self._rejected = 0
        self._late = 0
        self._seen_at: dict[str, int] = {}
        self._transitions: list[QuarantineTransition] = []
        self._transitions_at: list[int] = []
        self._decode = msgspec.json.Decoder(KcatLine).decode

    def fold(self, lines: Iterable[bytes]) -> None:
        """Fold the records of some more lines, in the order given; empty lines are passed over.

        Raises:
            UnreadableLineError: a line is no record; those before it are folded.
            UnsplittableError: a share was asked for, and a line does not say plainly to which it belongs.
        """
        decode, prefix, steady = self._decode, self._prefix, self._steady
        number, is_part = self._lines, self._share.shares > 1
        index, count = self._share
        for line in lines:
            number += 1
            if is_part and share_of(line, count) != index:
                continue
            try:
                record = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if not line.strip():
                    continue
                record = _decode_leniently(line, number)
            if is_part:
                self._check_share(record.key)
            topic = record.topic.removeprefix(prefix) if prefix else record.topic
            advance = steady.get(topic)
            if advance is None:
                self.skipped += 1
                continue
            value = None if record.payload is None else record.payload.encode(errors="surrogatepass")
            timestamp = NO_TIMESTAMP if record.ts is None else record.ts
            if record.key is None or advance(record.key.encode(errors="surrogatepass"), value, timestamp) is None:
                self._judge(number, topic, record, timestamp, value)
        self._lines = number

    def _judge(self, number: int, topic: str, record: KcatLine, timestamp: int, value: bytes | None) -> None:
        outcome = self._fleet.fold(topic, record.partition, record.offset, timestamp, record.key, value)
        if isinstance(outcome, Folded):
            self._seen_at.setdefault(outcome.row.nodeId, number)
            if outcome.transition is not None:
                self._transitions.append(outcome.transition)
                self._transitions_at.append(number)
        elif isinstance(outcome, Rejection):
            self._rejected += 1
        else:
            self._late += 1

    def _check_share(self, key: str | None) -> None:
        index, count = self._share
        belongs = 0 if key is None else crc32(key.encode(errors="surrogatepass")) % count
        if belongs != index:
            raise UnsplittableError

    def summary(self) -> FoldSummary:
        """Return what the lines so far came to."""
        return FoldSummary(
            rows={node_id: _summed_up(row) for node_id, row in self._fleet.standings.items()},
            transitions=[(each.nodeId, each.from_, each.to, each.score, each.cause) for each in self._transitions],
            rejected=self._rejected,
            late=self._late,
        )

    def partial(self) -> PartialFold:
        """Return what this share came to, so that it can be joined with the others."""
        return PartialFold(self.summary(), self._seen_at, self._transitions_at, self.skipped)


def joined(parts: Iterable[PartialFold]) -> tuple[FoldSummary, int]:
    """Return what the shares came to together, in the order of the lines, and how many records were skipped."""
    parts = list(parts)
    order = sorted((line, node_id, part) for part, each in enumerate(parts) for node_id, line in each.seen_at.items())
    transitions = sorted(
        (line, transition)
        for each in parts
        for line, transition in zip(each.transitions_at, each.summary.transitions, strict=True)
    )
    summary = FoldSummary(
        rows={node_id: parts[part].summary.rows[node_id] for _, node_id, part in order},
        transitions=[transition for _, transition in transitions],
        rejected=sum(each.summary.rejected for each in parts),
        late=sum(each.summary.late for each in parts),
    )
    return summary, sum(each.skipped for each in parts)


def share_of(line: bytes, count: int) -> int:
    """Return the share, from 0, to which a line's node belongs; 0 where its bytes do not say a key plainly.

    JSON escapes quotes within strings, so ``"key":"`` stands nowhere but before a key. Whoever takes the line checks.
    """
    start = line.find(b'"key":"') + 7
    if start < 7:  # noqa: PLR2004 - not found, or spelled with blanks
        found = _KEY.search(line)
        return crc32(found[1]) % count if found else 0
    return crc32(line[start : line.find(b'"', start)]) % count


def in_chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines in lists of up to :data:`LINES_A_CHUNK`."""
    remaining = iter(lines)
    while chunk := list(islice(remaining, LINES_A_CHUNK)):
        yield chunk


def _decode_leniently(line: bytes, number: int) -> KcatLine:
    # A payload may hold an unpaired surrogate, which JSON can spell and msgspec refuses: it is one bad record
    # (its bytes are no UTF-8), not a bad file.
    try:
        return msgspec.convert(json.loads(line), KcatLine)
    except (ValueError, RecursionError) as error:
        raise UnreadableLineError(number, str(error)) from None


def _summed_up(row: RiskRow) -> tuple[str, int, list[str], str | None, int]:
    kinds: list[Any] = sorted(signal.kind for signal in row.signals)
    return row.status, row.score, kinds, row.quarantine.cause if row.quarantine else None, row.revision


_KEY: Final = re.compile(rb'"key"\s*:\s*"([^"\\]*)"')
