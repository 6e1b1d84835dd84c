"""``kordon topics``: Kordon's topics, created and checked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from kordon.failures import ExitStatus
from kordon.output import json_option, print_json, print_table, remark
from kordon.progress import waiting_on_stderr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.administration import Outcome


@click.group()
def topics() -> None:
    """Create Kordon's topics and check those that exist."""


@topics.command(
    epilog="""
\b
Examples:
  kordon topics apply
  KORDON_KAFKA_PREFIX=berlin. KORDON_KAFKA_PARTITIONS=24 kordon topics apply --json

Applying again changes nothing. A topic that exists and differs is reported, and the exit status is 4: to change
partitions, cleanup or retention under a running fleet loses or misplaces records, so a person must decide.
"""
)
@json_option
def apply(*, as_json: bool) -> int:
    """Create the topics that are missing; say of the others how they differ from what they should be."""
    from transport.administration import State, apply_topics  # noqa: PLC0415 - so that --help is fast
    from transport.settings import KafkaSettings  # noqa: PLC0415

    settings = KafkaSettings.load()

    async def apply_all() -> list[Outcome]:
        async with waiting_on_stderr("creating topics"):
            return await apply_topics(settings)

    outcomes = asyncio.run(apply_all())
    different = [outcome for outcome in outcomes if outcome.state is State.DIFFERENT]
    if as_json:
        print_json(
            [
                {
                    "topic": outcome.topic,
                    "state": outcome.state.value,
                    "differences": {
                        name: {"is": actual, "should": wanted} for name, (actual, wanted) in outcome.differences.items()
                    },
                }
                for outcome in outcomes
            ]
        )
    else:
        rows = [(outcome.topic, outcome.state.value, ", ".join(_told(outcome.differences))) for outcome in outcomes]
        print_table(("topic", "state", "differences"), rows)
    if different:
        remark(f"{len(different)} topics differ. Nothing was changed: see `kordon topics apply --help`.")
        return ExitStatus.REFUSED
    return ExitStatus.OK


def _told(differences: Mapping[str, tuple[str, str]]) -> list[str]:
    return [f"{name} is {actual}, not {wanted}" for name, (actual, wanted) in differences.items()]
