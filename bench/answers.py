"""What an engine came to, and whether it is what the plain fold comes to.

The plain fold (:class:`policy.fleet.Fleet`) runs once, when records are prepared; its answer lies beside them. An
engine with another answer is not timed: a wrong answer can be had at any speed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from bench.workloads import BenchRecord
from policy.admission import Rejection
from policy.fleet import Fleet
from policy.policy_file import default_policy
from policy.risk import Folded
from schemas.codec import encode

READ_SECONDS: Final = 120.0


class Signal(msgspec.Struct, frozen=True):
    """A raised signal, as far as it is compared."""

    kind: str
    points: int


class Network(msgspec.Struct, frozen=True):
    """Where a node is or was."""

    ip: str | None = None
    asn: int | None = None
    region: str | None = None


class Held(msgspec.Struct, frozen=True):
    """Who quarantined a node."""

    cause: str


class Row(msgspec.Struct, frozen=True):
    """The policy's fields of a risk row; what only Kordon keeps (positions, times of change) is left out."""

    nodeId: str
    status: str
    score: int
    signals: list[Signal]
    revision: int
    baseline: Network | None = None
    current: Network | None = None
    lastNetworkAt: str | None = None
    lastTelemetryAt: str | None = None
    lastBootId: str | None = None
    lastShutdownClean: bool | None = None
    quarantine: Held | None = None


class Transition(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """The policy's fields of a transition."""

    nodeId: str
    from_: str
    to: str
    score: int
    cause: str


class Answer(msgspec.Struct):
    """Final rows by node id; transitions and dead letters, counted. ``transitions`` maps JSON to how often it came."""

    rows: dict[str, Row]
    transitions: dict[str, int]
    dead_letters: int

    def save(self, path: Path) -> None:
        """Write it to a file."""
        path.write_bytes(msgspec.msgpack.encode(self))

    @classmethod
    def load(cls, path: Path) -> Answer:
        """Read what :meth:`save` wrote."""
        return msgspec.msgpack.decode(path.read_bytes(), type=cls)


_ROW: Final = msgspec.json.Decoder(Row)
_TRANSITION: Final = msgspec.json.Decoder(Transition)


def row_of(value: bytes) -> Row:
    """Read a row from its changelog."""
    row = _ROW.decode(value)
    return msgspec.structs.replace(row, signals=sorted(row.signals, key=lambda signal: signal.kind))


class PlainFold:
    """Folds records by the rules alone, in the order given."""

    def __init__(self, *, exact: bool) -> None:
        self._fleet = Fleet(default_policy())
        self._exact = exact
        self._transitions: Counter[str] = Counter()
        self._rejected = 0

    def fold(self, record: BenchRecord) -> None:
        """Fold one record; its offset plays no part in what is compared."""
        outcome = self._fleet.fold(record.topic, record.partition, 0, record.timestamp, record.key, record.value)
        if isinstance(outcome, Rejection):
            self._rejected += 1
        elif isinstance(outcome, Folded) and outcome.transition is not None:
            self._transitions[transition_of(encode(outcome.transition), exact=self._exact)] += 1

    def answer(self) -> Answer:
        """Return what the records so far came to."""
        rows = {node_id: row_of(encode(row)) for node_id, row in self._fleet.rows.items()}
        return Answer(rows, dict(self._transitions), self._rejected)


def transition_of(value: bytes, *, exact: bool) -> str:
    """Return what is compared of a transition; not ``exact``, what does not depend on how topics interleave."""
    found = _TRANSITION.decode(value)
    if not exact:
        found = msgspec.structs.replace(found, score=0, cause="")
    return msgspec.json.encode(found).decode()


def read_answer(
    bootstrap_servers: str, rows: Iterable[str], quarantine: str, dead_letters: Iterable[str], *, exact: bool
) -> Answer:
    """Read an engine's answer from its topics (full names), at read_committed.

    Raises:
        TimeoutError: a topic could not be read to its end in time.
    """
    last: dict[bytes, bytes] = {}
    for key, value in (one for topic in rows for one in read_committed(bootstrap_servers, topic)):
        if value is None:
            last.pop(key, None)
        else:
            last[key] = value
    transitions = Counter(
        transition_of(value, exact=exact) for _, value in read_committed(bootstrap_servers, quarantine) if value
    )
    letters = sum(1 for topic in dead_letters for _ in read_committed(bootstrap_servers, topic))
    found = [row_of(value) for value in last.values()]
    return Answer({row.nodeId: row for row in found}, dict(transitions), letters)


def read_committed(bootstrap_servers: str, topic: str) -> Iterable[tuple[bytes, bytes | None]]:
    """Yield (key, value) of every committed record of a topic, each partition in its order."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "bench-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        open_ends = set(partitions)
        deadline = time.monotonic() + READ_SECONDS
        while open_ends:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} was not read to its end within {READ_SECONDS:g} s")
            for message in consumer.consume(10_000, timeout=0.5):
                error = message.error()
                if error is None:
                    yield message.key() or b"", message.value()
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name has the underscore
                    open_ends.discard(message.partition() or 0)
                elif not error.retriable():
                    raise RuntimeError(f"{topic}: {error}")
    finally:
        consumer.close()


def differences(found: Answer, expected: Answer, *, exact: bool) -> list[str]:
    """Say how an answer differs from the plain fold's, a line a kind; nothing if it does not."""
    told = []
    wrong: list[Any] = [
        node_id
        for node_id in found.rows.keys() | expected.rows.keys()
        if found.rows.get(node_id) != expected.rows.get(node_id)
    ]
    if wrong:
        first = min(wrong)
        told.append(
            f"{len(wrong)} of {len(expected.rows)} rows differ, among them {first}: "
            f"{found.rows.get(first)} instead of {expected.rows.get(first)}"
        )
    if found.transitions != expected.transitions:
        lost = Counter(expected.transitions) - Counter(found.transitions)
        added = Counter(found.transitions) - Counter(expected.transitions)
        told.append(f"{lost.total()} transitions are missing and {added.total()} are too many")
    if not exact and found.dead_letters != expected.dead_letters:
        told.append(f"{found.dead_letters} dead letters instead of {expected.dead_letters}")
    return told
