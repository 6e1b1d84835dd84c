"""``kordon node list``: the fleet, joined of registry, risk rows and bindings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from kordon.operator_options import trust_option
from kordon.output import json_option, print_json, print_table, remark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kordon.nodes.listing import Listed, Listing, Order, Wanted
    from transport.trust import Trust

DEFAULT_LIMIT = 100


@click.command(
    "list",
    epilog="""
\b
Examples:
  kordon node list
  kordon node list --status quarantined --sort updated
  kordon node list --min-score 40 --json | jq -r '.[].nodeId'
  kordon node list --registry-status revoked --limit 0

\b
It reads node.registry.v1, node.risk.v1 and node.bindings.v1; a node that one of them knows is shown. A status of
the registry in words: disabled is an active node that gets no capsule for a while, refused one whose records all lack
a valid signature. With --json: a list of {nodeId, registry, status, score, signals, since, cause, updatedAt, bound};
docs/command.md has an example.
""",
)
@click.option("--status", type=click.Choice(["active", "quarantined"]), help="Only nodes whose risk row says so.")
@click.option(
    "--registry-status",
    "standing",
    type=click.Choice(["active", "disabled", "revoked", "removed", "refused"]),
    help="Only nodes that stand so in the registry.",
)
@click.option("--min-score", type=click.IntRange(0), help="Only nodes with at least so many points.")
@click.option(
    "--sort",
    type=click.Choice(["score", "node", "updated"]),
    default="score",
    show_default=True,
    help="score: the highest first; node: by name; updated: what changed last first.",
)
@click.option(
    "--limit", type=click.IntRange(0), default=DEFAULT_LIMIT, show_default=True, help="Most nodes shown; 0 shows all."
)
@trust_option
@json_option
def list_nodes(
    *,
    status: str | None,
    standing: str | None,
    min_score: int | None,
    sort: str,
    limit: int,
    trust_file: Path | None,
    as_json: bool,
) -> None:
    """List nodes, the highest score first: registry status, risk status, score, signals."""
    from kordon.nodes.listing import Order, Wanted  # noqa: PLC0415 - so that --help is fast
    from kordon.nodes.registrations import Standing  # noqa: PLC0415
    from kordon.trust_at_hand import trust_at_hand  # noqa: PLC0415
    from schemas.risk import NodeStatus  # noqa: PLC0415

    wanted = Wanted(
        None if status is None else NodeStatus(status), None if standing is None else Standing(standing), min_score
    )
    listing, nodes = asyncio.run(_listed(wanted, Order(sort), limit or None, trust_at_hand(trust_file)))
    if as_json:
        print_json(nodes)
    else:
        print_table(_COLUMNS, map(_row, nodes))
    if listing.unreadable:
        remark(f"{listing.unreadable} risk rows cannot be read and are not shown: was a newer Kordon at work?")
    if listing.matched > len(nodes):
        remark(f"{len(nodes)} of {listing.matched} nodes; --limit 0 shows all.")


_COLUMNS = ("node", "registry", "risk", "score", "signals", "held since", "updated")


async def _listed(
    wanted: Wanted, order: Order, limit: int | None, trust: Trust | None
) -> tuple[Listing, Sequence[Listed]]:
    from kordon.ledger.signatures import SignatureCheck  # noqa: PLC0415 - so that --help is fast
    from kordon.nodes.fleet_reading import bounds_of_fleet, shares_of  # noqa: PLC0415
    from kordon.nodes.listing import Listing  # noqa: PLC0415
    from kordon.nodes.registrations import registration_of  # noqa: PLC0415
    from schemas.topics import REGISTRY  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    settings = KafkaSettings.load()
    bounds = await bounds_of_fleet(settings)
    check = SignatureCheck(REGISTRY, trust, bounds.partitions)
    listing = Listing(wanted, order, limit, lambda records: registration_of(records, check))
    async for share in shares_of(settings, bounds):
        listing.add(share)
    return listing, listing.nodes()


def _row(listed: Listed) -> tuple[object, ...]:
    return (
        listed.node_id,
        listed.registry or "-",
        listed.status or "-",
        "-" if listed.score is None else listed.score,
        ", ".join(listed.signals),
        None if listed.since is None else f"{listed.since} by {listed.cause}",
        listed.updated_at,
    )
