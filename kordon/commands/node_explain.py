"""``kordon node explain``: why a node has its score, why it is held, and what would lift that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kordon.commands.explanation_text import print_explanation
from kordon.failures import CommandFailed, ExitStatus
from kordon.operator_options import trust_option
from kordon.output import json_option, print_json

if TYPE_CHECKING:
    from policy.policy_file import Policy
    from transport.settings import KafkaSettings
    from transport.trust import Trust

_POLICY_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    epilog="""
\b
Examples:
  kordon node explain cobalt
  kordon node explain cobalt --json | jq '.signals[] | {kind, points, from, to, value: .evidence.value}'
  kordon node explain cobalt --from-log

\b
The row is read, then the records behind its signals by a seek to where they lie. --from-log reads the node's whole
co-partition (minutes, where a week of a large fleet lies in it), folds the node's records again in the order that
streams.progress.v1 has, and says how far back that reaches and whether the same row comes out. Status 1: no topic
knows the node; or, with --from-log, the log is whole and another row came out. docs/command.md has the JSON.
""",
)
@click.argument("node_id", metavar="NODE")
@click.option("--from-log", is_flag=True, help="Fold the node's records again, and show each that changed its score.")
@click.option(
    "--policy",
    "policy_file",
    type=_POLICY_FILE,
    help="The worker's policy file, for --from-log. Default: KORDON_WORKER_POLICY_FILE, else Kordon's own.",
)
@trust_option
@json_option
def explain(node_id: str, *, from_log: bool, policy_file: Path | None, trust_file: Path | None, as_json: bool) -> int:
    """Explain a node's score by points that add up and the records behind them, and what would lift a quarantine."""
    from kordon.trust_at_hand import trust_at_hand  # noqa: PLC0415 - so that --help is fast
    from transport.settings import KafkaSettings  # noqa: PLC0415

    rules = _policy(policy_file) if from_log else None
    explanation = asyncio.run(_explanation(KafkaSettings.load(), node_id, trust_at_hand(trust_file), rules))
    if as_json:
        print_json(explanation)
    else:
        print_explanation(explanation)
    found = explanation["fromLog"]
    return ExitStatus.UNEXPECTED if found is not None and found["verdict"] == "different" else ExitStatus.OK


async def _explanation(
    settings: KafkaSettings, node_id: str, trust: Trust | None, rules: Policy | None
) -> dict[str, Any]:
    from kordon.nodes.evidence_reading import read_evidence  # noqa: PLC0415 - so that --help is fast
    from kordon.nodes.explanation import explanation_of, wanted_evidence  # noqa: PLC0415
    from kordon.nodes.node_reading import read_state  # noqa: PLC0415

    state = await read_state(settings, node_id, trust)
    explanation = explanation_of(state, await read_evidence(settings, wanted_evidence(state)))
    return explanation | {"fromLog": None if rules is None else await _from_log(settings, node_id, rules)}


async def _from_log(settings: KafkaSettings, node_id: str, rules: Policy) -> dict[str, Any]:
    from kordon.nodes.explanation import log_view  # noqa: PLC0415 - so that --help is fast
    from kordon.nodes.log_reading import read_log  # noqa: PLC0415
    from kordon.nodes.refold import refold  # noqa: PLC0415
    from schemas.codec import DecodeError, decode  # noqa: PLC0415
    from schemas.risk import RiskRow  # noqa: PLC0415
    from schemas.topics import RISK  # noqa: PLC0415

    try:
        log = await read_log(settings, node_id)
        stored = None if log.row is None else decode(RiskRow, log.row, RISK)
    except DecodeError as error:
        raise CommandFailed(
            ExitStatus.REFUSED, str(error), "Was it written by a newer Kordon? Then use its command."
        ) from None
    refolded = refold(node_id, log.order.ordered, rules, log.refused_commands)
    return log_view(log, refolded, stored, rules.version)


def _policy(policy_file: Path | None) -> Policy:
    from policy.policy_file import PolicyError, load_policy  # noqa: PLC0415 - so that --help is fast
    from streams.settings import WorkerSettings  # noqa: PLC0415

    try:
        return load_policy(policy_file or WorkerSettings.load().policy_file)
    except PolicyError as error:
        raise CommandFailed(ExitStatus.CONFIGURATION, str(error), "Compare it with policy/default.toml.") from error
