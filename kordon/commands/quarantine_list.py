"""``kordon quarantine list``: who is held now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from kordon.output import json_option, print_json, print_table, remark

if TYPE_CHECKING:
    from kordon.nodes.held import Held


@click.command(
    "list",
    epilog="""
\b
Examples:
  kordon quarantine list
  kordon quarantine list --cause policy --json | jq -r '.[].nodeId'

\b
It reads node.risk.v1, and node.quarantine.v1 for who ordered it and why. With --json: a list of {nodeId, since, cause,
quarantineScore, score, actor, reason, signals, transitionId}; docs/command.md has an example.
""",
)
@click.option(
    "--cause", type=click.Choice(["policy", "operator"]), help="Only nodes held by the rules, or by a person."
)
@json_option
def list_held(*, cause: str | None, as_json: bool) -> None:
    """List who is held now, those held last first: since when, by whom, why."""
    from kordon.nodes.held_reading import read_held  # noqa: PLC0415 - so that --help is fast
    from schemas.risk import Cause  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    held = asyncio.run(read_held(KafkaSettings.load()))
    nodes = held.nodes(None if cause is None else Cause(cause))
    if as_json:
        print_json(nodes)
    else:
        print_table(("node", "since", "cause", "score", "by", "reason", "signals"), map(_row, nodes))
    if held.unreadable:
        remark(f"{held.unreadable} risk rows cannot be read: nobody knows whether those nodes are held.")
    if not nodes:
        remark("Nobody is held." if cause is None else f"Nobody is held by {cause}.")


def _row(held: Held) -> tuple[object, ...]:
    signals = ", ".join(f"{signal.kind} {signal.points}" for signal in held.signals)
    return held.node_id, held.since, held.cause, held.quarantine_score, held.actor, held.reason, signals
