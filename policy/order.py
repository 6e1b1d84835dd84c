"""In which order the topics of a co-partition are folded (design.md section 5, "Determinism")."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Final

from schemas.topics import COMMANDS, DECISIONS, NETWORK, TELEMETRY, repartition_of

FOLD_ORDER: Final = (
    COMMANDS,
    DECISIONS,
    NETWORK,
    repartition_of(NETWORK),
    TELEMETRY,
    repartition_of(TELEMETRY),
)
"""The source topics of the fold; at equal timestamps the earlier named goes first."""


def merge_by_heads(timestamps: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int, int]]:
    """Merge a batch's topics by their heads: the smallest timestamp first, each topic in its own order.

    ``timestamps`` holds, by topic of :data:`FOLD_ORDER`, the timestamps of its records in offset order (a forwarded
    record's is its original one); they need not ascend. Yields runs ``(topic, first, stop)``: fold the topic's records
    ``first`` to ``stop``, exclusive, then the next run.
    """
    topics = [topic for topic in FOLD_ORDER if timestamps.get(topic)]
    owners = [topic for topic in topics for _ in timestamps[topic]]
    positions = dict.fromkeys(topics, 0)
    for topic, run in groupby([owners[index] for index in merged_indices([timestamps[topic] for topic in topics])]):
        first = positions[topic]
        positions[topic] = stop = first + len(list(run))
        yield topic, first, stop


def merged_indices(timestamps: Iterable[Sequence[int]]) -> list[int]:
    """Return the same order record by record, as a batch's hot path takes it.

    ``timestamps`` are the topics', in the order of :data:`FOLD_ORDER`. What is returned are indices into all of their
    records put one topic after another.
    """
    heads: list[int] = []
    for ours in timestamps:
        # A record that is older than one before it in its topic becomes the smallest head at once: it follows that one.
        heads += accumulate(ours, max)
    # Sorting keeps the order of equals, which is the fold's.
    return sorted(range(len(heads)), key=heads.__getitem__)
