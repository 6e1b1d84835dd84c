"""``kordon simulate``: play a fleet, to Kafka or as lines."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

import click

from kordon.failures import CommandFailed, ExitStatus
from kordon.output import remark
from kordon.progress import progress_on_stderr
from schemas.timestamp import Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kordon.simulator import SimulatedRecord

_EPOCH_OF_LINES = "2026-01-01T00:00:00Z"
_LINES_A_CHUNK = 4096


@click.command(
    epilog="""
\b
Examples:
  kordon simulate --nodes 100 --rate 500             to Kafka, until Ctrl-C
  kordon simulate --count 100000 --output - | kordon policy fold -
  kordon simulate --nodes 3 --seed 7 --count 20 --output - | jq .payload

The same --nodes, --rate, --seed, --start and --partitions give the same records, byte for byte. The mix of
heartbeats, sightings, moves, crashes, roaming, delayed, forged, misplaced and malformed records is in
kordon/simulator.py.
"""
)
@click.option("--nodes", type=click.IntRange(1), default=20, show_default=True, help="Nodes in the fleet.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), default=50.0, show_default=True, help="Records a second."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides everything that looks like chance.")
@click.option("--count", type=click.IntRange(1), help="End after so many records; without it, at Ctrl-C.")
@click.option("--start", help=f"Record time of the first record, RFC 3339. Default: now; {_EPOCH_OF_LINES} for lines.")
@click.option(
    "--partitions", type=click.IntRange(1), help="Partitions of the topics. Default: what Kafka says; 12 for lines."
)
@click.option("--output", help="Write lines as `kcat -J` prints them to this file (- is stdout), not to Kafka.")
def simulate(
    nodes: int, rate: float, seed: int, count: int | None, start: str | None, partitions: int | None, output: str | None
) -> None:
    """Play a fleet of nodes that boot, report, move, crash, roam, and some that lie."""
    from kordon.simulator import simulate as play  # noqa: PLC0415 - so that --help is fast

    first = _first(start or (_EPOCH_OF_LINES if output else None))
    if output is None:
        asyncio.run(_to_kafka(nodes, rate, seed, count, first, partitions))
        return
    records = itertools.islice(play(nodes, rate, seed, first, partitions or 12), count)
    if output == "-":
        _write(records, count, sys.stdout.buffer)
        return
    with open(output, "wb") as file:  # noqa: PTH123 - a name as the shell gave it
        _write(records, count, file)


def _first(text: str | None) -> Timestamp:
    if text is None:
        return Timestamp(time.time_ns() // 1_000_000)
    try:
        return Timestamp.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--start") from None


def _write(records: Iterator[SimulatedRecord], count: int | None, file: BinaryIO) -> None:
    from kordon.kcat_lines import lines_of  # noqa: PLC0415 - so that --help is fast

    lines = lines_of(records)
    with progress_on_stderr("writing", count) as advance:
        while chunk := list(itertools.islice(lines, _LINES_A_CHUNK)):
            file.write(b"\n".join(chunk) + b"\n")
            advance(len(chunk))
    file.flush()


async def _to_kafka(
    nodes: int, rate: float, seed: int, count: int | None, first: Timestamp, partitions: int | None
) -> None:
    from kordon.simulated_fleet import publish  # noqa: PLC0415 - lines need no Kafka
    from kordon.simulator import simulate as play  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    settings = KafkaSettings.load()

    def records(of_kafka: int) -> Iterator[SimulatedRecord]:
        if partitions is not None and partitions != of_kafka:
            raise CommandFailed(
                ExitStatus.REFUSED,
                f"the topics have {of_kafka} partitions, not {partitions}",
                "Leave out --partitions, so that what Kafka says is taken.",
            )
        return itertools.islice(play(nodes, rate, seed, first, of_kafka), count)

    remark(f"Playing {nodes} nodes at {rate:g} records/s to {settings.bootstrap_servers}, seed {seed}; Ctrl-C ends it.")
    with progress_on_stderr("publishing", count) as advance:
        await publish(settings, records, rate, advance)
