"""The topics of a prepared broker: inputs are made once, outputs anew before each run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from transport.administration import apply_topics
from transport.settings import KafkaSettings

PREFIX: Final = "bench."
SECONDS: Final = 60.0


def create_inputs(kafka: KafkaSettings, topics: Iterable[str]) -> None:
    """Create source topics (names without prefix) that keep their records for ever."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    config = {"retention.ms": "-1", "segment.bytes": str(512 * 1024 * 1024)}
    new = [NewTopic(kafka.topic(topic), kafka.partitions, 1, config=config) for topic in topics]
    _done(admin.create_topics(new))


async def reset(kafka: KafkaSettings, inputs: Collection[str]) -> None:
    """Forget every earlier run: its topics, whosesoever, and its groups. Kordon's topics are made anew.

    Raises:
        TimeoutError: a group keeps its members.
    """
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    kept = {kafka.topic(topic) for topic in inputs}
    deadline = time.monotonic() + SECONDS
    # Looked for again: what is deleted is still shown for a moment, and would be taken for what is to be made.
    while others := [
        topic for topic in admin.list_topics(timeout=30).topics if topic not in kept and not topic.startswith("__")
    ]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"topics of an earlier run could not be deleted: {', '.join(sorted(others))}")
        _delete_topics(admin, others)
    _delete_groups(admin)
    await apply_topics(kafka)


def _delete_topics(admin: AdminClient, topics: list[str]) -> None:
    for deleted in admin.delete_topics(topics).values():
        with contextlib.suppress(KafkaException):  # it is gone already, or is tried again
            deleted.result(SECONDS)
    time.sleep(0.2)


def _delete_groups(admin: AdminClient) -> None:
    """Delete every group, waiting until the broker has forgotten their static members."""
    deadline = time.monotonic() + SECONDS
    while groups := [group.group_id for group in admin.list_consumer_groups().result(SECONDS).valid]:
        try:
            _done(admin.delete_consumer_groups(groups))
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"groups of an earlier run keep their members: {error}") from error
            time.sleep(0.5)


def _done(futures: dict[Any, Future[Any]]) -> None:
    for future in futures.values():
        future.result(SECONDS)
