"""What the ledger looks like: its tables, their indexes, and which columns full-text search reads.

Columns are the messages' fields in snake case. Times are RFC 3339 text in UTC with milliseconds, of one width, so they
compare as text; flags are 0 and 1; ``topic`` carries no prefix; ``partition`` and ``offset`` say where the record lies.
``credentials`` names each one's kid and type and holds nothing of the credential itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

LEDGER_SCHEMA_VERSION: Final = 2
"""1 had a trigger that made each added row searchable by itself, at five times the cost."""

_PLACE: Final = {"partition": int, "offset": int}
_ENROLMENT: Final = {
    "revision": int,
    "status": str,
    "enabled": int,
    "credentials": str,
    "fingerprint": str,
    "binding_epoch": int,
    "service_principal": str,
    "runtime_version": str,
    "ring": str,
    "architecture": str,
    "updated_at": str,
    "updated_by": str,
}


def _network(name: str) -> dict[str, type]:
    return {f"{name}_ip": str, f"{name}_asn": int, f"{name}_region": str}


@dataclass(frozen=True)
class LedgerTable:
    """One table.

    ``time`` is the column that retention goes by, None for a table that holds the present and is never pruned;
    ``searched`` the columns of its full-text index, if it has one.
    """

    name: str
    columns: Mapping[str, type]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    time: str | None = None
    searched: tuple[str, ...] = ()

    @property
    def insert(self) -> str:
        """The statement that adds one row, all columns in order; a second row of one key is an error."""
        return f"INSERT {self._into}"

    @property
    def upsert(self) -> str:
        """The statement that puts one row in the place of the key's earlier one."""
        return f"INSERT OR REPLACE {self._into}"

    @property
    def add_to_search(self) -> str:
        """The statement that makes all rows searchable whose rowid is above the one given, at the end of a batch.

        FTS5 writes to the file after each statement that may fail in part, as a trigger's may: here once a batch.
        """
        names = ", ".join(f'"{column}"' for column in self.searched)
        return (
            f'INSERT INTO "{self.name}_fts" (rowid, {names}) SELECT rowid, {names} FROM "{self.name}" WHERE rowid > ?'  # noqa: S608 - fixed names
        )

    @property
    def _into(self) -> str:
        names = ", ".join(f'"{column}"' for column in self.columns)
        return f'INTO "{self.name}" ({names}) VALUES ({", ".join("?" * len(self.columns))})'


ABOUT: Final = LedgerTable("about", {"name": str, "value": str}, ("name",))
"""What the ledger is of: ``schema_version``, ``cluster_id``, ``prefix``, ``partitions``, ``trust``."""

POSITIONS: Final = LedgerTable(
    "positions",
    {"topic": str, "partition": int, "next_offset": int, "first_offset": int, "topic_id": str},
    ("topic", "partition"),
)
"""How far each partition was read, in the same transaction as what was read."""

NODES: Final = LedgerTable(
    "nodes",
    {"node_id": str, **_ENROLMENT, "signature": str, "signer": str, **_PLACE},
    ("node_id",),
    indexes=(("status", "enabled"), ("ring",)),
)

REGISTRY: Final = LedgerTable(
    "registry",
    {
        **_PLACE,
        "at": str,
        "node_id": str,
        **_ENROLMENT,
        "signature": str,
        "signer": str,
        "counts": int,
        "refusal": str,
    },
    ("partition", "offset"),
    indexes=(("node_id", "at"), ("at",)),
    time="at",
    searched=("node_id", "updated_by", "service_principal", "ring", "signer", "refusal"),
)

BINDINGS: Final = LedgerTable(
    "bindings",
    {"node_id": str, "fingerprint": str, "binding_epoch": int, "bound_at": str, **_PLACE},
    ("node_id",),
    indexes=(("fingerprint",),),
)

