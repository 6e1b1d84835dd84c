"""What the ledger's file holds for full-text search, and how one of an older schema is brought up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlite_utils import Database

from kordon.ledger.database import open_for_reading, open_for_writing
from kordon.ledger.errors import ForeignLedgerError
from kordon.ledger.tables import LEDGER_SCHEMA_VERSION, SEARCHED
from tests.ledgers.fleet import Fleet, Log
from tests.ledgers.made import a_days_ledger, dump, opened, operators, write


def require_searchable(file: Path) -> None:
    """Let FTS5 compare each index with its table: it raises if a row is missing, or there twice."""
    with Database(file, execute_plugins=False) as database:
        for table in SEARCHED:
            assert database.table(table.name).count > 0
            database.conn.execute(
                f'INSERT INTO "{table.name}_fts" ("{table.name}_fts", rank) VALUES (?, 1)', ("integrity-check",)
            )


def make_first_schema(file: Path) -> None:
    """Give a ledger the triggers that schema 1 had, as sqlite-utils makes them."""
    with Database(file, execute_plugins=False) as database:
        for table in SEARCHED:
            columns = ", ".join(f'"{name}"' for name in table.searched)
            values = ", ".join(f'new."{name}"' for name in table.searched)
            database.conn.execute(
                f'CREATE TRIGGER "{table.name}_ai" AFTER INSERT ON "{table.name}" BEGIN'
                f' INSERT INTO "{table.name}_fts" (rowid, {columns}) VALUES (new.rowid, {values}); END'
            )
        database.conn.execute("UPDATE about SET value = '1' WHERE name = 'schema_version'")
        database.conn.commit()


@pytest.mark.parametrize("at_once", [1, 7, 100_000])
def test_every_row_is_searchable_once_however_many_a_transaction_holds(tmp_path: Path, at_once: int) -> None:
    require_searchable(a_days_ledger(tmp_path, at_once=at_once))


def test_a_ledger_of_the_first_schema_goes_on_in_the_present_one(tmp_path: Path) -> None:
    operator, revoker, trust = operators(tmp_path)
    log = Log()
    records = [log.append(written) for written in Fleet(operator, revoker).day()]
    files = tmp_path / "whole.db", tmp_path / "older.db"
    for file in files:
        writer = opened(file, log, trust)
        write(writer, records[: len(records) // 2], at_once=7)
        writer.database.close()
    make_first_schema(files[1])
    with pytest.raises(ForeignLedgerError, match=f"schema 1, this Kordon writes {LEDGER_SCHEMA_VERSION}"):
        open_for_reading(files[1])
    for file in files:
        writer = opened(file, log, trust)
        write(writer, records[len(records) // 2 :], at_once=7)
        writer.database.close()
        require_searchable(file)
    assert dump(files[0]) == dump(files[1])


def test_a_file_that_is_no_ledger_and_one_of_a_newer_schema_are_refused(tmp_path: Path) -> None:
    file = a_days_ledger(tmp_path)
    with Database(file, execute_plugins=False) as database:
        database.conn.execute("UPDATE about SET value = '99' WHERE name = 'schema_version'")
        database.conn.commit()
    with pytest.raises(ForeignLedgerError, match="schema 99"):
        open_for_writing(file)
    with Database(tmp_path / "other.db", execute_plugins=False) as database:
        database.create_table("cats", {"name": str})
    with pytest.raises(ForeignLedgerError, match="no ledger"):
        open_for_writing(tmp_path / "other.db")
