"""The consumer group, used for one thing: who owns which co-partitions.

Requests are read by another consumer, from the co-partitions' own checkpoints. This one is paused as soon as it is
assigned anything, so the group's committed offsets and aiokafka's ideas of where to begin have no say. A rebalance
takes back everything first (aiokafka is eager): the ownership that ran is ended before the group goes on, and a new one
begins after.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from issuer.copartition import SERVICE, SOURCES
from issuer.errors import SplitCopartitionError
from issuer.settings import IssuerSettings
from transport.client import consumer_arguments, leave_group_when_stopped
from transport.consumer_shutdown import stop_consumer
from transport.settings import KafkaSettings

_POLL_MS: Final = 100


class Group(ConsumerRebalanceListener):  # type: ignore[misc]
    """This process's membership. ``release`` is awaited before the group takes co-partitions back."""

    def __init__(self, kafka: KafkaSettings, settings: IssuerSettings, release: Callable[[], Awaitable[None]]) -> None:
        self._kafka = kafka
        self._release = release
        self._assigned: frozenset[TopicPartition] | None = None
        self._failure: Exception | None = None
        # Range gives the same partitions of equally partitioned topics to the same member; `take` makes sure.
        self._consumer: AIOKafkaConsumer = AIOKafkaConsumer(
            **consumer_arguments(kafka, group_id=kafka.group_id(SERVICE))
            | {
                "auto_offset_reset": "latest",
                "partition_assignment_strategy": [RangePartitionAssignor],
                "group_instance_id": settings.instance_id,
                "session_timeout_ms": settings.session_timeout_ms,
                "heartbeat_interval_ms": settings.heartbeat_interval_ms,
                "rebalance_timeout_ms": settings.rebalance_timeout_ms,
            }
        )

    async def join(self) -> None:
        """Connect and begin to take part.

        Raises:
            KafkaError: no broker can be reached.
        """
        await self._consumer.start()
        self._consumer.subscribe([self._kafka.topic(name) for name in SOURCES], listener=self)

    async def leave(self) -> None:
        """Release what is owned and disconnect. A static member keeps its co-partitions until its session ends."""
        await stop_consumer(self._consumer)

    async def poll(self) -> frozenset[int] | None:
        """Wait shortly; return the co-partitions of an assignment that has come since, ``None`` without one.

        Raises:
            SplitCopartitionError: a part of a co-partition was assigned.
            KafkaError: the group has failed.
        """
        # It is paused, so this brings no records: it raises the group's errors and shows that this process lives.
        await self._consumer.getmany(timeout_ms=_POLL_MS)
        if self._failure is not None:
            raise self._failure
        assigned, self._assigned = self._assigned, None
        try:
            return None if assigned is None else _whole(self._kafka, assigned)
        except SplitCopartitionError:
            # Else a static member that comes back would be given the same parts again, and so for ever.
            leave_group_when_stopped(self._consumer)
            raise

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """End the ownership (aiokafka's hook, which would swallow what is raised here)."""
        del revoked
        self._assigned = None
        try:
            await self._release()
        except Exception as error:  # noqa: BLE001 - raised by `poll`
            self._failure = error

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Note an assignment (aiokafka's hook)."""
        for place in assigned:
            self._consumer.seek(place, 0)
            self._consumer.pause(place)
        self._assigned = frozenset(assigned)
        await asyncio.sleep(0)


def _whole(kafka: KafkaSettings, assigned: Collection[TopicPartition]) -> frozenset[int]:
    by_topic = {
        kafka.topic(name): frozenset(place.partition for place in assigned if place.topic == kafka.topic(name))
        for name in SOURCES
    }
    if len(set(by_topic.values())) != 1:
        parts = ", ".join(f"{topic} {sorted(partitions)}" for topic, partitions in by_topic.items())
        raise SplitCopartitionError(f"assigned parts of co-partitions: {parts}; every issuer needs the same version")
    return next(iter(by_topic.values()))
