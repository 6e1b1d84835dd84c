"""The ledger's file: made, opened for the one writer, opened for readers.

WAL lets people ask while the writer writes. ``synchronous=NORMAL`` may take back the last transactions at a power cut,
whole ones, their positions with them; what they held is then read again.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from types import NoneType
from typing import Final
from urllib.parse import quote

from sqlite_utils import Database

from kordon.ledger.errors import ForeignLedgerError, NoLedgerError
from kordon.ledger.tables import ABOUT, LEDGER_SCHEMA_VERSION, SEARCHED, TABLES
from kordon.ledger.views import VIEWS

_BUSY_SECONDS: Final = 10.0
_CACHE_KIB: Final = 65_536
_WITH_TRIGGERS: Final = "1"
"""The schema of which only the triggers went that made each row searchable."""


def open_for_writing(path: Path) -> Database:
    """Open or make the file; the caller holds its lock (``kordon.ledger.lock``). It may be used by any thread.

    Raises:
        ForeignLedgerError: it is a ledger of another version, or no ledger.
        sqlite3.Error: it cannot be opened or read.
    """
    made = not path.exists()
    if sys.version_info < (3, 12):
        # There sqlite3 looks for an adapter in vain for each None that it binds, half of a row's columns.
        sqlite3.register_adapter(NoneType, lambda none: none)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    database = Database(connection, execute_plugins=False)
    try:
        if made:
            path.chmod(0o600)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        database.enable_wal()
        if not database.table_names():
            _make(database)
        elif _version(database) == _WITH_TRIGGERS:
            _bring_up(database)
        _check_version(database, path)
    except BaseException:
        database.close()
        raise
    return database


def open_for_reading(path: Path) -> Database:
    """Open the file so that nothing can be written.

    Raises:
        NoLedgerError: there is none.
        ForeignLedgerError: it is a ledger of another version, or no ledger.
        sqlite3.Error: it cannot be opened or read.
    """
    if not path.exists():
        raise NoLedgerError(
            f"there is no ledger at {path}",
            "`kordon ledger run` makes it; KORDON_LEDGER_FILE names another place.",
        )
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    try:
        _check_version(database, path)
    except BaseException:
        database.close()
        raise
    return database


def about(database: Database) -> dict[str, str]:
    """What the ledger says it is of, by name (``tables.ABOUT``)."""
    return dict(database.conn.execute("SELECT name, value FROM about").fetchall())


def _make(database: Database) -> None:
    """Make everything in one transaction, so that a kill leaves an empty file or a whole ledger."""
    with database.atomic():
        for table in TABLES.values():
            made = database.create_table(
                table.name, dict(table.columns), pk=table.key if len(table.key) > 1 else table.key[0]
            )
            for index in table.indexes:
                made.create_index(index)
            if table.searched:
                made.enable_fts(table.searched, create_triggers=True, tokenize="unicode61")
        _drop_insert_triggers(database)
        for name, sql in VIEWS.items():
            database.create_view(name, sql)
        database.conn.execute(ABOUT.insert, ("schema_version", str(LEDGER_SCHEMA_VERSION)))


def _bring_up(database: Database) -> None:
    with database.atomic():
        _drop_insert_triggers(database)
        database.conn.execute("UPDATE about SET value = ? WHERE name = 'schema_version'", (str(LEDGER_SCHEMA_VERSION),))


def _drop_insert_triggers(database: Database) -> None:
    """Leave it to the writer to make rows searchable; the triggers for rows that are pruned stay."""
    for table in SEARCHED:
        database.conn.execute(f'DROP TRIGGER "{table.name}_ai"')  # as sqlite-utils named it


def _version(database: Database) -> str | None:
    try:
        return about(database).get("schema_version")
    except sqlite3.OperationalError:
        return None


def _check_version(database: Database, path: Path) -> None:
    version = _version(database)
    if version is None:
        raise ForeignLedgerError(f"{path} is no ledger", "Name another file with KORDON_LEDGER_FILE.")
    if version != str(LEDGER_SCHEMA_VERSION):
        raise ForeignLedgerError(
            f"{path} has schema {version}, this Kordon writes {LEDGER_SCHEMA_VERSION}",
            "A higher one needs the Kordon that wrote it; a lower one `kordon ledger run` brings up to date.",
        )
