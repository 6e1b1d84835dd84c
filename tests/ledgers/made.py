"""A ledger made in memory of the log, without a broker; and what two ledgers must have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from sqlite_utils import Database

from kordon.ledger.database import open_for_writing
from kordon.ledger.origin import Origin, begin
from kordon.ledger.tables import CONTENT, POSITIONS
from kordon.ledger.writer import LedgerWriter
from tests.ledgers.fleet import PARTITIONS, Fleet, Log
from tests.workers.operators import Operator, trusting
from transport.settings import KafkaSettings
from transport.trust import Trust

KAFKA = KafkaSettings(prefix="kordon.", partitions=PARTITIONS)


def origin_of(log: Log, **different: Any) -> Origin:
    """The origin of topics in memory."""
    given: dict[str, Any] = {
        "cluster_id": "test-cluster",
        "prefix": KAFKA.prefix,
        "partitions": PARTITIONS,
        "topic_ids": {},
        "low": dict.fromkeys(log.ends, 0),
        "high": log.ends,
    }
    return Origin(**given | different)


def operators(folder: Path) -> tuple[Operator, Operator, Trust]:
    """An operator who may do everything, one who may only revoke, and the trust that says so."""
    operator, revoker = Operator("operator"), Operator("revoker")
    roles = {operator: ("enrol", "revoke", "quarantine", "release"), revoker: ("revoke",)}
    return operator, revoker, Trust.load(trusting(folder / "trust.json", roles))


def opened(file: Path, log: Log, trust: Trust | None) -> LedgerWriter:
    """Open or make a ledger of the log; the caller closes its database."""
    database = open_for_writing(file)
    begin(database, KAFKA, origin_of(log), verifying=trust is not None)
    return LedgerWriter(database, KAFKA, trust, PARTITIONS)


def a_days_ledger(folder: Path, *, verified: bool = True, at_once: int = 1) -> Path:
    """Make the ledger of the fleet's day, ``at_once`` records a transaction, and return its file."""
    operator, revoker, trust = operators(folder)
    log = Log()
    file = folder / "ledger.db"
    writer = opened(file, log, trust if verified else None)
    records = [log.append(written) for written in Fleet(operator, revoker).day()]
    write(writer, records, at_once=at_once)
    writer.database.close()
    return file


def write(writer: LedgerWriter, records: Sequence[ConsumerRecord[bytes, bytes]], *, at_once: int) -> None:
    """Write records, ``at_once`` a transaction."""
    for start in range(0, len(records), at_once):
        batches: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {}
        for record in records[start : start + at_once]:
            batches.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        writer.write(batches, {place: batch[-1].offset + 1 for place, batch in batches.items()})


def dump(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Everything a rebuild must give again, in an order of its own: every table, and how far each topic was read."""
    with Database(file, execute_plugins=False) as database:
        tables = {
            table.name: list(database.table(table.name).rows_where(order_by=", ".join(table.key))) for table in CONTENT
        }
        positions = "topic, partition, next_offset, topic_id"
        rows = database.query(f"SELECT {positions} FROM {POSITIONS.name} ORDER BY topic, partition")
        return {**tables, POSITIONS.name: list(rows)}
