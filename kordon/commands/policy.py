"""``kordon policy``: try the rules on recorded records, without Kafka."""

from pathlib import Path
from typing import IO

import click

from kordon.failures import CommandFailed, ExitStatus
from kordon.output import print_json, remark
from kordon.parallel_fold import fold_in_processes, useful_processes
from kordon.policy_fold import FoldSummary, LineFold, UnreadableLineError, UnsplittableError, in_chunks
from kordon.progress import progress_on_stderr
from policy.policy_file import Policy, PolicyError, load_policy


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
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    help="Share a file's nodes out among so many processes. Default: one a core, fewer for small files.",
)
def fold(file: str, policy_file: Path | None, prefix: str, processes: int | None) -> None:
    """Fold the records in FILE, in the order given (`-` is stdin): one JSON object a line, as `kcat -J` prints them.

    Partition placement and signatures count as checked. Records of topics the fold does not read are passed over.
    """
    try:
        rules = load_policy(policy_file)
    except PolicyError as error:
        raise CommandFailed(ExitStatus.CONFIGURATION, str(error), "Compare it with policy/default.toml.") from error
    try:
        summary, skipped = _fold(file, rules, prefix, processes)
    except UnreadableLineError as error:
        remedy = "Each line is one JSON object with topic, partition, offset, ts, key and payload (kcat -J)."
        raise CommandFailed(ExitStatus.USAGE, str(error), remedy) from error
    if skipped:
        remark(f"{skipped} records of other topics were passed over (is --prefix right?).")
    print_json(summary)


def _fold(file: str, rules: Policy, prefix: str, processes: int | None) -> tuple[FoldSummary, int]:
    path = Path(file)
    if file == "-" or not path.is_file():
        with click.open_file(file, "rb") as lines:
            return _fold_in_one(lines, rules, prefix)
    processes = processes or useful_processes(path.stat().st_size)
    if processes > 1:
        try:
            with progress_on_stderr("folding", None) as advance:
                return fold_in_processes(path, rules, prefix, processes, advance)
        except UnsplittableError:
            pass  # An unusual spelling; it takes longer, and comes to the same.
    with path.open("rb") as lines:
        return _fold_in_one(lines, rules, prefix)


def _fold_in_one(lines: IO[bytes], rules: Policy, prefix: str) -> tuple[FoldSummary, int]:
    line_fold = LineFold(rules, prefix)
    with progress_on_stderr("folding", None) as advance:
        for chunk in in_chunks(lines):
            line_fold.fold(chunk)
            advance(len(chunk))
    return line_fold.summary(), line_fold.skipped
