"""``kordon demo``: the whole pipeline, played and checked."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kordon.failures import CommandFailed, ExitStatus
from kordon.output import json_option, print_json

if TYPE_CHECKING:
    from kordon.demo.performance import Performance


@click.command(
    epilog="""
\b
Examples:
  kordon demo                             on an embedded broker (noida-db), in about a minute
  kordon demo --quick                     its first acts alone, in some ten seconds
  kordon demo --keep                      stays running; says how to talk to it
  kordon demo --broker localhost:9092     on your Kafka, under a prefix of its own, cleaned up at the end
  kordon demo --json | jq .asExpected

The story and what must come of each step are in kordon/demo/scenario.py. The exit status is 0 only if each
outcome was the expected one. Settings of a broker that wants TLS or SASL: KORDON_KAFKA_…, see `kordon config`.
"""
)
@click.option("--broker", metavar="HOST:PORT", help="Use this Kafka instead of an embedded broker.")
@click.option("--quick", is_flag=True, help="Play the first acts alone, without the fleet in the background.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Policy file for worker and issuer. The expectations stay: another threshold makes the demo fail.",
)
@json_option
def demo(*, broker: str | None, quick: bool, keep: bool, policy_file: Path | None, as_json: bool) -> int:
    """Watch nodes being scored, quarantined, released, and given or denied capsules.

    Worker, issuer and a simulated fleet run as processes of their own that talk only through topics.
    """
    from kordon.demo.narration import Narrator  # noqa: PLC0415 - so that --help is fast
    from kordon.demo.performance import DemoFailedError, Options, perform  # noqa: PLC0415
    from kordon.known_errors import failure_of  # noqa: PLC0415

    narrator = Narrator(silent=as_json)

    def on_played(performance: Performance) -> None:
        if as_json:
            print_json(_told(performance))
        else:
            narrator.summary(performance.outcomes, performance.seconds)

    try:
        performance = asyncio.run(perform(Options(broker, policy_file, keep, quick), narrator, on_played))
    except asyncio.CancelledError:
        raise click.exceptions.Exit(128 + signal.SIGTERM) from None
    except DemoFailedError as error:
        cause = error.__cause__
        known = cause if isinstance(cause, CommandFailed) else failure_of(cause)
        if known is not None:
            raise known from None
        raise CommandFailed(
            ExitStatus.UNEXPECTED, f"the demo could not be played: {error}", f"See the logs in {error.logs}"
        ) from cause
    return ExitStatus.OK if performance.as_expected else ExitStatus.UNEXPECTED


def _told(performance: Performance) -> dict[str, Any]:
    return {
        "asExpected": performance.as_expected,
        "seconds": round(performance.seconds, 3),
        "outcomes": [
            {
                "act": outcome.act,
                "step": outcome.step,
                "expected": outcome.expected,
                "actual": outcome.actual,
                "asExpected": outcome.as_expected,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in performance.outcomes
        ],
    }
