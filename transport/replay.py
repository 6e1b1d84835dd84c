"""A dead letter written back to the topic it came from, once its cause is mended.

The record is a new one: raw key, value and own headers of the rejected record, in the partition where murmur2 places
the key, with the time of the replay as its timestamp (docs/adr/0008 says why not the original one). One header more
names the letter. In the same transaction a note goes to the letter's own partition of the dead-letter topic: without
value, with that header. The note is written after the letter and kept as long, so as long as a letter can be read, so
can what became of it; the source topic, which may be kept for a day, could not tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Self

from schemas.topics import COMMANDS, NETWORK, REGISTRY, REQUESTS, TELEMETRY, dlq_of
from transport.dead_letters import CUT, DIGEST, EXCEPTION, cause_of, digest_of_parts, own_headers
from transport.incoming import IncomingRecord
from transport.outgoing import OutgoingRecord, record_size
from transport.partitioner import partition_of
from transport.repartition import ForwardedRecordError
from transport.settings import KafkaSettings

REPLAY_OF: Final = "kordon-replay-of"
"""On a replayed record and on its note: where the letter lies, as `Place.text` writes it."""
REPLAYED_BY: Final = "kordon-replayed-by"
"""On the note: who replayed the letter."""
REPLAYED_RULE: Final = "kordon-replayed-rule"
"""On the note: the letter's `__streams.errors.exception`."""

REPLAYABLE: Final = frozenset({TELEMETRY, NETWORK, COMMANDS, REGISTRY, REQUESTS})
"""Topics (without prefix) that people and nodes write. What a service writes is not for anybody else to write again:
a decision would stand there twice."""

_POSITION_PARTS: Final = 3


class Place(NamedTuple):
    """Where a record lies; `topic` is the full name."""

    topic: str
    partition: int
    offset: int

    @property
    def text(self) -> str:
        """`topic/partition/offset`; no topic's name holds a slash."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The inverse of `text`; None for anything else."""
        parts = text.split("/")
        if len(parts) != _POSITION_PARTS or not all(part.isascii() and part.isdecimal() for part in parts[1:]):
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]))


class Unreplayable(StrEnum):
    """Why a letter cannot be replayed; the value is for people."""

    NO_LETTER = "its headers are not those of a dead letter of Kordon; somebody else wrote it"
    OTHER_TOPIC = "it names another topic than the one whose dead letters these are"
    FORGED = "it lay on the `.repartition` topic, where nobody but Kordon may write"
    SERVICE_TOPIC = "only Kordon's services write that topic"
    CUT = "it was too large and is cut; send the original record, which its digest identifies"
    DAMAGED = "key, value and headers are not those that its digest is of"
    NO_KEY = "it has no key, so no partition is right for it"
    TOO_LARGE = "with one header more it is larger than max_record_bytes"


def replayed_record(
    settings: KafkaSettings, letter: IncomingRecord, partitions: Mapping[str, int]
) -> OutgoingRecord | Unreplayable:
    """The record to write for a letter, read from a `.dlq` topic; or why there is none.

    `partitions` are the partition counts of the source topics by full name. An earlier replay's header is replaced.
    """
    cause, headers = cause_of(letter.headers), own_headers(letter.headers)
    if cause is None or headers is None:
        return Unreplayable.NO_LETTER
    if cause.exception == ForwardedRecordError.__name__:
        return Unreplayable.FORGED
    if letter.topic != dlq_of(cause.topic) or cause.topic not in partitions:
        return Unreplayable.OTHER_TOPIC
    if settings.without_prefix(cause.topic) not in REPLAYABLE:
        return Unreplayable.SERVICE_TOPIC
    last = dict(letter.headers)
    if letter.headers[-1][0] == CUT:
        return Unreplayable.CUT
    if digest_of_parts(letter.key, letter.value, headers).encode() != last[DIGEST]:
        return Unreplayable.DAMAGED
    if letter.key is None:
        return Unreplayable.NO_KEY
    marked = (*((name, value) for name, value in headers if name != REPLAY_OF), _marker(letter))
    partition = partition_of(letter.key, partitions[cause.topic])
    record = OutgoingRecord(cause.topic, partition, letter.key, letter.value, marked)
    return Unreplayable.TOO_LARGE if record_size(record) > settings.max_record_bytes else record


def note_of(letter: IncomingRecord, actor: str) -> OutgoingRecord:
    """The note, for the letter's own partition, that it was replayed."""
    rule = dict(letter.headers).get(EXCEPTION)
    headers = (_marker(letter), (REPLAYED_BY, actor.encode(errors="replace")), (REPLAYED_RULE, rule))
    return OutgoingRecord(letter.topic, letter.partition, letter.key, None, headers)


def noted_letter(record: IncomingRecord) -> Place | None:
    """Which letter a record of a `.dlq` topic notes as replayed; None if it is no note, so a letter.

    A letter may have the header too, as one of its own: that of an earlier replay.
    """
    if record.value is not None or own_headers(record.headers) is not None:
        return None
    marker = dict(record.headers).get(REPLAY_OF)
    place = None if marker is None else Place.parse(marker.decode(errors="replace"))
    return place if place is not None and place[:2] == (record.topic, record.partition) else None


def actor_of(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Who replayed a letter, by its note."""
    return (dict(headers).get(REPLAYED_BY) or b"").decode(errors="replace")


def rule_of(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """The rule that the letter of a note broke."""
    return (dict(headers).get(REPLAYED_RULE) or b"").decode(errors="replace")


def _marker(letter: IncomingRecord) -> tuple[str, bytes]:
    return REPLAY_OF, Place(letter.topic, letter.partition, letter.offset).text.encode()
