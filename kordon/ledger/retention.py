"""How long what is kept: old rows go, by the record's own time, in small transactions. The present never goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlite_utils import Database

from kordon.ledger.settings import LedgerSettings
from kordon.ledger.tables import COMMANDS, CONTENT, DEAD_LETTERS, DECISIONS, REGISTRY, TRANSITIONS, UNREADABLE
from schemas.timestamp import Timestamp

ROWS_AT_ONCE: Final = 5_000
"""Rows deleted in one transaction: the writer's next batch does not wait for long."""

_DAY_MILLIS: Final = 86_400_000


def cutoffs(settings: LedgerSettings, now: int) -> Mapping[str, str | None]:
    """Return, by table, the time before which rows go; None where they are kept for ever. ``now`` is ms since 1970."""
    days = {
        REGISTRY.name: settings.keep_registry_days,
        TRANSITIONS.name: settings.keep_transitions_days,
        COMMANDS.name: settings.keep_commands_days,
        DECISIONS.name: settings.keep_decisions_days,
        DEAD_LETTERS.name: settings.keep_dead_letters_days,
        UNREADABLE.name: settings.keep_unreadable_days,
    }
    return {
        table.name: None if days[table.name] is None else str(Timestamp(max(0, now - days[table.name] * _DAY_MILLIS)))  # type: ignore[operator]
        for table in CONTENT
        if table.time is not None
    }


def prune(database: Database, settings: LedgerSettings, now: int) -> Mapping[str, int]:
    """Delete what is older than the policy keeps and return how many rows of each table went; the caller is the writer.

    Raises:
        sqlite3.Error: the file cannot be written; what was deleted before stays deleted.
    """
    pruned = {}
    for name, cutoff in cutoffs(settings, now).items():
        pruned[name] = 0
        while cutoff is not None:
            with database.atomic():
                # `at` is each such table's time, and indexed.
                gone = database.conn.execute(
                    f'DELETE FROM "{name}" WHERE rowid IN (SELECT rowid FROM "{name}" WHERE at < ? LIMIT ?)',  # noqa: S608 - fixed names
                    (cutoff, ROWS_AT_ONCE),
                ).rowcount
            pruned[name] += gone
            if gone < ROWS_AT_ONCE:
                break
    return pruned
