"""``kordon quarantine``: hold and release nodes, and follow who is held, live."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from kordon.commands.quarantine_list import list_held
from kordon.operator_options import actor_option, operator_key_option, trust_option
from kordon.output import json_option, print_json, remark

if TYPE_CHECKING:
    from pathlib import Path

    from aiokafka import ConsumerRecord

    from schemas.commands import Action
    from schemas.quarantine import QuarantineTransition


@click.group()
def quarantine() -> None:
    """Say who is held, hold and release nodes by signed commands, and follow transitions live."""


quarantine.add_command(list_held)


_reason_option = click.option("--reason", required=True, help="Why, for those who read the transition later.")


@quarantine.command(
    epilog="""
\b
Example:
  kordon quarantine add node-17 --reason "unknown process seen, ticket 4711"

Only a release lifts it. A node that policy holds already is held by the operator from then on.
"""
)
@click.argument("node_id")
@_reason_option
@actor_option
@operator_key_option
@trust_option
@json_option
def add(
    node_id: str, *, reason: str, actor: str, operator_key_file: Path | None, trust_file: Path | None, as_json: bool
) -> None:
    """Quarantine a node, whatever its score."""
    from schemas.commands import Action  # noqa: PLC0415 - so that --help is fast

    _order(node_id, Action.QUARANTINE, reason, actor, operator_key_file, trust_file, as_json=as_json)


@quarantine.command(
    epilog="""
\b
Example:
  kordon quarantine release node-17 --reason "moved to the new data centre, ticket 4712"

What the node is now becomes what is expected of it: its current network is the new baseline, its score 0.
"""
)
@click.argument("node_id")
@_reason_option
@actor_option
@operator_key_option
@trust_option
@json_option
def release(
    node_id: str, *, reason: str, actor: str, operator_key_file: Path | None, trust_file: Path | None, as_json: bool
) -> None:
    """Release a node and accept where it is as its new baseline."""
    from schemas.commands import Action  # noqa: PLC0415 - so that --help is fast

    _order(node_id, Action.RELEASE, reason, actor, operator_key_file, trust_file, as_json=as_json)


def _order(
    node_id: str,
    action: Action,
    reason: str,
    actor: str,
    operator_key_file: Path | None,
    trust_file: Path | None,
    *,
    as_json: bool,
) -> None:
    from kordon.operator import Operator  # noqa: PLC0415 - so that --help is fast
    from transport.settings import KafkaSettings  # noqa: PLC0415

    async def order() -> None:
        async with Operator.from_files(KafkaSettings.load(), operator_key_file, trust_file, actor) as operator:
            written = await operator.order(node_id, action, reason)
        if as_json:
            print_json(written)
        else:
            click.echo(
                f"{written.value['commandId']}  {action.value} of {node_id} is written, signed by {written.kid}."
            )
            remark("The worker acts on it at once; `kordon quarantine watch` shows the transition.")

    asyncio.run(order())


@quarantine.command(
    epilog="""
\b
Examples:
  kordon quarantine watch
  kordon quarantine watch --from-beginning --json | jq 'select(.to == "quarantined") | .nodeId'
  kordon quarantine watch --count 1 && notify-send "a node was moved"

With --json each line is the record's value, as design.md section 4 describes it.
"""
)
@click.option("--from-beginning", is_flag=True, help="First the transitions that are kept, then the live ones.")
@click.option("--count", type=click.IntRange(1), help="End after so many transitions; without it, at Ctrl-C.")
@json_option
def watch(*, from_beginning: bool, count: int | None, as_json: bool) -> None:
    """Follow the quarantine topic live: one line a transition, once it is committed."""
    from kordon.followed import follow  # noqa: PLC0415 - so that --help is fast
    from schemas.codec import DecodeError, decode  # noqa: PLC0415
    from schemas.quarantine import QuarantineTransition  # noqa: PLC0415
    from schemas.topics import QUARANTINE  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    settings = KafkaSettings.load()

    async def show() -> None:
        enough = asyncio.Event()
        shown = 0

        def on_record(record: ConsumerRecord) -> None:
            nonlocal shown
            if enough.is_set():
                return
            try:
                transition = decode(QuarantineTransition, record.value, QUARANTINE)
            except DecodeError as error:
                remark(f"Passed over {record.topic} [{record.partition}] offset {record.offset}: {error.reason}")
                return
            click.echo(record.value if as_json else line_of(transition))
            shown += 1
            if count is not None and shown >= count:
                enough.set()

        following = asyncio.create_task(follow(settings, QUARANTINE, on_record, from_beginning=from_beginning))
        ending = asyncio.create_task(enough.wait())
        try:
            await asyncio.wait({following, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                await following
        finally:
            following.cancel()
            ending.cancel()
            await asyncio.gather(following, ending, return_exceptions=True)

    remark(f"Following {settings.topic(QUARANTINE)} on {settings.bootstrap_servers}; Ctrl-C ends it.")
    asyncio.run(show())


def line_of(transition: QuarantineTransition) -> str:
    """Return a transition as a line for people, without colours."""
    signals = ", ".join(f"{signal.kind.value} {signal.points}" for signal in transition.signals)
    by = transition.actor if transition.actor is not None else transition.cause.value
    why = f": {transition.reason}" if transition.reason else ""
    return (
        f"{transition.at}  {transition.nodeId}  {transition.from_.value} → {transition.to.value}"
        f"  score {transition.score}{f' ({signals})' if signals else ''}  by {by}{why}"
    )
