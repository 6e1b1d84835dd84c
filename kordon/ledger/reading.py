"""Asking the ledger: SQL that only reads, full-text search, and how it stands."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlite_utils import Database

from kordon.ledger.database import about, open_for_reading
from kordon.ledger.errors import QueryError
from kordon.ledger.lock import writer_of
from kordon.ledger.tables import CONTENT, TABLES

SEARCHED: Final = tuple(table for table in TABLES.values() if table.searched)

_STEPS_BETWEEN_SIGNALS: Final = 100_000


class Answer(NamedTuple):
    """A query's columns, in order, and its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Found(NamedTuple):
    """One entry that a search found; ``text`` is what matched, the words in brackets."""

    kind: str
    at: str | None
    node_id: str | None
    text: str
    topic: str | None
    partition: int
    offset: int


class Status(NamedTuple):
    """How a ledger stands. ``positions`` maps (topic without prefix, partition) to the next offset to read."""

    file: str
    bytes: int
    about: Mapping[str, str]
    writer: int | None
    rows: Mapping[str, int]
    first: Mapping[str, str | None]
    positions: Mapping[tuple[str, int], int]


def ask(file: Path, sql: str, parameters: Mapping[str, str] | None = None) -> Answer:
    """Run one SELECT; ``parameters`` fill ``:name``.

    Raises:
        QueryError: SQLite refuses it, or it returns no rows because it is no query.
        NoLedgerError, ForeignLedgerError: there is no ledger to ask.
    """
    with open_for_reading(file) as database:
        # Ctrl-C is noticed by Python code alone, which a long query would not run.
        database.conn.set_progress_handler(lambda: 0, _STEPS_BETWEEN_SIGNALS)
        try:
            cursor = database.conn.execute(sql, dict(parameters or {}))
            if cursor.description is None:
                raise QueryError("the statement returns no rows", _SEE)
            return Answer([column[0] for column in cursor.description], cursor.fetchall())
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise QueryError(f"SQLite says: {error}", _SEE) from None


_SEE: Final = "docs/ledger.md shows the tables, and a dozen questions; the ledger is only read."


def search(file: Path, words: str, *, limit: int, syntax: bool = False) -> list[Found]:
    """Find entries that hold every word, the newest first; a capsule or request id finds its decision.

    ``syntax`` hands ``words`` to SQLite's FTS5 as they are (AND, OR, NOT, prefix*, column:word).

    Raises:
        QueryError: the expression is not one of FTS5's.
        NoLedgerError, ForeignLedgerError: there is no ledger to ask.
    """
    with open_for_reading(file) as database:
        expression = words if syntax else database.quote_fts(words)
        found: list[Found] = []
        refusals = []
        for table in SEARCHED:
            try:
                found += _found_in(database, table.name, expression, limit)
            except sqlite3.OperationalError as error:
                refusals.append(error)
        # A column that only some tables have is asked of these; what none understands is no expression.
        if len(refusals) == len(SEARCHED):
            raise QueryError(f"SQLite says: {refusals[0]}", "See `kordon ledger search --help`.")
        found += _decisions_named(database, words.strip(), limit)
        return sorted(found, key=lambda each: each.at or "", reverse=True)[:limit]


def status(file: Path) -> Status:
    """Return how the ledger stands, without asking Kafka. Raises as :func:`ask`."""
    with open_for_reading(file) as database:
        connection = database.conn
        positions = connection.execute("SELECT topic, partition, next_offset FROM positions").fetchall()
        first = {
            table.name: connection.execute(f'SELECT min({table.time}) FROM "{table.name}"').fetchone()[0]  # noqa: S608 - fixed names
            for table in CONTENT
            if table.time is not None
        }
        return Status(
            str(file),
            file.stat().st_size,
            about(database),
            writer_of(file),
            {table.name: database.table(table.name).count for table in CONTENT},
            first,
            {(topic, partition): offset for topic, partition, offset in positions},
        )


def _found_in(database: Database, table: str, expression: str, limit: int) -> list[Found]:
    topic = "entry.topic" if "topic" in TABLES[table].columns else "NULL"
    statement = f"""
        SELECT '{table}', entry.at, entry.node_id, snippet("{table}_fts", -1, '[', ']', '…', 16), {topic},
            entry.partition, entry.offset
        FROM "{table}_fts" JOIN "{table}" AS entry ON entry.rowid = "{table}_fts".rowid
        WHERE "{table}_fts" MATCH ? ORDER BY entry.at DESC LIMIT ?"""  # noqa: S608 - fixed names
    return [Found(*row) for row in database.conn.execute(statement, (expression, limit))]


def _decisions_named(database: Database, name: str, limit: int) -> list[Found]:
    statement = """
        SELECT 'decisions', at, node_id,
            CASE WHEN denied THEN 'denied: ' || coalesce(reason, '') ELSE 'capsule ' || coalesce(capsule_id, '') END,
            NULL, partition, offset
        FROM decisions WHERE capsule_id = :name OR request_id = :name OR node_id = :name
        ORDER BY at DESC LIMIT :limit"""
    return [Found(*row) for row in database.conn.execute(statement, {"name": name, "limit": limit})]
