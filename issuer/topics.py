"""The topics the issuer needs, and how many partitions they have."""

from collections.abc import Mapping
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from issuer.correlation import ReplyTopics
from issuer.errors import MissingTopicsError, PartitionCountError, ReplyTopicError
from issuer.settings import IssuerSettings
from schemas.topics import (
    BINDINGS,
    DECISIONS,
    ISSUER_PROGRESS,
    REGISTRY,
    REPLIES,
    REQUESTS,
    RISK,
    STREAMS_PROGRESS,
    TOPICS,
    dlq_of,
    repartition_of,
)
from transport.client import admin_arguments
from transport.settings import KafkaSettings

NEEDED: Final = (
    REGISTRY,
    BINDINGS,
    RISK,
    STREAMS_PROGRESS,
    ISSUER_PROGRESS,
    REQUESTS,
    repartition_of(REQUESTS),
    dlq_of(REQUESTS),
    REPLIES,
    DECISIONS,
)
"""Names without prefix."""


async def partition_counts(kafka: KafkaSettings) -> Mapping[str, int]:
    """Return the partitions of every topic on the broker, by full name.

    The broker is asked for all it has, as naming a missing topic would create it on many brokers.

    Raises:
        KafkaError: no broker answers.
    """
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        described = await admin.describe_topics()
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}


def shared_count(kafka: KafkaSettings, counts: Mapping[str, int]) -> int:
    """Return the one partition count of the needed topics.

    Raises:
        MissingTopicsError: some are not there.
        PartitionCountError: they differ, so partition p of each would not make a co-partition.
    """
    needed = {kafka.topic(name): counts.get(kafka.topic(name), 0) for name in NEEDED}
    if missing := [topic for topic, count in needed.items() if count == 0]:
        raise MissingTopicsError(f"the broker has no topic {', '.join(missing)}; create it with `kordon topics apply`")
    if len(set(needed.values())) > 1:
        listed = ", ".join(f"{topic} has {count}" for topic, count in needed.items())
        raise PartitionCountError(f"the topics differ in partitions, so there are no co-partitions: {listed}")
    return next(iter(needed.values()))


def reply_topics(kafka: KafkaSettings, settings: IssuerSettings, counts: Mapping[str, int]) -> ReplyTopics:
    """Return where replies may go: the allow-listed topics that exist, and ``capsule.replies.v1``.

    Raises:
        ReplyTopicError: the list names a topic of Kordon's own.
    """
    default = kafka.topic(REPLIES)
    own = {kafka.topic(name) for name in TOPICS} - {default}
    if forbidden := own.intersection(settings.reply_topics):
        raise ReplyTopicError(
            f"reply_topics names {', '.join(sorted(forbidden))}, where a reply would pass for another record; remove it"
        )
    allowed = {default, *settings.reply_topics}
    return ReplyTopics(default, {topic: counts[topic] for topic in allowed if topic in counts})
