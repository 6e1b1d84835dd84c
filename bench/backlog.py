"""Folding a prepared backlog: every engine reads the same topics, from their beginning, in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.answers import Answer, PlainFold, differences, read_answer
from bench.broker import BenchBroker
from bench.commits import Commits, Followed, follow
from bench.engines import Engine
from bench.operators import write_trust_file
from bench.preparation import prepared, write
from bench.processes import EngineFailedError, started
from bench.results import Failure, Run, load_average
from bench.topics import PREFIX, create_inputs, reset
from bench.turns import in_turns, warm_up
from bench.workloads import Backlog
from schemas.topics import COMMANDS, NETWORK, QUARANTINE, TELEMETRY, dlq_of
from transport.settings import KafkaSettings

LETTERS = tuple(dlq_of(topic) for topic in (COMMANDS, NETWORK, TELEMETRY))


def measure(backlog: Backlog, engines: Sequence[Engine], rounds: int) -> Iterator[Run | Failure]:
    """Yield what each engine comes to, round by round; one that failed is not tried again."""
    smaller: dict[int, list[Engine]] = {}
    for engine in engines:
        smaller.setdefault(max(1, int(backlog.records * engine.share)), []).append(engine)
    for records, group in smaller.items():
        yield from _measure(replace(backlog, records=records), group, rounds)


def _measure(backlog: Backlog, engines: Sequence[Engine], rounds: int) -> Iterator[Run | Failure]:
    def prepare(broker: BenchBroker, folder: Path) -> None:
        kafka = settings_for(broker, backlog.partitions)
        create_inputs(kafka, backlog.topics)
        plain = PlainFold(exact=backlog.exact)
        records = backlog.make(backlog.records, backlog.partitions)
        write(kafka, records, backlog.records, plain.fold)
        plain.answer().save(folder / "answer")
        write_trust_file(folder / "trust.json")

    parameters = {"records": backlog.records, "partitions": backlog.partitions}
    with prepared(backlog.name, parameters, prepare) as (broker, folder):
        expected = Answer.load(folder / "answer")

        def run(engine: Engine, _: int = 0) -> Run:
            return _run(backlog, engine, broker, folder, expected)

        warm_up(backlog.name, engines[0], lambda: run(engines[0]))
        yield from in_turns(
            backlog.name, engines, rounds, run, lambda measured: f"{measured.records_per_second:,.0f}/s"
        )


def settings_for(broker: BenchBroker, partitions: int, prefix: str = PREFIX) -> KafkaSettings:
    """Return the settings by which a prepared broker is reached."""
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers, prefix=prefix, partitions=partitions)


def _run(backlog: Backlog, engine: Engine, broker: BenchBroker, folder: Path, expected: Answer) -> Run:
    kafka = settings_for(broker, backlog.partitions)

    async def play() -> Followed:
        await reset(kafka, backlog.topics)
        with started(engine, kafka, folder / "trust.json") as processes:
            async with Commits(kafka, engine.group, backlog.topics) as commits:
                return await follow(commits, processes, broker.cpu_seconds)

    followed = asyncio.run(play())
    load = load_average()
    if engine.rows:
        found = read_answer(
            kafka.bootstrap_servers,
            engine.changelogs(kafka),
            kafka.topic(QUARANTINE),
            [] if backlog.exact else [kafka.topic(letters) for letters in LETTERS],
            exact=backlog.exact,
        )
        if wrong := differences(found, expected, exact=backlog.exact):
            raise EngineFailedError("another answer than the plain fold's: " + "; ".join(wrong))
    return run_of(backlog.name, engine.name, followed, load)


def run_of(workload: str, engine: str, followed: Followed, load: float) -> Run:
    """Return the figures between the first commit and the last.

    Raises:
        EngineFailedError: everything was in the first commit, so that there is nothing to measure.
    """
    first, last = followed.first, followed.last
    records, seconds = last.records - first.records, last.at - first.at
    if records <= 0:
        raise EngineFailedError("all was in the first commit that was seen: give it more --records")
    return Run(
        workload=workload,
        engine=engine,
        records=records,
        seconds=seconds,
        records_per_second=records / seconds,
        cpu_micros_per_record=(last.usage.cpu_seconds - first.usage.cpu_seconds) / records * 1e6,
        broker_cpu_micros_per_record=(last.broker_cpu_seconds - first.broker_cpu_seconds) / records * 1e6,
        rss_bytes=followed.most_rss_bytes,
        load=load,
    )
