"""What runs come to: medians, the table a person reads and the JSON a program reads."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import psutil

from kordon.output import print_table


class Latency(msgspec.Struct, frozen=True):
    """Percentiles, in ms."""

    p50: float
    p99: float


class Run(msgspec.Struct, frozen=True, rename="camel"):
    """One run of an engine.

    CPU is that of the engine's processes alone, the broker's stands beside it; both in µs a record. ``rss_bytes`` is
    the most its processes had resident together. ``seconds`` is the time that was measured, ``load`` the machine's load
    average (1 min) at its end. ``bytes_per_row``: what a row adds to the resident memory.
    ``rows_written_per_record`` is below 1 where rows changed twice within a commit, and were written once.
    """

    workload: str
    engine: str
    records: int | None = None
    seconds: float | None = None
    records_per_second: float | None = None
    cpu_micros_per_record: float | None = None
    broker_cpu_micros_per_record: float | None = None
    latency_millis: Latency | None = None
    rss_bytes: int | None = None
    bytes_per_row: float | None = None
    rows_written_per_record: float | None = None
    load: float = 0.0


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """The medians of an engine's runs of a workload; what a workload does not measure is null."""

    workload: str
    engine: str
    records_per_second: float | None
    cpu_micros_per_record: float | None
    latency_millis: Latency | None
    rss_bytes: int | None


class Failure(msgspec.Struct, frozen=True):
    """An engine that was not timed, and why: it failed, or got another answer."""

    workload: str
    engine: str
    reason: str


def load_average() -> float:
    """Return the machine's load average over the last minute."""
    return round(os.getloadavg()[0], 2)


def median_of(runs: Iterable[Run], field: Callable[[Run], float | None]) -> float | None:
    """Return the median of a field over the runs that have it."""
    values = [value for run in runs if (value := field(run)) is not None]
    return statistics.median(values) if values else None


def summed_up(runs: Sequence[Run]) -> Result:
    """Return the medians of runs of one engine and workload (at least one)."""
    p50 = median_of(runs, lambda run: run.latency_millis.p50 if run.latency_millis else None)
    p99 = median_of(runs, lambda run: run.latency_millis.p99 if run.latency_millis else None)
    rss = median_of(runs, lambda run: run.rss_bytes)
    return Result(
        workload=runs[0].workload,
        engine=runs[0].engine,
        records_per_second=_rounded(median_of(runs, lambda run: run.records_per_second), 0),
        cpu_micros_per_record=_rounded(median_of(runs, lambda run: run.cpu_micros_per_record), 2),
        latency_millis=None if p50 is None or p99 is None else Latency(round(p50, 1), round(p99, 1)),
        rss_bytes=None if rss is None else int(rss),
    )


def grouped(runs: Iterable[Run]) -> list[list[Run]]:
    """Return runs by workload and engine, in the order in which each first came."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.workload, run.engine), []).append(run)
    return list(groups.values())


def print_results(runs: Sequence[Run]) -> None:
    """Print a line for each engine and workload; the range is that of records a second over the runs."""
    columns = ("workload", "engine", "records/s", "range", "CPU µs", "broker µs", "p50 ms", "p99 ms", "MB", "s", "load")
    lines = []
    for group in grouped(runs):
        result = summed_up(group)
        rates = [run.records_per_second for run in group if run.records_per_second is not None]
        latency = result.latency_millis
        lines.append(
            (
                result.workload,
                result.engine,
                _text(result.records_per_second, 0),
                f"{min(rates):,.0f} to {max(rates):,.0f}" if len(rates) > 1 else "",
                _text(result.cpu_micros_per_record, 2),
                _text(median_of(group, lambda run: run.broker_cpu_micros_per_record), 2),
                _text(latency.p50 if latency else None, 0),
                _text(latency.p99 if latency else None, 0),
                _text(result.rss_bytes / 1_048_576 if result.rss_bytes else None, 0),
                _text(median_of(group, lambda run: run.seconds), 2),
                f"{max(run.load for run in group):.1f}",
            )
        )
    print_table(columns, lines)


def environment() -> dict[str, object]:
    """Return what the figures were measured on; it names no host and no user."""
    return {
        "cores": psutil.cpu_count(),
        "memoryBytes": psutil.virtual_memory().total,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit_of(Path(__file__).parents[1]),
    }


def commit_of(root: Path) -> str:
    """Return the commit, with ``-dirty`` if a file differs; an earlier call's figures do not count as one."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results")
    return git("describe", "--always") + ("-dirty" if changed else "")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _text(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
