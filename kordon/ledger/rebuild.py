"""A ledger made anew from what the topics still hold, beside the present one, which stays until the new one is whole.

1. Take the writer's lock; drop what an earlier attempt left. A crash here leaves the present ledger.
2. Read every topic from the first record kept to the high watermark, into a file of its own. A crash leaves that file,
   which the next attempt drops.
3. Prune by the policy, as the ledger would have.
4. Count what only the present ledger has. Anything: stop, unless that loss was accepted; then the present ledger is
   kept beside the new one.
5. Fold the write-ahead logs into both files, so that neither needs another file beside it, and put the new one in the
   present one's place by one rename. A crash before it leaves the present ledger, after it the new one.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from sqlite_utils import Database

from kordon.ledger.database import open_for_reading, open_for_writing
from kordon.ledger.errors import ForeignLedgerError, LedgerInUseError, RebuildLossError
from kordon.ledger.following import Follower
from kordon.ledger.lock import writing
from kordon.ledger.origin import Origin, begin, look
from kordon.ledger.retention import cutoffs, prune
from kordon.ledger.settings import LedgerSettings
from kordon.ledger.tables import CONTENT, LedgerTable
from kordon.ledger.writer import LedgerWriter
from transport.settings import KafkaSettings
from transport.trust import Trust

UNREADABLE_FILE: Final = "file"
"""What is lost, by name, where the present ledger cannot be read."""


class Rebuilt(NamedTuple):
    """What a rebuild made: rows by table; what only the former ledger had, by table, and where that was put."""

    rows: Mapping[str, int]
    lost: Mapping[str, int]
    former: Path | None


class Advance:
    """Told of the whole, in offsets, then of each step; the base tells nobody."""

    def begin(self, offsets: int) -> None:
        """So many offsets lie between the first record kept and the end."""

    def passed(self, offsets: int) -> None:
        """So many more are behind the rebuild."""


async def rebuild(
    kafka: KafkaSettings,
    settings: LedgerSettings,
    trust: Trust | None,
    *,
    accept_loss: bool,
    advance: Advance | None = None,
) -> Rebuilt:
    """Make the ledger anew; the topics' end is the high watermark at this call.

    Raises:
        LedgerInUseError: another process writes the ledger, or a reader keeps its log from being folded in.
        RebuildLossError: the present ledger has rows that the topics no longer hold, and ``accept_loss`` is not set.
        LedgerError, KafkaError, sqlite3.Error: the topics or the disk are not as they should be.
    """
    with writing(settings.file):
        new = settings.file.with_name(settings.file.name + ".rebuilding")
        _remove(new)
        origin = await look(kafka)
        now = time.time_ns() // 1_000_000
        database = open_for_writing(new)
        try:
            await _read(kafka, settings, trust, database, origin, advance or Advance())
            prune(database, settings, now)
            database.analyze()
            rows = {table.name: database.table(table.name).count for table in CONTENT}
            lost = _only_in_former(settings, database, now)
            if not accept_loss:
                _refuse_loss(settings.file, lost)
            _fold_in(database, new)
        except BaseException:
            database.close()
            _remove(new)
            raise
        database.close()
        return Rebuilt(rows, lost, _put_in_place(new, settings.file, keep_former=bool(lost)))


async def _read(
    kafka: KafkaSettings,
    settings: LedgerSettings,
    trust: Trust | None,
    database: Database,
    origin: Origin,
    advance: Advance,
) -> None:
    positions = begin(database, kafka, origin, verifying=trust is not None)
    advance.begin(sum(origin.high[place] - offset for place, offset in positions.items()))
    writer = LedgerWriter(database, kafka, trust, origin.partitions)

    def passed(_records: int, offsets: int) -> None:
        advance.passed(offsets)

    await Follower(kafka, settings, writer, positions, passed).read_to(origin.high)


def _only_in_former(settings: LedgerSettings, database: Database, now: int) -> dict[str, int]:
    """Count, by table, the rows of the present ledger that the new one lacks, and that the policy would keep."""
    if not settings.file.exists():
        return {}
    try:
        open_for_reading(settings.file).close()
    except (sqlite3.Error, ForeignLedgerError):
        return {UNREADABLE_FILE: 1}
    database.conn.execute("ATTACH ? AS former", (str(settings.file),))
    try:
        kept_from = cutoffs(settings, now)
        counts = {table.name: _count_missing(database, table, kept_from.get(table.name)) for table in CONTENT}
    finally:
        database.conn.execute("DETACH former")
    return {name: count for name, count in counts.items() if count}


def _refuse_loss(present: Path, lost: Mapping[str, int]) -> None:
    if lost:
        listed = ", ".join(f"{count} of {name}" for name, count in lost.items())
        raise RebuildLossError(
            f"the topics no longer hold what only {present} has: {listed}",
            "Keep it, or rebuild with --accept-loss; that puts the present file aside, as .former.",
        )


def _count_missing(database: Database, table: LedgerTable, kept_from: str | None) -> int:
    # The time beside the place: offsets of a topic that was created anew mean other records.
    identity = (*table.key, table.time) if table.time is not None else table.key
    same = " AND ".join(f"new.{column} IS former.{column}" for column in identity)
    kept = "1" if kept_from is None else "former.at >= :kept_from"
    statement = f"""
        SELECT count(*) FROM former."{table.name}" AS former
        WHERE {kept} AND NOT EXISTS (SELECT 1 FROM main."{table.name}" AS new WHERE {same})"""  # noqa: S608 - fixed names
    count: int = database.conn.execute(statement, {"kept_from": kept_from}).fetchone()[0]
    return count


def _fold_in(database: Database, path: Path) -> None:
    busy, *_ = database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise LedgerInUseError(f"a reader holds {path}", "End it, and rebuild again.")


def _put_in_place(new: Path, present: Path, *, keep_former: bool) -> Path | None:
    former = present.with_name(present.name + ".former")
    if present.exists():
        try:
            connection = sqlite3.connect(present)
            try:
                _fold_in(Database(connection, execute_plugins=False), present)
            finally:
                connection.close()
        except sqlite3.DatabaseError:
            # It is damaged and about to go; its log is of no use to the new file and must not be applied to it.
            _remove_logs(present)
        if keep_former:
            former.unlink(missing_ok=True)
            os.link(present, former)
    new.replace(present)
    _remove_logs(present)
    _remove_logs(new)
    return former if keep_former else None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_logs(path)


def _remove_logs(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
