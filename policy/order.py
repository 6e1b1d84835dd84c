"""In which order the topics of a co-partition are folded (design.md section 5, "Determinism")."""

from collections.abc import Iterator, Mapping, Sequence
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
    heads: list[int] = []
    owners: list[int] = []
    for owner, topic in enumerate(topics):
        # A record that is older than one before it in its topic becomes the smallest head at once: it follows that one.
        heads += accumulate(timestamps[topic], max)
        owners += [owner] * len(timestamps[topic])
    # Sorting keeps the order of equals, which is the fold's.
    order = sorted(range(len(heads)), key=heads.__getitem__)
    positions = [0] * len(topics)
    for owner, run in groupby([owners[index] for index in order]):
        first = positions[owner]
        positions[owner] = stop = first + len(list(run))
        yield topics[owner], first, stop
