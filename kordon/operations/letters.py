"""Dead letters as an operator sees them: one letter, and very many counted by topic and rule. Pure.

A `.dlq` topic holds letters and, behind them, the notes of their replays (``transport.replay``).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from transport.dead_letters import CUT, DIGEST, TIMESTAMP, Cause, cause_of, own_headers
from transport.incoming import IncomingRecord
from transport.outgoing import Headers
from transport.replay import Place, noted_letter, rule_of

UNKNOWN_RULE: Final = "(not Kordon's)"
"""The rule of a record among the letters whose headers are not those of a letter."""

_LONGEST_KEY: Final = 128


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. ``at`` is when it was written, ms since the epoch; ``own_headers`` are the rejected record's.

    ``cause``, ``sha256``, ``timestamp`` (the rejected record's own) are None where somebody else than Kordon wrote it;
    ``cut`` says what was cut and how large it was, None if nothing.
    """

    place: Place
    at: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    own_headers: Headers
    cause: Cause | None
    timestamp: str | None
    sha256: str | None
    cut: str | None

    @property
    def rule(self) -> str:
        """What it broke, by the name in ``__streams.errors.exception``."""
        return UNKNOWN_RULE if self.cause is None else self.cause.exception

    @property
    def key_text(self) -> str:
        """The key for a line of text: as it is if it is short and printable, else its first bytes in hex."""
        return "" if self.key is None else readable(self.key[: _LONGEST_KEY + 1], _LONGEST_KEY)

    @property
    def message(self) -> str:
        """What was wrong, on one line."""
        return "" if self.cause is None else readable(self.cause.message.encode(errors="replace"))


def letter_of(record: IncomingRecord) -> Letter:
    """Return a record of a ``.dlq`` topic, which is no note, as a letter."""
    own = own_headers(record.headers)
    last = {} if own is None else {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    return Letter(
        Place(record.topic, record.partition, record.offset),
        record.timestamp,
        record.key,
        record.value,
        tuple(record.headers),
        tuple(record.headers) if own is None else own,
        None if own is None else cause_of(record.headers),
        last.get(TIMESTAMP),
        last.get(DIGEST),
        last[CUT] if own is not None and record.headers[-1][0] == CUT else None,
    )


def readable(content: bytes, longest: int | None = None, *, lines: bool = False) -> str:
    """Return bytes as text if they are printable UTF-8, else in hex with ``hex:`` before it.

    ``longest`` bounds the bytes shown; a cut ends in ``…``. With ``lines`` tabs and line ends count as printable.
    """
    shown, more = (content, "") if longest is None or len(content) <= longest else (content[:longest], "…")
    try:
        text = shown.decode()
    except UnicodeDecodeError:
        return f"hex:{shown.hex()}{more}"
    if all(character.isprintable() or (lines and character in "\n\t") for character in text):
        return text + more
    return f"hex:{shown.hex()}{more}"


@dataclass(slots=True)
class Count:
    """Letters of one topic and rule; times in ms since the epoch. ``replayed`` of them have a note."""

    letters: int = 0
    replayed: int = 0
    oldest: int = 0
    newest: int = 0

    def add(self, at: int) -> None:
        """Count a letter."""
        self.oldest = at if not self.letters else min(self.oldest, at)
        self.newest = max(self.newest, at)
        self.letters += 1


@dataclass(slots=True)
class Tally:
    """Counts of all letters read, and the ``limit`` newest of them; with ``rule``, of those that broke this one.

    ``counts`` is by dead-letter topic (full name) and rule. Nothing is remembered of a letter but its count, as there
    may be millions; notes are as many as people replayed.
    """

    limit: int
    rule: str | None = None
    counts: dict[tuple[str, str], Count] = field(default_factory=dict)
    _begins: dict[tuple[str, int], int] = field(default_factory=dict)
    _replayed: set[Place] = field(default_factory=set)
    _newest: list[tuple[int, Place, Letter]] = field(default_factory=list)

    def take(self, records: Iterable[IncomingRecord]) -> None:
        """Count records of a ``.dlq`` topic; each partition's come in the order of offsets, each once."""
        for record in records:
            begin = self._begins.setdefault((record.topic, record.partition), record.offset)
            noted = noted_letter(record)
            if noted is None:
                self._count(letter_of(record))
                continue
            self._replayed.add(noted)
            count = self.counts.get((noted.topic, rule_of(record.headers)))
            if count is not None and noted.offset >= begin:
                count.replayed += 1

    def is_replayed(self, letter: Letter) -> bool:
        """Tell whether a note names the letter."""
        return letter.place in self._replayed

    @property
    def newest(self) -> list[Letter]:
        """The newest letters, the newest first."""
        return [letter for _, _, letter in sorted(self._newest, key=lambda each: each[:2], reverse=True)]

    def _count(self, letter: Letter) -> None:
        if self.rule not in (None, letter.rule):
            return
        self.counts.setdefault((letter.place.topic, letter.rule), Count()).add(letter.at)
        heapq.heappush(self._newest, (letter.at, letter.place, letter))
        if len(self._newest) > self.limit:
            heapq.heappop(self._newest)
