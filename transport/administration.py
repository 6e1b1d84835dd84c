"""Creating the topics that `schemas.topics` describes, and removing what a demo left behind.

Applying changes nothing that exists. A topic whose settings differ is reported, because any of partitions, cleanup and
retention, changed under a running fleet, loses or misplaces records; that is for a person to decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from schemas.topics import TOPICS, Cleanup, Party, TopicSpec
from transport.client import admin_arguments
from transport.settings import KafkaSettings

DEFAULT_MAX_MESSAGE_BYTES: Final = 1_048_588
"""Kafka's own default of `max.message.bytes`, said explicitly so that a broker's other default does not count."""

LONGEST_FUTURE_MS: Final = 3_600_000
"""Kafka 4's own default of `message.timestamp.after.max.ms`, said explicitly. Under the older one, which is none, a
producer whose clock is a day ahead would silence its node for a day: the record's timestamp is its clock's too."""

DEFAULT_REPLICATION_FACTOR: Final = 3

COMPACTED: Final[Mapping[str, str]] = {
    # What has not been compacted yet is read at every restore, so segments are closed and cleaned early.
    "segment.bytes": str(64 * 1024 * 1024),
    "segment.ms": str(10 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": str(15 * 60 * 1000),
    # There are no tombstones; this is how long the markers of transactions stay, of which there may be 20 a second.
    "delete.retention.ms": str(10 * 60 * 1000),
}
"""Settings of a compacted topic beside its cleanup policy; times in milliseconds, sizes in bytes."""


class State(StrEnum):
    """What applying found or did."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    DIFFERENT = "different"


class Outcome(NamedTuple):
    """One topic after applying. `differences` maps a setting to its value as it is and as it should be."""

    topic: str
    state: State
    differences: Mapping[str, tuple[str, str]] = {}


class AdministrationError(Exception):
    """The broker refused to create or to delete topics, or they did not appear; the text says which and why."""


class EmptyPrefixError(ValueError):
    """Deleting by an empty prefix would delete every topic of the cluster."""


def topic_config(settings: KafkaSettings, spec: TopicSpec, replication_factor: int) -> dict[str, str]:
    """The settings Kordon gives a topic, by Kafka's names."""
    retention = -1 if spec.retention is None else int(spec.retention.total_seconds() * 1000)
    config = {
        "cleanup.policy": spec.cleanup.value,
        "max.message.bytes": str(max(DEFAULT_MAX_MESSAGE_BYTES, settings.max_record_bytes)),
        # With three copies a write counts once two have it, so one broker may fail without loss and without a stop.
        "min.insync.replicas": "2" if replication_factor >= DEFAULT_REPLICATION_FACTOR else "1",
    }
    if spec.cleanup is Cleanup.COMPACT:
        return {**config, **COMPACTED}
    if not spec.writers <= {Party.STREAMS, Party.ISSUER}:
        config["message.timestamp.after.max.ms"] = str(LONGEST_FUTURE_MS)
    # The size limit is said because a cluster's default would cut what is to be kept for a time, or for ever.
    return config | {"retention.ms": str(retention), "retention.bytes": "-1"}


async def apply_topics(settings: KafkaSettings, specs: Iterable[TopicSpec] = tuple(TOPICS.values())) -> list[Outcome]:
    """Create the topics that are missing, and wait until they can be used; say of the others how they differ.

    The outcomes are in the order of `specs`. Applying again changes nothing. Raises AdministrationError, aiokafka's
    KafkaError.
    """
    wanted = {settings.topic(spec.name): spec for spec in specs}
    async with _administrator(settings) as administrator:
        brokers = len((await administrator.describe_cluster())["brokers"])
        replication_factor = settings.replication_factor or min(DEFAULT_REPLICATION_FACTOR, brokers)
        configs = {topic: topic_config(settings, spec, replication_factor) for topic, spec in wanted.items()}
        existing = set(await administrator.list_topics())
        created = await _create(
            administrator,
            [
                NewTopic(topic, settings.partitions, replication_factor, topic_configs=config)
                for topic, config in configs.items()
                if topic not in existing
            ],
        )
        await _wait_until_usable(settings, administrator, created)
        found = [topic for topic in wanted if topic not in created]
        differences = await _differences(administrator, settings.partitions, {topic: configs[topic] for topic in found})
        return [
            Outcome(topic, State.CREATED)
            if topic in created
            else Outcome(topic, State.DIFFERENT if differences[topic] else State.UNCHANGED, differences[topic])
            for topic in wanted
        ]


