"""What the pieces of a record's way through the worker cost, one by one: ``python -m bench.pieces``.

Each piece is repeated on records at rest and the quickest of several rounds is printed, in microseconds: what it costs
while nothing else disturbs. The figures add up to less than a worker's time a record, which also misses caches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import click
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from rich.console import Console
from rich.table import Table

from policy.fleet import Fleet
from policy.policy_file import default_policy
from schemas.codec import decode, encode
from schemas.network import NetworkObservation
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, TELEMETRY

START: Final = int(Timestamp.parse("2026-11-23T20:00:00Z"))
ROUNDS: Final = 7
REPEATS: Final = 2_000
CODECS: Final = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

Piece = tuple[str, Callable[[], object], int]
"""What it is, what is timed, and how many records (or batches) one call handles."""


def microseconds(call: Callable[[], object], units: int, repeats: int = REPEATS) -> float:
    """Return the quickest round's time for one of a call's ``units``."""
    quickest = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        quickest = min(quickest, time.perf_counter() - began)
    return quickest / repeats / units * 1e6


def observation(ip: str) -> bytes:
    """Return an observation of the one node."""
    place = {"ip": ip, "asn": 64500, "region": "eu-west"}
    value = {"nodeId": "node-000001", "observedAt": str(Timestamp(START)), **place, "observer": "gateway-0001"}
    return json.dumps(value, separators=(",", ":")).encode()


def report(boot: int = 1) -> bytes:
    """Return a report of the one node, of its boot of that number."""
    value = {
        "nodeId": "node-000001",
        "observedAt": str(Timestamp(START)),
        "lastShutdownClean": True,
        "bootId": f"node-000001-boot-{boot}",
        "kind": "heartbeat",
        "uptimeSeconds": 1234.5,
        "agentVersion": "4.2.0",
        "fingerprint": "0" * 32,
    }
    return json.dumps(value, separators=(",", ":")).encode()


def folding() -> list[Piece]:
    """Return the pieces between a record's bytes and its row's."""
    fleet = Fleet(default_policy())
    key, home, away, alive = b"node-000001", observation("192.0.2.1"), observation("192.0.2.2"), report()
    for topic, value in ((NETWORK, home), (TELEMETRY, alive)):
        fleet.fold(topic, 0, 0, START, key, value)
    observed, reported = fleet.steady(NETWORK), fleet.steady(TELEMETRY)
    if observed(key, home, START) is None or reported(key, alive, START) is None:
        raise RuntimeError("records at rest are not steady: nothing here would measure what it says")
    standing = fleet.standings["node-000001"]
    moving = iter(range(1 << 60))

    def move() -> object:
        return fleet.fold(NETWORK, 0, 1, START, key, away if next(moving) % 2 else home)

    boots = [report(number) for number in (2, 3)]

    def boot() -> object:
        return reported(key, boots[next(moving) % 2], START)

    def boot_by_rules() -> object:
        return fleet.fold(TELEMETRY, 0, 1, START, key, boots[next(moving) % 2])

    return [
        ("an observation that says nothing new, folded (policy/steady.py)", lambda: observed(key, home, START), 1),
        ("a report that says nothing new, folded", lambda: reported(key, alive, START), 1),
        ("an observation decoded strictly, for the rules", lambda: decode(NetworkObservation, home, NETWORK), 1),
        ("a report decoded strictly", lambda: decode(Telemetry, alive, TELEMETRY), 1),
        ("an observation that moves the node, decoded and folded by the rules", move, 1),
        ("a boot after an orderly end, folded (policy/steady.py)", boot, 1),
        ("the same by the rules", boot_by_rules, 1),
        ("a row encoded", lambda: encode(standing), 1),
    ]


def parsed(batch: bytes) -> int:
    """Return how many records aiokafka reads from a batch."""
    place = TopicPartition("rows", 0)
    records = PartitionRecords(place, MemoryRecords(batch), [], 0, None, None, True, READ_COMMITTED)
    return sum(1 for _ in records)


def batching(codec: int) -> dict[str, float]:
    """Return what a codec takes for batches of one row and of 1,000, written and read, and the bytes of a row."""
    fleet = Fleet(default_policy())
    figures: dict[str, float] = {}
    rows = []
    for number in range(1_000):
        node = b"node-%06d" % number
        value = observation(f"10.0.{number >> 8}.{number & 255}").replace(b"node-000001", node)
        fleet.fold(NETWORK, 0, number, START + number, node, value)
        rows.append((node, encode(fleet.standings[node.decode()])))

    def write(records: int) -> bytes:
        builder = DefaultRecordBatchBuilder(
            2, codec, is_transactional=True, producer_id=1, producer_epoch=0, base_sequence=0, batch_size=1_000_000
        )
        for number, (key, value) in enumerate(rows[:records]):
            builder.append(number, START, key, value, [])
        return bytes(builder.build())

    for records, name in ((1, "one row"), (1_000, "1,000 rows")):
        repeats = REPEATS // records or 5
        batch = write(records)
        figures[f"write {name}"] = microseconds(partial(write, records), records, repeats)
        figures[f"read {name}"] = microseconds(partial(parsed, batch), records, repeats)
        figures[f"bytes, {name}"] = len(batch) / records
    return figures


@click.command(help="Print what the pieces of a record's way through the worker cost, in microseconds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def main(as_json: bool) -> None:  # noqa: FBT001 - click hands flags over as booleans
    """Measure and print."""
    fold = {name: round(microseconds(call, units), 2) for name, call, units in folding()}
    codecs = {
        name: {what: round(figure, 2) for what, figure in batching(codec).items()} for name, codec in CODECS.items()
    }
    if as_json:
        click.echo(json.dumps({"foldMicros": fold, "codecMicrosPerRow": codecs}))
        return
    console = Console(width=120)
    folds = Table("piece", "µs")
    for name, micros in fold.items():
        folds.add_row(name, f"{micros:.2f}")
    console.print(folds)
    columns = list(next(iter(codecs.values())))
    batches = Table("codec, µs a row", *columns)
    for name, figures in codecs.items():
        batches.add_row(name, *(f"{figures[column]:.2f}" for column in columns))
    console.print(batches)


if __name__ == "__main__":
    main()
