"""Engines measured in turns on one warm broker, which whoever comes first would else have to warm for all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from bench.engines import Engine
from bench.processes import FAILURES
from bench.results import Failure, Run
from kordon.output import remark


def warm_up(workload: str, engine: Engine, run: Callable[[], object]) -> None:
    """Run an engine once without counting it.

    A broker that has just started is compiled by its JVM while it works, which takes most of its time in the first
    run and little later.
    """
    remark(f"  {workload}: {engine.name} once for the broker to get warm, not counted")
    with contextlib.suppress(*FAILURES):  # it fails again where it counts
        run()


def in_turns(
    workload: str,
    engines: Sequence[Engine],
    rounds: int,
    run: Callable[[Engine, int], Run],
    told: Callable[[Run], str],
) -> Iterator[Run | Failure]:
    """Yield what ``run(engine, number)`` of each engine comes to, round by round from 0 on.

    One that failed is not tried again. ``told`` says what a run came to, for who waits.
    """
    failed: set[str] = set()
    for number in range(rounds):
        for engine in engines:
            if engine.name in failed:
                continue
            try:
                measured = run(engine, number)
            except FAILURES as error:
                failed.add(engine.name)
                yield Failure(workload, engine.name, str(error))
            else:
                remark(f"  {workload} {number + 1}/{rounds} {engine.name}: {told(measured)}")
                yield measured
