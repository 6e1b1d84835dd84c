"""Workloads on a fleet that is there already: restore, memory a row, and what a large fleet costs a record."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
from aiokafka import TopicPartition

from bench.backlog import run_of, settings_for
from bench.broker import BenchBroker
from bench.commits import Commits, Followed, follow
from bench.engines import Engine
from bench.musts import LARGE, SMALL
from bench.operators import write_trust_file
from bench.preparation import prepared, write
from bench.processes import FAILURES, EngineFailedError, Usage, started
from bench.results import Failure, Run, load_average
from bench.stored_state import (
    INPUTS,
    add_transactions,
    input_ends,
    keep_superseded,
    make_state,
    observations,
    one_a_partition,
)
from kordon.output import remark
from schemas.topics import RISK
from transport.settings import KafkaSettings
from transport.watermarks import high_watermark

RESTORE_PARTITIONS: Final = 12
SCALE_PARTITIONS: Final = 4
SMALL_ROWS: Final = 10_000
SCALE_RECORDS: Final = 1_000_000
SCALE_COMMIT_MS: Final = 30
BURST_NODES: Final = 500
BURST_TURNS: Final = 4
"""Rows that change several times within a commit are written once, a small fleet's more often than a large one's, which
has nothing to do with what size costs. So in both fleets bursts of nodes are observed four times in turn, and none of
them again before all others were: as long as a commit holds less than the 40,000 records after which a node of the
small fleet comes again, both write as many rows."""

UNLIKE: Final = 0.1
"""How much the rows written a record may differ before the comparison does not count."""

SETTLE_SECONDS: Final = 1.0


def restore(engines: Sequence[Engine], rounds: int, rows: int, transactions: int) -> Iterator[Run | Failure]:
    """Yield the seconds from an engine's start to the first commit of the last co-partition."""
    for engine in engines:
        parameters = {"rows": rows, "transactions": transactions, "partitions": RESTORE_PARTITIONS, "log": 3}

        def prepare(broker: BenchBroker, folder: Path, engine: Engine = engine) -> None:
            kafka = settings_for(broker, RESTORE_PARTITIONS)
            trust = write_trust_file(folder / "trust.json")
            make_state(kafka, engine, trust, rows)
            # So that each changelog ends in what the engine itself makes of one row.
            _start(kafka, engine, trust, day=1)
            (changelog,) = engine.changelogs(kafka)
            keep_superseded(kafka, changelog)
            add_transactions(broker, RESTORE_PARTITIONS, changelog, transactions)

        try:
            with prepared(f"restore-{engine.name}", parameters, prepare, copied=True) as (broker, folder):
                kafka = settings_for(broker, RESTORE_PARTITIONS)
                for number in range(rounds):
                    seconds, usage, followed = _start(kafka, engine, folder / "trust.json", day=number + 2)
                    remark(f"  restore {number + 1}/{rounds} {engine.name}: {seconds:.1f} s")
                    yield Run(
                        workload="restore",
                        engine=engine.name,
                        records=rows,
                        seconds=seconds,
                        records_per_second=rows / seconds,
                        cpu_micros_per_record=followed.last.usage.cpu_seconds / rows * 1e6,
                        rss_bytes=usage.rss_bytes,
                        load=load_average(),
                    )
        except FAILURES as error:
            yield Failure("restore", engine.name, str(error))


def memory(engine: Engine, rounds: int, rows: int) -> Iterator[Run | Failure]:
    """Yield what a row adds to the resident memory of an engine that has restored ``rows`` of them."""
    try:
        with _fleets(engine, RESTORE_PARTITIONS, {"empty": 0, "large": rows}) as (broker, folder):
            for number in range(rounds):
                resident = {}
                for fleet in ("empty", "large"):
                    kafka = settings_for(broker, RESTORE_PARTITIONS, f"{fleet}.")
                    _, usage, _ = _start(kafka, engine, folder / "trust.json", day=number + 1)
                    resident[fleet] = usage.rss_bytes
                a_row = (resident["large"] - resident["empty"]) / rows
                remark(f"  memory {number + 1}/{rounds} {engine.name}: {a_row:,.0f} bytes a row")
                yield Run(
                    workload="memory",
                    engine=engine.name,
                    records=rows,
                    rss_bytes=resident["large"],
                    bytes_per_row=a_row,
                    load=load_average(),
                )
    except FAILURES as error:
        yield Failure("memory", engine.name, str(error))


