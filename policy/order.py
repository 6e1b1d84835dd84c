"""In which order the topics of a co-partition are folded (design.md section 5, "Determinism")."""

from collections.abc import Iterator, Mapping, Sequence
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
    queues = [(topic, timestamps[topic]) for topic in FOLD_ORDER if timestamps.get(topic)]
    positions = [0] * len(queues)
    waiting = list(range(len(queues)))
    while waiting:
        # `min` keeps the first of equals, and `waiting` is in fold order.
        chosen = min(waiting, key=lambda index: queues[index][1][positions[index]])
        topic, times = queues[chosen]
        first = stop = positions[chosen]
        limit = min(
            ((queues[index][1][positions[index]], index) for index in waiting if index != chosen),
            default=None,
        )
        while stop < len(times) and (limit is None or (times[stop], chosen) < limit):
            stop += 1
        yield topic, first, stop
        positions[chosen] = stop
        if stop == len(times):
            waiting.remove(chosen)