async def delete_topics(settings: KafkaSettings, names: Collection[str] | None = None) -> list[str]:
    """Delete the topics called `names` (without prefix), or every topic that starts with the prefix.

    Returns the full names of what was deleted (or is being deleted already), sorted; other names are passed over.
    Raises EmptyPrefixError: no names are given and the prefix is empty; AdministrationError; aiokafka's KafkaError.
    """
    if names is None and not settings.prefix:
        raise EmptyPrefixError("the prefix is empty, so every topic would be deleted; name the topics instead")
    async with _administrator(settings) as administrator:
        existing = set(await administrator.list_topics())
        if names is None:
            doomed = {topic for topic in existing if topic.startswith(settings.prefix)}
        else:
            doomed = existing & {settings.topic(name) for name in names}
        if doomed:
            response = await administrator.delete_topics(sorted(doomed))
            errors = {topic: for_code(code) for topic, code, *_ in response.topic_error_codes}
            _raise_refusals("delete", errors, tolerated=UnknownTopicOrPartitionError)
        return sorted(doomed)


@asynccontextmanager
async def _administrator(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    administrator = AIOKafkaAdminClient(**admin_arguments(settings))
    try:
        await administrator.start()
        yield administrator
    finally:
        await administrator.close()


async def _create(administrator: AIOKafkaAdminClient, topics: list[NewTopic]) -> set[str]:
    """Create topics; the names of those that this call created (another process may be doing the same)."""
    if not topics:
        return set()
    response = await administrator.create_topics(topics)
    errors = {topic: for_code(code) for topic, code, *_ in response.topic_errors}
    _raise_refusals("create", errors, tolerated=TopicAlreadyExistsError)
    return {topic for topic, error in errors.items() if error is NoError}


def _raise_refusals(action: str, errors: Mapping[str, type[Exception]], tolerated: type[Exception]) -> None:
    refusals = [f"{topic}: {error.__name__}" for topic, error in errors.items() if error not in (NoError, tolerated)]
    if refusals:
        raise AdministrationError(f"the broker refused to {action} {', '.join(sorted(refusals))}")


async def _wait_until_usable(
    settings: KafkaSettings, administrator: AIOKafkaAdminClient, topics: Collection[str]
) -> None:
    """Wait until every partition of `topics` has a leader."""
    missing = set(topics)
    try:
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            while missing:
                for topic in await administrator.describe_topics(sorted(missing)):
                    leaders = [partition["leader"] for partition in topic["partitions"]]
                    if len(leaders) >= settings.partitions and min(leaders) >= 0:
                        missing.discard(topic["topic"])
                await asyncio.sleep(0.05 if missing else 0)
    except TimeoutError:
        raise AdministrationError(f"created, but still without leaders: {', '.join(sorted(missing))}") from None


async def _differences(
    administrator: AIOKafkaAdminClient, partitions: int, configs: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, tuple[str, str]]]:
    if not configs:
        return {}
    differences: dict[str, dict[str, tuple[str, str]]] = {topic: {} for topic in configs}
    for topic in await administrator.describe_topics(sorted(configs)):
        if len(topic["partitions"]) != partitions:
            differences[topic["topic"]]["partitions"] = (str(len(topic["partitions"])), str(partitions))
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(config)) for topic, config in configs.items()
    ]
    for response in await administrator.describe_configs(resources):
        for _code, _message, _kind, topic, entries in response.resources:
            actual = _values(entries)
            for name, value in configs[topic].items():
                if actual.get(name, value) != value:
                    differences[topic][name] = (actual[name], value)
    return differences


def _values(entries: Iterable[Any]) -> dict[str, str]:
    return {entry[0]: entry[1] for entry in entries}
