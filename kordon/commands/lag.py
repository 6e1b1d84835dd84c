"""``kordon lag``: how far worker, issuer and ledger are behind the topics."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from kordon.failures import ExitStatus
from kordon.output import console, json_option, print_json, print_table, remark
from kordon.progress import waiting_on_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kordon.operations.lag import CopartitionLag

_SERVICES = ("worker", "issuer", "ledger")


@click.command(
    epilog="""
\b
Examples:
  kordon lag
  kordon lag --watch
  kordon lag --service worker --json | jq '.copartitions[] | select(.stale)'

\b
progress: how old the last sign of life is, its writer's clock against this one.
lag:      how old the oldest record is that is not dealt with: the worker says it itself, of issuer and ledger the
          first unread record's timestamp does.
behind:   offsets to the topics' ends, markers of transactions among them, so an idle service may show a few.

The exit status is 1 if anything is stale: by KORDON_ISSUER_PROGRESS_AGE_MS and KORDON_ISSUER_LAG_MS, 30 s each, beyond
which the issuer denies every capsule as RISK_STATE_STALE. The ledger is told where its file is here.

\b
With --json: {"stale": true or false, "behind": offsets, "copartitions": [{service, partition, at, ageMillis, lagMillis,
behind, stale: reason or null, topics: {topic: {position, high, behind}}}]}; with --watch one such line a look.
"""
)
@click.option(
    "--service", "services", type=click.Choice(_SERVICES), multiple=True, help="Only this; may be given again."
)
@click.option("--watch", is_flag=True, help="Look again and again until Ctrl-C.")
@click.option(
    "--interval", type=click.FloatRange(0.5, 3_600), default=2.0, show_default=True, help="Seconds between two looks."
)
@json_option
def lag(*, services: tuple[str, ...], watch: bool, interval: float, as_json: bool) -> int:
    """Say how far each service is behind in each co-partition."""
    from issuer.settings import IssuerSettings  # noqa: PLC0415 - so that --help is fast
    from kordon.ledger.settings import LedgerSettings  # noqa: PLC0415
    from kordon.operations.lag_reading import lags, limits_of  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    settings, limits, file = KafkaSettings.load(), limits_of(IssuerSettings.load()), LedgerSettings.load().file

    async def look() -> list[CopartitionLag]:
        return await lags(settings, limits, services or _SERVICES, file if file.exists() else None)

    async def look_once() -> list[CopartitionLag]:
        async with waiting_on_stderr("asking how far the services are"):
            return await look()

    async def look_on() -> None:
        while True:
            found = await look()
            if as_json:
                print_json(_json(found))
            else:
                if sys.stdout.isatty():
                    console().clear()
                _print(found)
                click.echo()
            await asyncio.sleep(interval)

    if watch:
        asyncio.run(look_on())
    found = asyncio.run(look_once())
    if as_json:
        print_json(_json(found))
    else:
        _print(found)
    return ExitStatus.UNEXPECTED if any(each.stale for each in found) else ExitStatus.OK


def _json(found: Sequence[CopartitionLag]) -> dict[str, Any]:
    return {
        "stale": any(each.stale for each in found),
        "behind": sum(each.behind for each in found),
        "copartitions": [
            {
                "service": each.service,
                "partition": each.partition,
                "at": None if each.at is None else _time(each.at),
                "ageMillis": each.age_millis,
                "lagMillis": each.lag_millis,
                "behind": each.behind,
                "stale": each.stale,
                "topics": {
                    name: {"position": topic.position, "high": topic.high, "behind": topic.behind}
                    for name, topic in each.topics.items()
                },
            }
            for each in found
        ],
    }


def _print(found: Sequence[CopartitionLag]) -> None:
    from kordon.operations.lag import seconds  # noqa: PLC0415 - so that --help is fast

    def told(millis: int | None) -> str:
        return "" if millis is None else seconds(millis)

    rows = [
        (
            each.service,
            each.partition,
            told(each.age_millis),
            told(each.lag_millis),
            each.behind,
            ", ".join(f"{name} {topic.behind}" for name, topic in each.topics.items() if topic.behind),
            each.stale or "",
        )
        for each in found
    ]
    print_table(("service", "partition", "progress", "lag", "behind", "of which", "stale"), rows)
    stale = sum(each.stale is not None for each in found)
    if stale:
        remark(f"{stale} of {len(found)} are stale: is the service running, and what does its log say?")


def _time(millis: int) -> str:
    from schemas.timestamp import Timestamp  # noqa: PLC0415 - so that --help is fast

    return str(Timestamp(millis))
