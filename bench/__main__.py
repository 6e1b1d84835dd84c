"""``python -m bench``: measure, print a table, write ``bench/results``, and fail where a must is missed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click

from bench import backlog, fleets, latency, peers_environment, policy_fold
from bench.engines import ENGINES, ROOT
from bench.kept import keep
from bench.musts import ONE_PROCESS, Verdict, judge, told
from bench.preparation import CACHE
from bench.report import RESULTS
from bench.results import Failure, Run, environment, grouped, load_average, print_results, summed_up
from bench.workloads import BACKLOGS
from kordon.output import print_json, remark

WORKLOADS = (*BACKLOGS, "scale", "memory", "restore", "latency", "fold")
RESTORED = ("kordon", "kafka-streams-eos")
LIVE = (*RESTORED, ONE_PROCESS)
"""Whose restore and whose latency are measured unless others are named; why one process, says :mod:`bench.musts`."""

PARTIAL = CACHE / "results"

MUST_MISSED = 1
FAILED = 3


@click.command()
@click.option("--workload", "-w", multiple=True, type=click.Choice(WORKLOADS), help="Default: all.")
@click.option("--engine", "-e", multiple=True, type=click.Choice(tuple(ENGINES)), help="Default: all.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Runs of each, in turns.")
@click.option("--records", type=click.IntRange(10_000), help="Records of a backlog. Default: the workload's own.")
@click.option(
    "--rows", type=click.IntRange(10_000), default=1_000_000, show_default=True, help="Nodes of a large fleet."
)
@click.option(
    "--transactions",
    type=click.IntRange(12),
    default=2_000_000,
    show_default=True,
    help="What a restore reads past; to prepare them takes minutes, once.",
)
@click.option(
    "--results",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the JSON goes; a workload replaces its last figures there, and leaves those of others. Default: "
    f"{RESULTS.relative_to(ROOT)}, which docs/performance.md shows; of a part alone "
    f"{PARTIAL.relative_to(ROOT)}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON instead of a table.")
def main(
    workload: Sequence[str],
    engine: Sequence[str],
    rounds: int,
    records: int | None,
    rows: int,
    transactions: int,
    folder: Path | None,
    *,
    as_json: bool,
) -> None:
    """Measure Kordon's worker and its peers on the same records and machine.

    Ends with status 1 where a must of docs/performance.md is missed, 3 where an engine failed or got another answer.
    """
    workloads = workload or WORKLOADS
    folder = folder or (PARTIAL if workload or engine else RESULTS)
    if "quix" in (engine or ENGINES) and not set(workloads).isdisjoint(BACKLOGS):
        peers_environment.install()
    runs: list[Run] = []
    verdicts: list[Verdict] = []
    failures: list[Failure] = []
    # Asked for once: the results of the first workload would make the commit of the others dirty.
    machine = environment()
    for name in workloads:
        remark(f"{name}:")
        conditions = {**machine, "load": os.getloadavg()}
        measured: list[Run] = []
        failed: list[Failure] = []
        for outcome in _measure(name, engine, Size(rounds, records, rows, transactions)):
            if isinstance(outcome, Failure):
                failed.append(outcome)
                remark(f"  {outcome.workload} {outcome.engine} FAILED: {outcome.reason}")
            else:
                measured.append(outcome)
        if not measured and not failed:
            remark("  none of the engines that were named plays it; without -e, those that do are measured")
        conditions |= {"loadAfter": load_average(), "arguments": sys.argv[1:]}
        judged = judge([*runs, *measured], [name], engine or (*ENGINES, "json.loads"))
        keep(folder, name, measured, judged, failed, conditions)
        runs, verdicts, failures = runs + measured, verdicts + judged, failures + failed
    if as_json:
        print_json([summed_up(group) for group in grouped(runs)])
    else:
        print_results(runs)
        for verdict in verdicts:
            click.echo(told(verdict))
    for failure in failures:
        remark(f"failed: {failure.workload} {failure.engine}: {failure.reason.splitlines()[0]}")
    missed = [verdict for verdict in verdicts if verdict.met is False]
    sys.exit(MUST_MISSED if missed else FAILED if failures else 0)


class Size(NamedTuple):
    """How much is measured; ``records`` is ``None`` for each workload's own."""

    rounds: int
    records: int | None
    rows: int
    transactions: int


def _measure(workload: str, named: Sequence[str], size: Size) -> Iterator[Run | Failure]:
    rounds, records, rows, transactions = size
    engines = [engine for engine in ENGINES.values() if not named or engine.name in named]
    stateful = [engine for engine in engines if engine.rows]
    if found := BACKLOGS.get(workload):
        sized = replace(found, records=records or found.records)
        yield from backlog.measure(sized, [engine for engine in engines if engine.plays(workload)], rounds)
    elif workload == "restore":
        restored = [engine for engine in stateful if named or engine.name in RESTORED]
        yield from fleets.restore(restored, rounds, rows, transactions)
    elif workload == "latency":
        live = [engine for engine in stateful if named or engine.name in LIVE]
        yield from latency.measure(live, rounds)
    elif workload == "scale":
        if not named or ONE_PROCESS in named:
            # Two runs follow each other in each round, and what else the machine does scatters their ratio most.
            yield from fleets.scale(ENGINES[ONE_PROCESS], rounds + 2, rows, records)
    elif not named or "kordon" in named:
        # These compare Kordon with itself, or with json.loads.
        if workload == "memory":
            yield from fleets.memory(ENGINES["kordon"], rounds, rows)
        else:
            yield from policy_fold.measure(rounds, records)


if __name__ == "__main__":
    main()
