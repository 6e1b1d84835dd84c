"""``python -m tests.chaos --seed 1 --minutes 10``: see docs/reliability.md.

Exit status 0 if nothing was lost, doubled or different and every process was well; else 1. Logs and data of a run that
failed are kept, and the report says where.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.brokers.apache_kafka import ApacheKafka
from tests.chaos.controls import CONTROLS
from tests.chaos.fault import ENDED_BY_FENCE, STREAMS, Fault, chosen
from tests.chaos.faults_of_inputs import faults as faults_of_inputs
from tests.chaos.faults_of_logs import faults as faults_of_logs
from tests.chaos.faults_of_services import ExitAtStep, Kill
from tests.chaos.faults_of_services import faults as faults_of_services
from tests.chaos.report import Setting, json_of, markdown_of, text_of
from tests.chaos.run import Outcome, Run, Strike
from tests.chaos.world import Layout, World
from tests.chaos.zombies import ZombieAtStep
from tests.chaos.zombies import faults as zombies
from transport.writer import Step


def all_faults() -> list[Fault]:
    """Return new objects of every fault of a world with one broker."""
    return [*faults_of_services(), *zombies(), *faults_of_inputs(), *faults_of_logs()]


def found_by(control: str) -> list[Fault]:
    """Return the faults that bring a negative control's mistake to light."""
    streams = frozenset({STREAMS})
    at_commit = ExitAtStep("exit-worker-at-commit", 1, streams, steps=[Step.COMMITTED])
    asleep = ZombieAtStep("zombie-worker-at-commit", 3, streams, statuses=ENDED_BY_FENCE, steps=[Step.BEGUN])
    kill = Kill("kill-worker", 1, streams)
    faults: dict[str, list[Fault]] = {
        "offsets-first": [kill],
        "rows-serialised-late": [at_commit, kill],
        "no-fencing": [asleep],
    }
    return faults[control]


async def run(setting: Setting, folder: Path, layout: Layout, *, strikes: int | None = None) -> Outcome:
    """Start brokers and services in ``folder``, let the faults strike, and judge. Everything is ended at the end."""
    faults = chosen(all_faults(), setting.faults)
    if setting.control and not setting.faults:
        faults = found_by(setting.control)
    broker = ApacheKafka(folder / "kafka")
    broker.start()
    try:
        told: asyncio.Queue[Strike] = asyncio.Queue()
        async with World(broker, folder, layout) as world:
            printing = asyncio.create_task(_tell(told))
            try:
                seconds = setting.minutes * 60
                return await Run(world, faults, seed=setting.seed, seconds=seconds, strikes=strikes).play(told)
            finally:
                printing.cancel()
    finally:
        await asyncio.to_thread(broker.stop)


async def _tell(told: asyncio.Queue[Strike]) -> None:
    while True:
        strike = await told.get()
        recovery = "not recovered" if strike.recovery is None else f"recovered in {strike.recovery:.1f} s"
        sys.stderr.write(f"{strike.after:7.1f} s  {strike.fault}: {recovery}, stall {strike.stall:.1f} s\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides the schedule and the load")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults strike")
    parser.add_argument("--faults", default="", help="names or numbers, separated by commas; all without")
    parser.add_argument("--negative-control", choices=list(CONTROLS), help="start workers that are wrong in this way")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, the verdict after it")
    parser.add_argument("--markdown", action="store_true", help="the same as a section of docs/reliability.md")
    parser.add_argument("--list", action="store_true", help="print the faults and end")
    given = parser.parse_args(arguments)
    if given.list:
        sys.stdout.write("".join(f"{fault.number} {fault.name}\n" for fault in all_faults()))
        return 0
    kinds = tuple(kind for kind in given.faults.split(",") if kind)
    setting = Setting(given.seed, given.minutes, kinds, 1, given.negative_control)
    folder = Path(tempfile.mkdtemp(prefix="kordon-chaos-"))
    try:
        outcome = asyncio.run(run(setting, folder, Layout(seed=given.seed, control=given.negative_control)))
    except BaseException:
        sys.stderr.write(f"The run ended early. Logs and data: {folder}\n")
        raise
    if outcome.passed:
        shutil.rmtree(folder)
    else:
        outcome.notes.append(f"logs and data: {folder}")
    if given.json or given.markdown:
        shown = json_of(outcome, setting) if given.json else markdown_of(outcome, setting)
        sys.stdout.write(f"{shown}\n{outcome.verdict}\n")
    else:
        sys.stdout.write(text_of(outcome, setting) + "\n")
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
