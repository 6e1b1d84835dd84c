"""Publishing what a node or an observer has to say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed

from kordon.client.errors import NotAcknowledgedError, NotOpenError
from schemas.codec import encode
from schemas.topics import NETWORK, TELEMETRY
from transport.client import idempotent_producer
from transport.producer_shutdown import stop_producer

if TYPE_CHECKING:
    from schemas.network import NetworkObservation
    from schemas.telemetry import Telemetry
    from transport.settings import KafkaSettings


MAX_IN_FLIGHT: Final = 1000
TIMEOUT_SECONDS: Final = 30.0


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

    ``max_in_flight`` (>= 1) bounds the records that are not acknowledged yet; a call beyond it waits. A call that is
    not through after ``timeout_seconds``, the waiting included, raises :class:`NotAcknowledgedError`. While a broker is
    away, records that are on their way keep their place and are sent when it is back; the connection comes back by
    itself.
    """

    def __init__(
        self, settings: KafkaSettings, *, max_in_flight: int = MAX_IN_FLIGHT, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        if max_in_flight < 1:
            raise ValueError("max_in_flight is at least 1")
        self._settings = settings
        self._timeout_seconds = timeout_seconds
        self._places = asyncio.Semaphore(max_in_flight)
        self._producer: AIOKafkaProducer | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            KafkaError: no broker can be reached.
            NotOpenError: the publisher was closed before.
        """
        if self._closed:
            raise NotOpenError.after()
        producer = idempotent_producer(self._settings)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Send what is left, for at most ``timeout_seconds``, and disconnect."""
        self._closed = True
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer, self._timeout_seconds)

    async def telemetry(self, report: Telemetry, *, timestamp: int | None = None) -> Published:
        """Publish a node's report. ``timestamp`` is the record's, in ms since the epoch; now without it.

        Raises:
            NotAcknowledgedError: not within ``timeout_seconds``; it may have been written all the same.
            NotOpenError: the publisher is not open.
            KafkaError: Kafka refuses it, or the topic does not exist.
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
            raise NotOpenError.after() if self._closed else NotOpenError.before()
        name = self._settings.topic(topic)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                acknowledged = await self._send(
                    self._producer, name, key=key, value=value, headers=list(headers), timestamp_ms=timestamp
                )
                # Shielded: a caller that gives up must not take the record out of the producer's books.
                metadata = await asyncio.shield(acknowledged)
        except TimeoutError:
            raise NotAcknowledgedError(name, self._timeout_seconds) from None
        except ProducerClosed:
            raise NotOpenError.after() from None
        return Published(metadata.topic, metadata.partition, metadata.offset, metadata.timestamp)

    async def _send(self, producer: AIOKafkaProducer, topic: str, **record: Any) -> asyncio.Future[Any]:
        """Hand a record to the producer; its place is free again when it is acknowledged or has failed."""
        await self._places.acquire()
        try:
            acknowledged: asyncio.Future[Any] = await producer.send(topic, **record)
        except BaseException:
            self._places.release()
            raise
        acknowledged.add_done_callback(self._leave)
        return acknowledged

    def _leave(self, acknowledged: asyncio.Future[Any]) -> None:
        self._places.release()
        if not acknowledged.cancelled():
            # Where the caller gave up before, nobody else asks.
            acknowledged.exception()
