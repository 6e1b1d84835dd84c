"""How many records a second the ledger takes, decoded, judged and indexed, against plain inserts of the same rows.

Records are made in memory as a consumer hands them over (rows of a fleet, decisions, transitions, dead letters, signed
commands and registry records) and written in batches of 10,000, as ``kordon ledger run`` writes them. The comparison is
``executemany`` of the rows that this made, into tables without index, view or full-text search. With ``--bootstrap``
the same records go through a broker that runs already, and ``ledger rebuild`` reads them. Prints one line of JSON::

    python -m bench.ledger --records 300000 --runs 3
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from kordon.ledger.rebuild import rebuild
from kordon.ledger.settings import LedgerSettings
from kordon.ledger.tables import CONTENT, TABLES
from kordon.ledger.writer import FOLLOWED
from schemas.commands import Action
from schemas.decisions import DenialReason
from schemas.risk import NodeStatus, SignalKind
from schemas.topics import TELEMETRY, TOPICS
from tests.ledgers.fleet import Fleet, Log, Written
from tests.ledgers.made import opened, operators, write
from tests.ledgers.topics import produce
from transport.administration import apply_topics
from transport.settings import KafkaSettings

BATCH = 10_000
NODES = 10_000
MUST_PER_SECOND = 20_000


def load(fleet: Fleet, count: int) -> Iterator[Written]:
    """Half rows, four tenths decisions, the rest what happens more rarely; one record in a thousand is signed."""
    signals = (fleet.signal(SignalKind.ASN_CHANGED, 40, 1), fleet.signal(SignalKind.REGION_CHANGED, 50, 1))
    for index in range(count):
        node, part = f"node-{index % NODES:05d}", index % 1_000
        if part == 0:
            yield fleet.enrolment(node, index, 1 + index)
        elif part == 500:
            yield fleet.command(node, Action.QUARANTINE, f"ticket {index}, unknown process seen", index)
        elif part % 2:
            yield fleet.row(node, index, index, signals if part % 10 == 1 else ())
        elif part % 10 == 2:
            yield (
                fleet.transition(node, NodeStatus.QUARANTINED, index, index, signals=signals)
                if part % 20 == 2
                else fleet.dead(TELEMETRY, node, index, index, "DecodeError", "kind: Invalid enum value")
            )
        else:
            yield fleet.decision(node, index, DenialReason.RISK_STATE_STALE if part % 4 else None)


def time_ledger(folder: Path, written: Sequence[Written], trust: Any) -> float:
    """Return the seconds that a new ledger takes for the records."""
    log = Log()
    records = [log.append(each) for each in written]
    writer = opened(folder / "ledger.db", log, trust)
    began = time.perf_counter()
    write(writer, records, at_once=BATCH)
    seconds = time.perf_counter() - began
    writer.database.close()
    return seconds


def plain_inserts(folder: Path, written: int) -> tuple[float, int]:
    """Return the seconds that bare inserts take for the ledger's rows, and the rows.

    ``risk`` keeps one row a node where the topic has many, so its rows are inserted again until all records are there.
    """
    with Database(folder / "ledger.db") as ledger:
        rows = {each.name: list(ledger.conn.execute(f'SELECT * FROM "{each.name}"')) for each in CONTENT}  # noqa: S608
    others = sum(len(found) for name, found in rows.items() if name not in ("risk", "nodes"))
    rows["risk"] = (rows["risk"] * (written // max(1, len(rows["risk"])) + 1))[: written - others]
    plain = sqlite3.connect(folder / "plain.db")
    plain.execute("PRAGMA journal_mode=WAL")
    plain.execute("PRAGMA synchronous=NORMAL")
    for table in CONTENT:
        plain.execute(f'CREATE TABLE "{table.name}" ({", ".join(chr(34) + name + chr(34) for name in table.columns)})')
    total = sum(map(len, rows.values()))
    began = time.perf_counter()
    for name, found in rows.items():
        for start in range(0, len(found), BATCH):
            with plain:
                plain.executemany(TABLES[name].insert, found[start : start + BATCH])
    seconds = time.perf_counter() - began
    plain.close()
    return seconds, total


async def through_kafka(bootstrap: str, folder: Path, fleet: Fleet, count: int, trust: Any) -> float:
    """Return the seconds of ``ledger rebuild`` from a broker that holds the records."""
    kafka = KafkaSettings(bootstrap_servers=bootstrap, prefix=f"bench-{secrets.token_hex(4)}.", partitions=4)
    await apply_topics(kafka, [TOPICS[name] for name in FOLLOWED])
    await produce(kafka, load(fleet, count))
    began = time.perf_counter()
    made = await rebuild(kafka, LedgerSettings(file=folder / "kafka.db"), trust, accept_loss=False)
    seconds = time.perf_counter() - began
    if not made.rows["decisions"]:
        raise SystemExit("the ledger read nothing")
    return seconds


def measure(count: int, bootstrap: str | None) -> dict[str, float]:
    """One run: records a second of the ledger, of plain inserts, and through a broker."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        operator, revoker, trust = operators(folder)
        fleet = Fleet(operator, revoker, begins=time.time_ns() // 1_000_000 - 3_600_000, minute_millis=1)
        written = list(load(fleet, count))
        ledger = count / time_ledger(folder, written, trust)
        seconds, rows = plain_inserts(folder, count)
        found = {"recordsPerSecond": ledger, "plainInsertsPerSecond": rows / seconds}
        if bootstrap is not None:
            found["throughKafkaPerSecond"] = count / asyncio.run(through_kafka(bootstrap, folder, fleet, count, trust))
        return found


def main() -> int:
    """Measure, print the medians, and fail below the figure that the ledger must reach."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--bootstrap")
    given = parser.parse_args()
    runs = [measure(given.records, given.bootstrap) for _ in range(given.runs)]
    medians = {name: round(statistics.median(run[name] for run in runs)) for name in runs[0]}
    ratio = round(medians["recordsPerSecond"] / medians["plainInsertsPerSecond"], 3)
    print(json.dumps({"workload": "ledger", "records": given.records, **medians, "ratioToPlainInserts": ratio}))
    slowest = min(medians["recordsPerSecond"], medians.get("throughKafkaPerSecond", medians["recordsPerSecond"]))
    return int(slowest < MUST_PER_SECOND)


if __name__ == "__main__":
    raise SystemExit(main())
