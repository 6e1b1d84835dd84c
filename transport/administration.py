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
    """What applying found or did; MISSING is what checking finds where applying would create."""

    CREATED = "created"
    MISSING = "missing"
    UNCHANGED = "unchanged"
    DIFFERENT = "different"


class Outcome(NamedTuple):
    """One topic after applying. `differences` maps a setting to its value as it is and as it should be."""

    topic: str
    state: State
    differences: Mapping[str, tuple[str, str]] = {}


class Topic(NamedTuple):
    """A topic as it is on the broker. Names are full; counts are copies of its worst partition, 0 without partitions.

    `in_sync` are copies that have everything, `leaders` partitions that can be written. `config` holds every setting by
    Kafka's name.
    """

    name: str
    partitions: int
    replication_factor: int
    in_sync: int
    leaders: int
    config: Mapping[str, str]


class Cluster(NamedTuple):
    """The brokers' addresses by id.

    `api_versions` maps each broker's id to the newest version it has of each API, by Kafka's API key; absent is a
    broker that does not answer.
    """

    cluster_id: str | None
    controller: int
    brokers: Mapping[int, str]
    api_versions: Mapping[int, Mapping[int, int]]


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
    async with _administrator(settings) as administrator:
        wanted = await _wanted(settings, administrator, specs)
        existing = set(await administrator.list_topics())
        created = await _create(
            administrator,
            [
                NewTopic(topic, settings.partitions, each.replication_factor, topic_configs=dict(each.config))
                for topic, each in wanted.items()
                if topic not in existing
            ],
        )
        await _wait_until_usable(settings, administrator, created)
        found = await _describe(administrator, [topic for topic in wanted if topic not in created])
        return [
            Outcome(topic, State.CREATED) if topic in created else outcome_of(each, found.get(topic))
            for topic, each in wanted.items()
        ]


async def check_topics(settings: KafkaSettings, specs: Iterable[TopicSpec] = tuple(TOPICS.values())) -> list[Outcome]:
    """Say of each topic, in the order of `specs`, how it differs from what applying would create. Changes nothing.

    Raises aiokafka's KafkaError.
    """
    async with _administrator(settings) as administrator:
        wanted = await _wanted(settings, administrator, specs)
        existing = set(await administrator.list_topics())
        found = await _describe(administrator, [topic for topic in wanted if topic in existing])
        return [outcome_of(each, found.get(topic)) for topic, each in wanted.items()]


async def describe_topics(settings: KafkaSettings) -> list[Topic]:
    """Kordon's topics that exist, in the registry's order, then others that begin with the prefix, if it is not empty.

    Raises aiokafka's KafkaError.
    """
    async with _administrator(settings) as administrator:
        existing = set(await administrator.list_topics())
        own = [topic for topic in map(settings.topic, TOPICS) if topic in existing]
        others = sorted(topic for topic in existing - set(own) if settings.prefix and topic.startswith(settings.prefix))
        found = await _describe(administrator, [*own, *others])
        return [found[topic] for topic in (*own, *others) if topic in found]


async def describe_cluster(settings: KafkaSettings) -> Cluster:
    """The brokers, each of which is asked for its API versions. Raises aiokafka's KafkaError: none can be reached."""
    async with _administrator(settings) as administrator:
        described = await administrator.describe_cluster()
        client = administrator._client  # noqa: SLF001 - the connection is there; a unit test pins the names
        versions: dict[int, dict[int, int]] = {}
        for broker in described["brokers"]:
            connection = await client._get_conn(broker["node_id"])  # noqa: SLF001 - as above
            if connection is not None:
                newest = {key: most for key, (_, most) in (connection._versions or {}).items()}  # noqa: SLF001
                versions[broker["node_id"]] = newest
    brokers = {broker["node_id"]: f"{broker['host']}:{broker['port']}" for broker in described["brokers"]}
    return Cluster(described.get("cluster_id"), described["controller_id"], brokers, versions)


def outcome_of(wanted: Topic, found: Topic | None) -> Outcome:
    """How a topic differs from what is wanted; a setting that the broker does not name counts as equal."""
    if found is None:
        return Outcome(wanted.name, State.MISSING)
    actual = _compared(found)
    differences = {
        name: (actual[name], value) for name, value in _compared(wanted).items() if actual.get(name, value) != value
    }
    return Outcome(wanted.name, State.DIFFERENT if differences else State.UNCHANGED, differences)


def _compared(topic: Topic) -> dict[str, str]:
    counts = {"partitions": str(topic.partitions), "replication.factor": str(topic.replication_factor)}
    return {**counts, **topic.config}


async def _wanted(
    settings: KafkaSettings, administrator: AIOKafkaAdminClient, specs: Iterable[TopicSpec]
) -> dict[str, Topic]:
    brokers = len((await administrator.describe_cluster())["brokers"])
    copies = settings.replication_factor or min(DEFAULT_REPLICATION_FACTOR, brokers)
    count = settings.partitions
    return {
        name: Topic(name, count, copies, copies, count, topic_config(settings, spec, copies))
        for spec in specs
        for name in (settings.topic(spec.name),)
    }


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


async def _describe(administrator: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, Topic]:
    """Each topic that is still there, by name."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in names]
    configs: dict[str, Mapping[str, str]] = {}
    for response in await administrator.describe_configs(resources):
        configs |= {topic: _values(entries) for _code, _message, _kind, topic, entries in response.resources}
    return {
        topic["topic"]: _topic(topic["topic"], topic["partitions"], configs.get(topic["topic"], {}))
        for topic in await administrator.describe_topics(sorted(names))
        if not topic["error_code"]
    }


def _topic(name: str, partitions: list[Any], config: Mapping[str, str]) -> Topic:
    return Topic(
        name,
        len(partitions),
        min((len(partition["replicas"]) for partition in partitions), default=0),
        min((len(partition["isr"]) for partition in partitions), default=0),
        sum(partition["leader"] >= 0 for partition in partitions),
        config,
    )


def _values(entries: Iterable[Any]) -> dict[str, str]:
    return {entry[0]: entry[1] for entry in entries}
