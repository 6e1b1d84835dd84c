"""The one writer: a batch of records and the positions behind it, in one SQLite transaction.

A kill before COMMIT leaves neither, after it both. Rows are added with plain INSERT: a record that came twice would be
an error, never a silent second row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from sqlite_utils import Database

from kordon.ledger.enrolments import Enrolments
from kordon.ledger.errors import NewerRecordError
from kordon.ledger.rows import (
    Row,
    binding_row,
    command_row,
    dead_letter_row,
    decision_row,
    risk_row,
    transition_row,
    unreadable_row,
)
from kordon.ledger.signatures import SignatureCheck
from kordon.ledger.tables import (
    BINDINGS,
    COMMANDS,
    DEAD_LETTERS,
    DECISIONS,
    RISK,
    SEARCHED,
    TRANSITIONS,
    UNREADABLE,
    LedgerTable,
)
from schemas import topics
from schemas.codec import DecodeError, Message, decode
from schemas.commands import Command
from schemas.decisions import CapsuleDecision
from schemas.quarantine import QuarantineTransition
from schemas.registry import Binding, RegistryRecord
from schemas.risk import RISK_SCHEMA_VERSION, RiskRow
from transport.incoming import IncomingRecord
from transport.replay import noted_letter
from transport.settings import KafkaSettings
from transport.trust import Trust

FOLLOWED: Final = (
    topics.REGISTRY,
    topics.BINDINGS,
    topics.RISK,
    topics.QUARANTINE,
    topics.DECISIONS,
    topics.COMMANDS,
    *(name for name in topics.TOPICS if name.endswith(".dlq")),
)
"""The topics that the ledger follows, names without prefix."""

Records = Sequence[IncomingRecord]

_MOVE: Final = "UPDATE positions SET next_offset = ? WHERE topic = ? AND partition = ?"


class LedgerWriter:
    """Writes batches to an opened ledger of ``partitions`` partitions a topic; ``trust`` None: nothing is verified."""

    def __init__(self, database: Database, settings: KafkaSettings, trust: Trust | None, partitions: int) -> None:
        self.database = database
        self._connection = database.conn
        self._settings = settings
        self._commands = SignatureCheck(topics.COMMANDS, trust, partitions)
        self._enrolments = Enrolments(self._connection, SignatureCheck(topics.REGISTRY, trust, partitions))
        take: dict[str, Callable[[Records], None]] = {
            topics.REGISTRY: self._take_registry,
            topics.BINDINGS: lambda records: self._take_latest(
                topics.BINDINGS, BINDINGS, Binding, binding_row, records
            ),
            topics.RISK: lambda records: self._take_latest(topics.RISK, RISK, RiskRow, risk_row, records),
            topics.QUARANTINE: lambda records: self._take_each(
                topics.QUARANTINE, TRANSITIONS, QuarantineTransition, transition_row, records
            ),
            topics.DECISIONS: lambda records: self._take_each(
                topics.DECISIONS, DECISIONS, CapsuleDecision, decision_row, records
            ),
            topics.COMMANDS: self._take_commands,
        }
        self._take = {settings.topic(name): function for name, function in take.items()}

    def write(
        self,
        batches: Mapping[TopicPartition, Records],
        positions: Mapping[TopicPartition, int],
    ) -> None:
        """Write records, each partition's in the order of offsets, and the next offsets of the partitions that moved.

        Raises:
            NewerRecordError: a record is of a newer schema; nothing of the batch is written.
            sqlite3.Error: the file cannot be written; nothing of the batch is.
        """
        with self.database.atomic():
            newest = [self._newest(table) for table in SEARCHED]
            for place, records in batches.items():
                take = self._take.get(place.topic)
                if take is None:
                    self._take_dead_letters(self._settings.without_prefix(place.topic), records)
                else:
                    take(records)
            for table, rowid in zip(SEARCHED, newest, strict=True):
                self._connection.execute(table.add_to_search, (rowid,))
            self._connection.executemany(
                _MOVE,
                [
                    (offset, self._settings.without_prefix(place.topic), place.partition)
                    for place, offset in positions.items()
                ],
            )

    def _newest(self, table: LedgerTable) -> int:
        """Return the highest rowid, which the next row's is above."""
        found: int | None = self._connection.execute(f'SELECT max(rowid) FROM "{table.name}"').fetchone()[0]  # noqa: S608 - fixed names
        return found or 0

    def _take_each(
        self,
        topic: str,
        table: LedgerTable,
        message_type: type[Message],
        row_of: Callable[[Message, IncomingRecord], Row],
        records: Records,
    ) -> None:
        rows: list[Row] = []
        for record in records:
            message = self._decoded(topic, message_type, record)
            if message is not None:
                rows.append(row_of(message, record))
        self._connection.executemany(table.insert, rows)

    def _take_latest(
        self,
        topic: str,
        table: LedgerTable,
        message_type: type[Message],
        row_of: Callable[[Message, IncomingRecord], Row],
        records: Records,
    ) -> None:
        """Take in a compacted topic: only the last record of each key says anything, as compaction itself has it.

        A last record that cannot be read takes the row with it: what the node is now is not known.
        """
        rows: list[Row] = []
        gone: list[tuple[str]] = []
        for key, record in {record.key: record for record in records}.items():
            message = None if record.value is None else self._decoded(topic, message_type, record)
            if message is None:
                gone.append(((key or b"").decode(errors="replace"),))
            else:
                rows.append(row_of(message, record))
        self._connection.executemany(f'DELETE FROM "{table.name}" WHERE node_id = ?', gone)  # noqa: S608 - fixed names
        self._connection.executemany(table.upsert, rows)

    def _take_registry(self, records: Records) -> None:
        for record in records:
            # The signature says who speaks for whom, so the key is judged with it.
            message = self._decoded(topics.REGISTRY, RegistryRecord, record, keyed=False)
            if message is not None:
                self._enrolments.add(record, message)

    def _take_commands(self, records: Records) -> None:
        rows: list[Row] = []
        for record in records:
            message = self._decoded(topics.COMMANDS, Command, record, keyed=False)
            if message is not None:
                rows.append(command_row(message, record, self._commands.judge(record, message)))
        self._connection.executemany(COMMANDS.insert, rows)

    def _take_dead_letters(self, topic: str, records: Records) -> None:
        # The note of a replay lies among the letters and is none.
        letters = (record for record in records if noted_letter(record) is None)
        rows = [dead_letter_row(topic, record, self._settings) for record in letters]
        self._connection.executemany(DEAD_LETTERS.insert, rows)

    def _decoded(
        self, topic: str, message_type: type[Message], record: IncomingRecord, *, keyed: bool = True
    ) -> Message | None:
        """Return the message, or None having noted why there is none."""
        try:
            message = decode(message_type, record.value, topic)
        except DecodeError as error:
            self._note(unreadable_row(topic, record, error))
            return None
        if isinstance(message, RiskRow) and message.schemaVersion > RISK_SCHEMA_VERSION:
            raise NewerRecordError(
                f"{record.topic} [{record.partition}] offset {record.offset} has schema {message.schemaVersion}, this "
                f"ledger knows {RISK_SCHEMA_VERSION}; what it says beyond would be lost",
                "Run the ledger of the worker's version.",
            )
        named: Any = message
        if keyed and record.key != named.nodeId.encode():
            self._note(unreadable_row(topic, record, "KeyMismatch"))
            return None
        return message

    def _note(self, row: Row) -> None:
        self._connection.execute(UNREADABLE.upsert, row)
