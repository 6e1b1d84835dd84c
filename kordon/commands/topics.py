"""``kordon topics``: Kordon's topics, created and checked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from kordon.failures import ExitStatus
from kordon.output import counted, json_option, print_json, print_table, remark
from kordon.progress import waiting_on_stderr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transport.administration import Outcome
    from transport.settings import KafkaSettings


@click.group()
def topics() -> None:
    """Create Kordon's topics, list them, and check those that exist."""


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
    _print_outcomes(outcomes, as_json=as_json)
    if different:
        remark(f"{len(different)} topics differ. Nothing was changed: see `kordon topics apply --help`.")
        return ExitStatus.REFUSED
    return ExitStatus.OK


@topics.command(
    epilog="""
\b
Examples:
  kordon topics check
  kordon topics check --json | jq '.[] | select(.state != "unchanged")'

\b
The state of a topic is unchanged, different or missing; if any is not unchanged, the exit status is 4. Compared are
partitions, copies, and the settings that `kordon topics apply` gives. What applying mends is what is missing; what is
different a person changes, with kafka-configs.sh for a setting, or by another prefix for the number of partitions.
With --json: [{topic, state, differences: {name: {is, should}}}].
"""
)
@json_option
def check(*, as_json: bool) -> int:
    """Hold the topics against what they should be; change nothing."""
    from transport.administration import State, check_topics  # noqa: PLC0415 - so that --help is fast
    from transport.settings import KafkaSettings  # noqa: PLC0415

    settings = KafkaSettings.load()

    async def check_all() -> list[Outcome]:
        async with waiting_on_stderr("asking for the topics"):
            return await check_topics(settings)

    outcomes = asyncio.run(check_all())
    _print_outcomes(outcomes, as_json=as_json)
    missing = sum(outcome.state is State.MISSING for outcome in outcomes)
    different = sum(outcome.state is State.DIFFERENT for outcome in outcomes)
    if missing:
        remark(f"Missing: {counted(missing, 'topic')}; `kordon topics apply` creates them.")
    if different:
        remark(f"Different: {counted(different, 'topic')}; `kordon topics check --help` says who changes what.")
    return ExitStatus.REFUSED if missing or different else ExitStatus.OK


@topics.command(
    name="list",
    epilog="""
\b
Examples:
  kordon topics list
  kordon topics list --json | jq '.[] | select(.inSync < .replicationFactor) | .topic'

\b
Offsets are those between the first and the last that is kept, transaction markers among them, so an upper bound of
the records. With --json: [{topic, known, partitions, leaders, replicationFactor, inSync, cleanup, retentionMillis,
offsets}]; known is false for a topic that begins with the prefix and is none of Kordon's, inSync is that of the
partition with the fewest copies, retentionMillis is null where time deletes nothing.
""",
)
@json_option
def list_topics(*, as_json: bool) -> None:
    """List the topics that exist: partitions, copies, retention, and how much they hold."""
    from transport.settings import KafkaSettings  # noqa: PLC0415 - so that --help is fast

    settings = KafkaSettings.load()

    async def listed() -> list[dict[str, Any]]:
        async with waiting_on_stderr("asking for the topics"):
            return await _list(settings)

    rows = asyncio.run(listed())
    if as_json:
        print_json(rows)
        return
    columns = ("topic", "partitions", "copies", "in sync", "cleanup", "kept", "offsets")
    print_table(
        columns,
        [
            (
                row["topic"] if row["known"] else f"{row['topic']} (not Kordon's)",
                row["partitions"],
                row["replicationFactor"],
                row["inSync"],
                row["cleanup"],
                _kept(row["retentionMillis"]),
                row["offsets"],
            )
            for row in rows
        ],
    )
    if not rows:
        remark(f"There is no topic under the prefix {settings.prefix!r}: `kordon topics apply` creates Kordon's.")


async def _list(settings: KafkaSettings) -> list[dict[str, Any]]:
    from aiokafka import TopicPartition  # noqa: PLC0415 - so that --help is fast

    from schemas.topics import TOPICS  # noqa: PLC0415
    from transport.administration import describe_topics  # noqa: PLC0415
    from transport.watermarks import Watermarks  # noqa: PLC0415

    found = await describe_topics(settings)
    places = [TopicPartition(topic.name, number) for topic in found for number in range(topic.partitions)]
    offsets = dict.fromkeys((topic.name for topic in found), 0)
    if places:
        async with Watermarks(settings) as watermarks:
            low, high = await watermarks.low(places), await watermarks.high(places)
        for place in places:
            offsets[place.topic] += high[place] - low[place]
    own = {settings.topic(name) for name in TOPICS}
    return [
        {
            "topic": topic.name,
            "known": topic.name in own,
            "partitions": topic.partitions,
            "leaders": topic.leaders,
            "replicationFactor": topic.replication_factor,
            "inSync": topic.in_sync,
            "cleanup": topic.config.get("cleanup.policy"),
            "retentionMillis": _retention(topic.config),
            "offsets": offsets[topic.name],
        }
        for topic in found
    ]


def _retention(config: Mapping[str, str]) -> int | None:
    if "delete" not in config.get("cleanup.policy", "delete"):
        return None
    millis = int(config.get("retention.ms", "-1"))
    return None if millis < 0 else millis


def _kept(millis: int | None) -> str:
    if millis is None:
        return "for ever"
    for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if millis % unit == 0:
            return f"{millis // unit} {name}"
    return f"{millis} ms"


def _print_outcomes(outcomes: list[Outcome], *, as_json: bool) -> None:
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


def _told(differences: Mapping[str, tuple[str, str]]) -> list[str]:
    return [f"{name} is {actual}, not {wanted}" for name, (actual, wanted) in differences.items()]