RISK: Final = LedgerTable(
    "risk",
    {
        "node_id": str,
        "status": str,
        "score": int,
        "revision": int,
        "policy_version": int,
        "updated_at": str,
        **_network("baseline"),
        **_network("current"),
        "baseline_revision": int,
        "last_network_at": str,
        "last_telemetry_at": str,
        "last_boot_id": str,
        "last_shutdown_clean": int,
        "last_command_id": str,
        "last_command_at": str,
        "quarantine_id": str,
        "quarantined_at": str,
        "quarantine_cause": str,
        "quarantine_score": int,
        "exempt_until": str,
        "capsules_valid_from": int,
        "last_capsule_id": str,
        "last_capsule_expires_at": str,
        "signals": str,
        **_PLACE,
    },
    ("node_id",),
    indexes=(("status", "score"),),
)

TRANSITIONS: Final = LedgerTable(
    "transitions",
    {
        **_PLACE,
        "at": str,
        "node_id": str,
        "from_status": str,
        "to_status": str,
        "score": int,
        "threshold": int,
        "cause": str,
        "actor": str,
        "reason": str,
        "policy_version": int,
        "revision": int,
        "transition_id": str,
        "signals": str,
    },
    ("partition", "offset"),
    indexes=(("node_id", "at"), ("at",), ("transition_id",)),
    time="at",
    searched=("node_id", "actor", "reason"),
)

DECISIONS: Final = LedgerTable(
    "decisions",
    {
        **_PLACE,
        "at": str,
        "node_id": str,
        "denied": int,
        "reason": str,
        "risk_score": int,
        "risk_revision": int,
        "request_id": str,
        "request_digest": str,
        "capsule_id": str,
        "expires_at": str,
        "master_id": str,
        "fingerprint": str,
        "runtime_version": str,
        **_network("current"),
        **_network("claimed"),
    },
    ("partition", "offset"),
    indexes=(("node_id", "at"), ("at",), ("capsule_id",), ("request_id",)),
    time="at",
)

COMMANDS: Final = LedgerTable(
    "commands",
    {
        **_PLACE,
        "at": str,
        "command_id": str,
        "node_id": str,
        "action": str,
        "actor": str,
        "reason": str,
        "issued_at": str,
        "expires_at": str,
        "signature": str,
        "signer": str,
        "refusal": str,
    },
    ("partition", "offset"),
    indexes=(("node_id", "at"), ("at",), ("command_id",)),
    time="at",
    searched=("node_id", "command_id", "actor", "reason", "signer"),
)

DEAD_LETTERS: Final = LedgerTable(
    "dead_letters",
    {
        "topic": str,
        **_PLACE,
        "at": str,
        "node_id": str,
        "source_topic": str,
        "source_partition": int,
        "source_offset": int,
        "source_at": str,
        "exception": str,
        "message": str,
        "sha256": str,
        "cut": str,
        "key_bytes": int,
        "value_bytes": int,
        "header_count": int,
    },
    ("topic", "partition", "offset"),
    indexes=(("at",), ("node_id", "at"), ("exception",), ("source_topic", "source_partition", "source_offset")),
    time="at",
    searched=("node_id", "source_topic", "exception", "message"),
)

UNREADABLE: Final = LedgerTable(
    "unreadable",
    {"topic": str, **_PLACE, "at": str, "exception": str, "field": str, "message": str, "value_bytes": int},
    ("topic", "partition", "offset"),
    indexes=(("at",),),
    time="at",
)
"""Records of the followed topics that are not what their topic carries."""

TABLES: Final[Mapping[str, LedgerTable]] = MappingProxyType(
    {
        table.name: table
        for table in (
            ABOUT,
            POSITIONS,
            NODES,
            REGISTRY,
            BINDINGS,
            RISK,
            TRANSITIONS,
            DECISIONS,
            COMMANDS,
            DEAD_LETTERS,
            UNREADABLE,
        )
    }
)
"""Every table by its name."""

SEARCHED: Final = tuple(table for table in TABLES.values() if table.searched)
"""The tables with a full-text index. Rows are only ever added to them, or pruned."""

CONTENT: Final = tuple(table for table in TABLES.values() if table not in (ABOUT, POSITIONS))
"""The tables that follow from the topics alone: a rebuild gives them again."""
