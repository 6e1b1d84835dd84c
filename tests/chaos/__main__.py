"""``python -m tests.chaos --seed 1 --minutes 10``: see docs/reliability.md.

Exit status 0 if nothing was lost, doubled or different and every process was well; else 1. Logs and data of a run that
failed are kept, and the report says where.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.brokers.kafka_cluster import SAFE_NODES, KafkaCluster
from tests.brokers.tcp_proxy import Network
from tests.chaos.catalogue import all_faults, chosen, found_by
from tests.chaos.controls import CONTROLS
from tests.chaos.fault import Fault
from tests.chaos.report import Setting, json_of, markdown_of, require_mark, text_of, write_into
from tests.chaos.run import Outcome, Run, Strike
from tests.chaos.world import Layout, World


async def run(
    setting: Setting, folder: Path, layout: Layout, *, faults: Sequence[Fault] = (), strikes: int | None = None
) -> Outcome:
    """Start brokers and services in ``folder``, let the faults strike, and judge. Everything is ended at the end.

    ``faults`` are those that the setting names, unless given.
    """
    brokers = KafkaCluster(folder, setting.brokers)
    try:
        async with Network(brokers.through) as network:
            brokers.advertise(network.ports)
            _say(f"{setting.brokers} brokers, topics, workers and issuers start")
            await asyncio.to_thread(brokers.start)
            copies = brokers.replication_factor
            world = World(brokers, folder, layout, network=network, replication_factor=copies)
            return await run_in(world, setting, faults=faults, strikes=strikes)
    finally:
        await asyncio.to_thread(brokers.stop)


async def run_in(
    world: World, setting: Setting, *, faults: Sequence[Fault] = (), strikes: int | None = None
) -> Outcome:
    """Do the same in a world that was not entered yet, on brokers that run already and are nobody's to strike."""
    if setting.control and not setting.faults:
        faults = faults or found_by(setting.control)
    faults = faults or chosen(all_faults(setting.brokers), setting.faults)
    told: asyncio.Queue[Strike] = asyncio.Queue()
    async with world:
        printing = asyncio.create_task(_tell(told))
        _say(f"{len(faults)} faults strike for {setting.minutes:g} minutes, then all is read and judged")
        try:
            seconds = setting.minutes * 60
            return await Run(world, faults, seed=setting.seed, seconds=seconds, strikes=strikes).play(told)
        finally:
            printing.cancel()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


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
    parser.add_argument("--brokers", type=int, choices=(1, SAFE_NODES), default=SAFE_NODES, help="how many run (3)")
    parser.add_argument("--negative-control", choices=list(CONTROLS), help="start workers that are wrong in this way")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, the verdict after it")
    parser.add_argument("--markdown", action="store_true", help="the same as a section of docs/reliability.md")
    parser.add_argument(
        "--report",
        type=Path,
        help="a document such as docs/reliability.md, whose text between the lines "
        "<!-- report --> (of --faults 1: <!-- report: 1 -->) and <!-- end --> this run's report replaces",
    )
    parser.add_argument("--list", action="store_true", help="print the faults and end")
    given = parser.parse_args(arguments)
    if given.list:
        sys.stdout.write("".join(f"{fault.number} {fault.name}\n" for fault in all_faults(given.brokers)))
        return 0
    kinds = tuple(kind for kind in given.faults.split(",") if kind)
    setting = Setting(given.seed, given.minutes, kinds, given.brokers, given.negative_control)
    if given.report is not None:
        try:
            require_mark(given.report, setting.mark)
        except (OSError, ValueError) as error:
            parser.error(str(error))
    folder = Path(tempfile.mkdtemp(prefix="kordon-chaos-"))
    # Its clients tell of every broker that does not answer.
    logging.basicConfig(filename=folder / "harness.log", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        outcome = asyncio.run(run(setting, folder, Layout(seed=given.seed, control=given.negative_control)))
    except BaseException:
        sys.stderr.write(f"The run ended early. Logs and data: {folder}\n")
        raise
    if outcome.passed:
        shutil.rmtree(folder)
    else:
        outcome.notes.append(f"logs and data: {folder}")
    if given.report is not None:
        write_into(given.report, setting.mark, markdown_of(outcome, setting))
    if given.json or given.markdown:
        shown = json_of(outcome, setting) if given.json else markdown_of(outcome, setting)
        sys.stdout.write(f"{shown}\n{outcome.verdict}\n")
    else:
        sys.stdout.write(text_of(outcome, setting) + "\n")
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
