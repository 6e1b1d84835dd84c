"""Parts for the unit tests of streams: records, a table of counts, and a writer that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition

from streams.runtime.copartition import Copartition
from streams.runtime.lag import Lag
from transport.outgoing import OutgoingRecord, OutgoingRows
from transport.writer import Committed

SOURCES = ("a", "b")


class Found(NamedTuple):
    """A record as aiokafka's parser makes it."""

    offset: int
    timestamp: int = 1000
    key: bytes | None = b"key"
    value: bytes | None = b"value"
    headers: Sequence[tuple[str, bytes | None]] = ()


class Counted:
    """A table that counts the records of each key."""

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}
        self.changed: set[bytes] = set()

    def gather_restored(self) -> None:
        """They are together."""

    def check_restored(self) -> None:
        """Any row will do."""

    def restore(self, key: bytes | None, value: bytes | None) -> None:
        assert key is not None
        assert value is not None
        self.rows[key] = int(value)

    def add(self, key: bytes) -> None:
        self.rows[key] = self.rows.get(key, 0) + 1
        self.changed.add(key)

    def take_changes(self) -> Sequence[tuple[bytes, bytes | None]]:
        changed, self.changed = self.changed, set()
        return [(key, str(self.rows[key]).encode()) for key in sorted(changed)]


class KeepingWriter:
    """Stands where the transactional writer stands: copies at the call, as that promises, and can be slow or fail."""

    def __init__(self) -> None:
        self.commits: list[tuple[list[OutgoingRecord], dict[TopicPartition, int], list[OutgoingRecord]]] = []
        self.waits_for: Coroutine[Any, Any, None] | None = None
        self.error: Exception | None = None
        self.closed = False

    def commit(
        self,
        records: Iterable[OutgoingRecord],
        offsets: Mapping[TopicPartition, int],
        group_id: str,
        last: Any,
        rows: OutgoingRows,
    ) -> Coroutine[Any, Any, Committed]:
        assert group_id == "group"
        taken = [OutgoingRecord(rows.topic, rows.partition, key, value) for key, value in rows.rows]
        return self._commit([*taken, *records], dict(offsets), last)

    async def _commit(self, records: list[OutgoingRecord], offsets: dict[TopicPartition, int], last: Any) -> Committed:
        if self.waits_for is not None:
            waits_for, self.waits_for = self.waits_for, None
            await waits_for
        if self.error is not None:
            raise self.error
        rows = [record for record in records if record.topic == "rows"]
        ends = {TopicPartition("rows", 3): len(rows) + 10} if rows else {}
        self.commits.append((records, offsets, list(last(ends))))
        return Committed(ends)

    async def close(self) -> None:
        self.closed = True


class Names:
    """What all commits have in common."""

    group_id = "group"
    changelog = "rows"
    progress_topic = "progress"
    policy_version = 7

    def source(self, topic: str) -> str:
        return f"prefix.{topic}"


def new_copartition(
    writer: KeepingWriter, now: Callable[[], int] = lambda: 0, **positions: int
) -> Copartition[Counted]:
    """Return co-partition 3 of 8, standing at ``positions`` (0 where not given).

    Everything before 0 was folded: by ``now``, ms since 1970, the fold lags behind.
    """
    return Copartition(
        3,
        8,
        Counted(),
        dict.fromkeys(SOURCES, 0) | positions,
        5,
        Lag(SOURCES, 0, lambda _: None, now),
        writer,  # type: ignore[arg-type]
        Names(),
    )
