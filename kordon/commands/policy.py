"""``kordon policy``: try the rules on recorded records, without Kafka."""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from kordon.failures import CommandFailed, ExitStatus
from kordon.output import print_json, remark
from kordon.policy_fold import LineFold, UnreadableLineError, in_chunks
from kordon.progress import progress_on_stderr
from policy.policy_file import PolicyError, load_policy


@click.group()
def policy() -> None:
    """Try the rules on recorded records, without Kafka."""


@policy.command(
    epilog="""
\b
Examples:
  kordon simulate --count 100000 --output - | kordon policy fold -
  kcat -C -J -e -t node.network.v1 | kordon policy fold - | jq .transitions
  kordon policy fold --policy stricter.toml records.jsonl

\b
It prints one JSON object:
  rows         node id → [status, score, raised signals, cause of the quarantine, revision]
  transitions  [node id, from, to, score, cause], in order
  rejected     records that would go to a dead-letter topic
  late         records older than what was folded in
"""
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A policy file (TOML). Default: the one that ships with Kordon.",
)
@click.option("--prefix", default="", help="Cut this prefix off the topics' names, e.g. `kordon.`.")
def fold(file: str, policy_file: Path | None, prefix: str) -> None:
    """Fold the records in FILE, in the order given (`-` is stdin): one JSON object a line, as `kcat -J` prints them.

    Partition placement and signatures count as checked. Records of topics the fold does not read are passed over.
    """
    try:
        line_fold = LineFold(load_policy(policy_file), prefix)
    except PolicyError as error:
        raise CommandFailed(ExitStatus.CONFIGURATION, str(error), "Compare it with policy/default.toml.") from error
    if file == "-":
        _fold(line_fold, sys.stdin.buffer)
    else:
        with Path(file).open("rb") as lines:
            _fold(line_fold, lines)
    if line_fold.skipped:
        remark(f"{line_fold.skipped} records of other topics were passed over (is --prefix right?).")
    print_json(line_fold.summary())


def _fold(line_fold: LineFold, lines: BinaryIO) -> None:
    with progress_on_stderr("folding", None) as advance:
        for chunk in in_chunks(lines):
            try:
                line_fold.fold(chunk)
            except UnreadableLineError as error:
                remedy = "Each line is one JSON object with topic, partition, offset, ts, key and payload (kcat -J)."
                raise CommandFailed(ExitStatus.USAGE, str(error), remedy) from error
            advance(len(chunk))