def scale(engine: Engine, rounds: int, rows: int, records: int | None) -> Iterator[Run | Failure]:
    """Yield what a small fleet and a large one cost a record, each node observed in a random order, in turns.

    The large fleet's runs also have what a row takes once its node has been heard of again.
    """
    records = records or SCALE_RECORDS
    fleets = {SMALL: SMALL_ROWS, LARGE: rows}
    quick = replace(engine, environment=lambda setting: {**engine.environment(setting), **_OFTEN})
    try:
        with _fleets(engine, SCALE_PARTITIONS, fleets) as (broker, folder):
            kafkas = {fleet: settings_for(broker, SCALE_PARTITIONS, f"{fleet}.") for fleet in fleets}

            def play(fleet: str, number: int) -> tuple[Run, int]:
                followed, written = asyncio.run(
                    _fold(kafkas[fleet], quick, folder / "trust.json", fleets[fleet], records, number, broker)
                )
                run = run_of(fleet, engine.name, followed, load_average())
                return msgspec.structs.replace(run, rows_written_per_record=written), followed.last.usage.rss_bytes

            for kafka in kafkas.values():
                # What was written before would be compacted on the cores of what is measured, the large fleet's alone.
                (changelog,) = engine.changelogs(kafka)
                keep_superseded(kafka, changelog)
            # A broker that has just started compiles while it works; commits last longer then.
            play(SMALL, 0)
            for number in range(1, rounds + 1):
                small, small_resident = play(SMALL, number)
                remark(f"  {SMALL} {number}/{rounds} {engine.name}: {small.records_per_second:,.0f}/s")
                yield small
                large, large_resident = play(LARGE, number)
                _require_alike(small, large)
                remark(f"  {LARGE} {number}/{rounds} {engine.name}: {large.records_per_second:,.0f}/s")
                a_row = (large_resident - small_resident) / (rows - SMALL_ROWS)
                yield msgspec.structs.replace(large, bytes_per_row=a_row)
    except FAILURES as error:
        yield Failure("scale", engine.name, str(error))


def _require_alike(small: Run, large: Run) -> None:
    """Refuse to compare runs that wrote unlike numbers of rows.

    Raises:
        EngineFailedError: they did.
    """
    of_small, of_large = small.rows_written_per_record or 0.0, large.rows_written_per_record or 0.0
    if abs(of_large - of_small) > UNLIKE * of_small:
        raise EngineFailedError(
            f"the fleets cannot be compared: {of_small:.2f} and {of_large:.2f} rows were written a record, so commits "
            "took too long; is the machine busy?"
        )


_OFTEN: Final[Mapping[str, str]] = {
    "KORDON_WORKER_COMMIT_INTERVAL_MS": str(SCALE_COMMIT_MS),
    "KORDON_WORKER_CATCH_UP_INTERVAL_MS": str(SCALE_COMMIT_MS),
}


def _fleets(
    engine: Engine, partitions: int, fleets: Mapping[str, int]
) -> AbstractContextManager[tuple[BenchBroker, Path]]:
    def prepare(broker: BenchBroker, folder: Path) -> None:
        trust = write_trust_file(folder / "trust.json")
        for fleet, rows in fleets.items():
            make_state(settings_for(broker, partitions, f"{fleet}."), engine, trust, rows)

    name = f"{'-'.join(fleets)}-{engine.name}"
    return prepared(name, {"partitions": partitions, **fleets}, prepare, copied=True)


def _start(kafka: KafkaSettings, engine: Engine, trust: Path, day: int) -> tuple[float, Usage, Followed]:
    """Start an engine on its state; return the seconds to the last co-partition's commit, and what it takes then."""

    async def play() -> tuple[float, Usage, Followed]:
        before = await input_ends(kafka)
        records = one_a_partition(kafka.partitions, day)
        write(kafka, iter(records), len(records))
        began = time.monotonic()
        with started(engine, kafka, trust) as processes:
            async with Commits(kafka, engine.group, INPUTS, before) as commits:
                followed = await follow(commits, processes, lambda: 0.0)
            await asyncio.sleep(SETTLE_SECONDS)
            return followed.last.at - began, processes.usage(), followed

    return asyncio.run(play())


async def _fold(
    kafka: KafkaSettings,
    engine: Engine,
    trust: Path,
    nodes: int,
    records: int,
    number: int,
    broker: BenchBroker,
) -> tuple[Followed, float]:
    """Fold ``records`` on top of a fleet, for the ``number``-th time; return the run, and the rows written a record.

    Whatever comes with a node's first record after a restore, every node has had one before. Transaction markers count
    as rows here.
    """
    before, rows_before = await input_ends(kafka), await _changelog_end(kafka)
    warm = observations(iter(_shuffled(nodes)), kafka.partitions, 2 * number + 1)
    load = observations(bursts(nodes, records), kafka.partitions, 2 * number + 2)
    write(kafka, itertools.chain(warm, load), nodes + records)
    with started(engine, kafka, trust) as processes:
        async with Commits(kafka, engine.group, INPUTS, before) as commits:
            followed = await follow(commits, processes, broker.cpu_seconds, after=nodes)
    return followed, (await _changelog_end(kafka) - rows_before - nodes) / records


async def _changelog_end(kafka: KafkaSettings) -> int:
    partitions = [TopicPartition(kafka.topic(RISK), number) for number in range(kafka.partitions)]
    return sum((await high_watermark(kafka, partitions)).values())


def _shuffled(nodes: int) -> list[int]:
    """Return every node once, in a random order."""
    order = list(range(nodes))
    random.Random(4).shuffle(order)  # noqa: S311 - reproducible on purpose
    return order


def bursts(nodes: int, records: int) -> Iterator[int]:
    """Yield nodes in bursts, each observed :data:`BURST_TURNS` times in turn, until there are enough ``records``."""
    order = _shuffled(nodes)
    starts = itertools.cycle(range(0, nodes, BURST_NODES))
    endless = (number for start in starts for _ in range(BURST_TURNS) for number in order[start : start + BURST_NODES])
    return itertools.islice(endless, records)
