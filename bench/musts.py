"""What has to hold, and what it came to: every row of the table in docs/performance.md.

A must compares figures of one call of ``make bench``. Where an engine it compares with was not asked for, it is not
judged; where one failed, it is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from bench.results import Run, grouped, median_of

STREAMS: Final = "kafka-streams-eos"
ONE_PROCESS: Final = "kordon-one-process"
"""Beside the raw limit, which is a process on one core, too. For the latency at a rate that one process keeps up with
on half a core: a second one would only take from the cores of broker and load. For what size costs a record: two would
leave the broker no core, and commits would last longer than the small fleet's turn."""

SMALL: Final = "scale-small"
LARGE: Final = "scale-large"


class Figures:
    """The medians of one call of the benchmark."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = {(group[0].workload, group[0].engine): group for group in grouped(runs)}

    def of(self, workload: str, engine: str, field: Callable[[Run], float | None]) -> float | None:
        """Return the median of a field; ``None`` if that was not measured."""
        return median_of(self._runs.get((workload, engine), ()), field)

    def ratio(self, workload: str, engine: str, other: str) -> float | None:
        """Return an engine's records a second over another's."""
        mine = self.of(workload, engine, lambda run: run.records_per_second)
        theirs = self.of(workload, other, lambda run: run.records_per_second)
        return None if mine is None or not theirs else mine / theirs


class Must(NamedTuple):
    """A bound. ``engines`` are those it needs; ``least``: the figure must be at least ``must``, else at most."""

    workload: str
    claim: str
    unit: str
    engines: tuple[str, ...]
    least: bool
    must: float
    aim: float
    measure: Callable[[Figures], float | None]


class Verdict(msgspec.Struct, frozen=True, rename="camel"):
    """A must and what it came to; ``met`` is null where it was not judged."""

    workload: str
    claim: str
    unit: str
    must: float
    aim: float
    measured: float | None
    met: bool | None
    aim_met: bool | None


def _slower(figures: Figures) -> float | None:
    small = figures.of(SMALL, ONE_PROCESS, lambda run: run.records_per_second)
    large = figures.of(LARGE, ONE_PROCESS, lambda run: run.records_per_second)
    return None if not small or not large else 100 * (small / large - 1)


MUSTS: Final = (
    Must(
        "network",
        f"Kordon over {STREAMS}",
        "times",
        ("kordon", STREAMS),
        True,
        1.5,
        2.5,
        lambda figures: figures.ratio("network", "kordon", STREAMS),
    ),
    Must(
        "heartbeats",
        f"Kordon over {STREAMS}",
        "times",
        ("kordon", STREAMS),
        True,
        1.5,
        2.5,
        lambda figures: figures.ratio("heartbeats", "kordon", STREAMS),
    ),
    Must(
        "mixed",
        "Kordon over the raw limit, a process each",
        "times",
        (ONE_PROCESS, "raw"),
        True,
        0.2,
        0.5,
        lambda figures: figures.ratio("mixed", ONE_PROCESS, "raw"),
    ),
    Must("scale", "1,000,000 nodes slower than 10,000 a record", "%", (ONE_PROCESS,), False, 20, 10, _slower),
    Must(
        "scale",
        "resident a row, each heard of again",
        "bytes",
        (ONE_PROCESS,),
        False,
        1000,
        500,
        lambda figures: figures.of(LARGE, ONE_PROCESS, lambda run: run.bytes_per_row),
    ),
    Must(
        "memory",
        "resident a row, restored",
        "bytes",
        ("kordon",),
        False,
        1000,
        500,
        lambda figures: figures.of("memory", "kordon", lambda run: run.bytes_per_row),
    ),
    Must(
        "restore",
        "start to first commit",
        "s",
        ("kordon",),
        False,
        20,
        8,
        lambda figures: figures.of("restore", "kordon", lambda run: run.seconds),
    ),
    Must(
        "latency",
        "p99, record produced to transition readable, a process",
        "ms",
        (ONE_PROCESS,),
        False,
        200,
        100,
        lambda figures: figures.of(
            "latency", ONE_PROCESS, lambda run: run.latency_millis.p99 if run.latency_millis else None
        ),
    ),
    Must(
        "fold",
        "kordon policy fold over json.loads",
        "times",
        ("kordon", "json.loads"),
        True,
        0.9,
        3.0,
        lambda figures: figures.ratio("fold", "kordon", "json.loads"),
    ),
)


def judge(runs: Sequence[Run], workloads: Sequence[str], engines: Sequence[str]) -> list[Verdict]:
    """Return the verdicts on the musts of ``workloads``; ``engines`` are those that were asked for."""
    figures = Figures(runs)
    verdicts = []
    for must in MUSTS:
        if must.workload not in workloads:
            continue
        measured = must.measure(figures)
        asked = all(engine in engines for engine in must.engines)
        met = aim_met = None
        if measured is not None:
            met = measured >= must.must if must.least else measured <= must.must
            aim_met = measured >= must.aim if must.least else measured <= must.aim
        elif asked:
            met = aim_met = False
        verdicts.append(Verdict(must.workload, must.claim, must.unit, must.must, must.aim, measured, met, aim_met))
    return verdicts


def told(verdict: Verdict) -> str:
    """Return a verdict in a line."""
    mark = {True: "met", False: "MISSED", None: "not judged"}[verdict.met]
    measured = "not measured" if verdict.measured is None else f"{verdict.measured:,.2f} {verdict.unit}"
    return (
        f"{mark:<10}  {verdict.workload:<10}  {verdict.claim}: {measured} "
        f"(must {verdict.must:g}, aim {verdict.aim:g}{', met' if verdict.aim_met else ''})"
    )
