"""``kordon capsule list``: what the issuer decided."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from kordon.output import json_option, print_json, print_table, remark

if TYPE_CHECKING:
    from kordon.nodes.decisions import Decided

_REASONS = (
    "REQUEST_EXPIRED",
    "REPLAYED_REQUEST",
    "NODE_REVOKED",
    "NODE_DISABLED",
    "FINGERPRINT_MISMATCH",
    "RISK_STATE_STALE",
    "NODE_QUARANTINED",
    "NETWORK_POLICY_VIOLATION",
)
"""What an authenticated request is denied for; the others leave no decision (design.md section 6)."""


@click.command(
    "list",
    epilog="""
\b
Examples:
  kordon capsule list
  kordon capsule list cobalt --denied
  kordon capsule list --reason RISK_STATE_STALE --limit 1000 --json | jq -r '.[].nodeId' | sort | uniq -c

\b
It reads capsule.decisions.v1 from its end. A request that proves nobody leaves no decision: it is in
capsule.requests.v1.dlq. With --json: a list of decisions, the record's value each (design.md section 4) with
partition and offset; docs/command.md has an example.
""",
)
@click.argument("node_id", metavar="[NODE]", required=False)
@click.option("--denied/--granted", default=None, help="Only denials, or only capsules.")
@click.option("--reason", type=click.Choice(_REASONS, case_sensitive=False), help="Only denials for this reason.")
@click.option(
    "--limit", type=click.IntRange(0), default=50, show_default=True, help="Most decisions; 0 shows all kept."
)
@json_option
def list_decisions(node_id: str | None, *, denied: bool | None, reason: str | None, limit: int, as_json: bool) -> None:
    """List the issuer's decisions, of one node or of all, the newest first."""
    from kordon.nodes.decisions import WantedDecisions, view_of  # noqa: PLC0415 - so that --help is fast
    from kordon.nodes.decisions_reading import read_newest  # noqa: PLC0415
    from schemas.decisions import DenialReason  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    if reason is not None and denied is False:
        raise click.UsageError("A capsule that was granted has no --reason.")
    wanted = WantedDecisions(node_id, denied, None if reason is None else DenialReason(reason.upper()))
    found = asyncio.run(read_newest(KafkaSettings.load(), wanted, limit or None))
    if as_json:
        print_json([view_of(decided) for decided in found])
        return
    print_table(("decided at", "node", "decision", "score", "capsule", "expires"), map(_row, found))
    if not found:
        remark("No such decision is kept.")
    elif len(found) == limit:
        remark(f"The newest {limit}; --limit 0 shows all that are kept.")


def _row(decided: Decided) -> tuple[object, ...]:
    decision = decided.decision
    outcome = "granted" if not decision.denied else decision.reason
    return decision.decidedAt, decision.nodeId, outcome, decision.riskScore, decision.capsuleId, decision.expiresUtc
