"""``kordon demo``: the whole pipeline, played and checked."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click

from kordon.failures import CommandFailed, ExitStatus
from kordon.output import json_option, print_json


@click.command(
    epilog="""
\b
Examples:
  kordon demo                             on an embedded broker (noida-db), in about a minute
  kordon demo --keep                      stays running; says how to talk to it
  kordon demo --broker localhost:9092     on your Kafka, under a prefix of its own, cleaned up at the end
  kordon demo --json | jq .asExpected

The story and what must come of each step are in kordon/demo/scenario.py. The exit status is 0 only if each
outcome was the expected one. Settings of a broker that wants TLS or SASL: KORDON_KAFKA_…, see `kordon config`.
"""
)
@click.option("--broker", metavar="HOST:PORT", help="Use this Kafka instead of an embedded broker.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Policy file for worker and issuer. The expectations stay: another threshold makes the demo fail.",
)
@json_option
def demo(*, broker: str | None, keep: bool, policy_file: Path | None, as_json: bool) -> int:
    """Watch nodes being scored, quarantined, released, and given or denied capsules.

    Worker, issuer and a simulated fleet run as processes of their own that talk only through topics.
    """
    from kordon.demo.narration import Narrator  # noqa: PLC0415 - so that --help is fast
    from kordon.demo.performance import DemoFailedError, Options, perform  # noqa: PLC0415

    try:
        performance = asyncio.run(perform(Options(broker, policy_file, keep), Narrator(silent=as_json)))
    except asyncio.CancelledError:
        raise click.exceptions.Exit(128 + signal.SIGTERM) from None
    except DemoFailedError as error:
        cause = error.__cause__
        if isinstance(cause, CommandFailed):
            raise cause from None
        raise CommandFailed(
            ExitStatus.UNEXPECTED, f"the demo could not be played: {error}", f"See the logs in {error.logs}"
        ) from cause
    if as_json:
        print_json(
            {
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
        )
    return ExitStatus.OK if performance.as_expected else ExitStatus.UNEXPECTED
