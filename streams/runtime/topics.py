"""Which topics a worker needs, that they are there, and that they are still the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient

from streams.runtime.errors import CheckpointOutOfRangeError, MissingTopicsError, PartitionCountError
from transport.client import admin_arguments
from transport.settings import KafkaSettings


async def require_topics(kafka: KafkaSettings, topics: Iterable[str]) -> int:
    """Return the partition count that all ``topics`` (full names) share.

    The broker is asked for all the topics it has, as naming a missing one would create it on many brokers.

    Raises:
        MissingTopicsError: some are not there.
        PartitionCountError: they differ in partitions, so partition p of each would not make a co-partition.
    """
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        described = await admin.describe_topics()
    finally:
        await admin.close()
    found = {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}
    counts = {topic: found.get(topic, 0) for topic in sorted(topics)}
    if missing := [topic for topic, count in counts.items() if count == 0]:
        raise MissingTopicsError(f"the broker has no topic {', '.join(missing)}; create it with `kordon topics apply`")
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise PartitionCountError(
            f"the topics differ in partitions, so a node's records would meet in different co-partitions: {listed}"
        )
    return next(iter(counts.values()))


def require_same_ids(known: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Refuse topics (names without prefix) that are gone: offsets in those that bear their names mean something else.

    A topic of which either side has no id is passed over.

    Raises:
        CheckpointOutOfRangeError: one was created anew.
    """
    for topic, topic_id in found.items():
        if known.get(topic, topic_id) != topic_id:
            raise CheckpointOutOfRangeError(
                f"{topic} was created anew: its id is {topic_id}, at the last checkpoint it was {known[topic]}. "
                "What it holds below the checkpoint would never be folded, and rows it held would be forgotten"
            )
