"""Publishing what a node or an observer has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aiokafka import AIOKafkaProducer

from schemas.codec import encode
from schemas.topics import NETWORK, TELEMETRY
from transport.client import producer_arguments

if TYPE_CHECKING:
    from schemas.network import NetworkObservation
    from schemas.telemetry import Telemetry
    from transport.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Published:
    """Where a record was acknowledged by every in-sync replica: ``topic`` with prefix, ``timestamp`` in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class Publisher:
    """Publishes telemetry and network observations; an asynchronous context manager.

    Records are keyed by node id and placed by murmur2 (aiokafka's default), sent idempotently, in snappy batches unless
    the settings say otherwise. Each call returns once every in-sync replica has the record; calls may overlap, so a
    sender of many records gathers them.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            KafkaError: no broker can be reached.
        """
        producer = AIOKafkaProducer(**producer_arguments(self._settings))
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Send what is left and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def telemetry(self, report: Telemetry, *, timestamp: int | None = None) -> Published:
        """Publish a node's report. ``timestamp`` is the record's, in ms since the epoch; now without it.

        Raises:
            KafkaError: it was not acknowledged; it may have been written all the same.
        """
        return await self.record(TELEMETRY, report.nodeId.encode(), encode(report), timestamp=timestamp)

    async def observation(self, observation: NetworkObservation, *, timestamp: int | None = None) -> Published:
        """Publish what an observer saw of a node; as :meth:`telemetry` else."""
        return await self.record(NETWORK, observation.nodeId.encode(), encode(observation), timestamp=timestamp)

    async def record(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        *,
        headers: tuple[tuple[str, bytes], ...] = (),
        timestamp: int | None = None,
    ) -> Published:
        """Publish bytes as they are; ``topic`` without prefix. As :meth:`telemetry` else."""
        if self._producer is None:
            raise RuntimeError("a publisher is used inside `async with`")
        metadata = await self._producer.send_and_wait(
            self._settings.topic(topic), key=key, value=value, headers=list(headers), timestamp_ms=timestamp
        )
        return Published(metadata.topic, metadata.partition, metadata.offset, metadata.timestamp)
