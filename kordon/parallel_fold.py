"""Fold a file's lines in several processes, each the nodes of one share (:class:`kordon.policy_fold.Share`)."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from kordon.policy_fold import FoldSummary, LineFold, PartialFold, Share, UnreadableLineError, in_chunks, joined
from policy.policy_file import Policy

SMALLEST_SHARE_BYTES: Final = 8_000_000
"""Below it a process takes longer to start than to fold."""

Advance = Callable[[int], None]


def useful_processes(size: int) -> int:
    """Return how many processes a file of ``size`` bytes is worth, at most one for each core that is ours."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, size // SMALLEST_SHARE_BYTES))


def fold_in_processes(
    path: Path, policy: Policy, prefix: str, processes: int, advance: Advance
) -> tuple[FoldSummary, int]:
    """Fold a file in ``processes`` processes; return what it came to, and how many records were skipped.

    ``advance`` is told of lines as this process has passed them: it takes a share itself, and all pass every line.

    Raises:
        UnreadableLineError: the first line that is no record.
        UnsplittableError: a line does not say plainly to which share it belongs.
    """
    shares = [Share(index, processes) for index in range(processes)]
    with ProcessPoolExecutor(processes - 1, mp_context=get_context("spawn")) as pool:
        others = [pool.submit(fold_share, path, policy, prefix, share) for share in shares[1:]]
        parts: list[PartialFold] = []
        unreadable: list[UnreadableLineError] = []
        own: Callable[[], PartialFold] = partial(fold_share, path, policy, prefix, shares[0], advance)
        for part in (own, *(each.result for each in others)):
            try:
                parts.append(part())
            except UnreadableLineError as error:
                unreadable.append(error)
    if unreadable:
        raise min(unreadable, key=lambda error: error.number)
    return joined(parts)


def fold_share(path: Path, policy: Policy, prefix: str, share: Share, advance: Advance = lambda _: None) -> PartialFold:
    """Fold one share of a file; runs in a process of its own."""
    line_fold = LineFold(policy, prefix, share)
    with path.open("rb") as lines:
        for chunk in in_chunks(lines):
            line_fold.fold(chunk)
            advance(len(chunk))
    return line_fold.partial()
