"""``python -m bench``: measure, print a table, write ``bench/results``, and fail where a must is missed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from bench import backlog
from bench.engines import ENGINES
from bench.musts import judge, told
from bench.results import RESULTS, Failure, Run, environment, grouped, print_results, summed_up
from bench.workloads import BACKLOGS
from kordon.output import print_json, remark

WORKLOADS = tuple(BACKLOGS)
MUST_MISSED = 1
FAILED = 3


@click.command()
@click.option("--workload", "-w", multiple=True, type=click.Choice(WORKLOADS), help="Default: all.")
@click.option("--engine", "-e", multiple=True, type=click.Choice(tuple(ENGINES)), help="Default: all.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Runs of each, in turns.")
@click.option("--records", type=click.IntRange(10_000), help="Records of a backlog. Default: the workload's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON instead of a table.")
def main(workload: Sequence[str], engine: Sequence[str], rounds: int, records: int | None, *, as_json: bool) -> None:
    """Measure Kordon's worker and its peers on the same records and machine.

    Ends with status 1 where a must of docs/performance.md is missed, 3 where an engine failed or got another answer.
    """
    workloads, engines = workload or WORKLOADS, engine or tuple(ENGINES)
    before = environment()
    runs: list[Run] = []
    failures: list[Failure] = []
    for name in workloads:
        for outcome in _measure(name, engines, rounds, records):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                remark(f"  {outcome.workload} {outcome.engine} FAILED: {outcome.reason}")
            else:
                runs.append(outcome)
    verdicts = judge(runs, workloads, engines)
    results = [summed_up(group) for group in grouped(runs)]
    _write(RESULTS / "latest.json", results)
    _write(
        RESULTS / "latest-details.json",
        {
            "environment": before,
            "loadAfter": environment()["load"],
            "arguments": sys.argv[1:],
            "runs": runs,
            "musts": verdicts,
            "failures": failures,
        },
    )
    if as_json:
        print_json(results)
    else:
        print_results(runs)
        for verdict in verdicts:
            click.echo(told(verdict))
    for failure in failures:
        remark(f"failed: {failure.workload} {failure.engine}: {failure.reason.splitlines()[0]}")
    missed = [verdict for verdict in verdicts if verdict.met is False]
    sys.exit(MUST_MISSED if missed else FAILED if failures else 0)


def _measure(workload: str, engines: Sequence[str], rounds: int, records: int | None) -> Iterator[Run | Failure]:
    remark(f"{workload}:")
    found = BACKLOGS[workload]
    if records is not None:
        found = replace(found, records=records)
    chosen = [ENGINES[name] for name in engines if ENGINES[name].plays(workload)]
    yield from backlog.measure(found, chosen, rounds)


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


if __name__ == "__main__":
    main()
