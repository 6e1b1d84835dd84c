"""Request and reply over Kafka, from the asking side (design.md section 6)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    KafkaTimeoutError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
)

from kordon.client.errors import NotOpenError
from schemas.topics import REPLIES, REQUESTS
from transport.client import consumer_arguments, idempotent_producer
from transport.consumer_shutdown import stop_consumer
from transport.partitioner import partition_of
from transport.polling import FetchingStoppedError, poll
from transport.producer_shutdown import stop_producer
from transport.watermarks import Watermarks

if TYPE_CHECKING:
    from transport.settings import KafkaSettings

Answer = TypeVar("Answer")

CORRELATION_ID: Final = "kafka_correlationId"
REPLY_TOPIC: Final = "kafka_replyTopic"
REPLY_PARTITION: Final = "kafka_replyPartition"
"""Header names as Spring's ReplyingKafkaTemplate sends them."""

_POLL_MS: Final = 200
_STOP_SECONDS: Final = 5.0


class UnusableReplyError(Exception):
    """A reply that claims to answer the request and must not be believed; the text says why."""


class NoReplyError(Exception):
    """Nothing that can be believed answered in time.

    ``unusable`` says, for each reply that was refused, why; ``unreachable``, for each attempt that Kafka did not take
    or during which it was lost, how.
    """

    def __init__(
        self, attempts: int, timeout_seconds: float, unusable: list[str], unreachable: list[str] | None = None
    ) -> None:
        refused = f"; refused replies: {'; '.join(unusable)}" if unusable else ""
        lost = f"; Kafka: {'; '.join(dict.fromkeys(unreachable))}" if unreachable else ""
        super().__init__(f"no reply to {attempts} attempts of {timeout_seconds:g} s each{refused}{lost}")
        self.unusable = unusable
        self.unreachable = unreachable or []


@dataclass
class _Attempt(Generic[Answer]):
    """A request under way, and what its sendings came to."""

    correlation_id: bytes
    value: bytes
    judge: Callable[[bytes], Answer]
    listening: bool = False
    unusable: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)

    def lost(self, error: KafkaError) -> None:
        """Note what Kafka said. Where the log no longer holds the position, listening begins anew."""
        self.unreachable.append(str(error) or type(error).__name__)
        if isinstance(error, OffsetOutOfRangeError):
            self.listening = False


def _may_pass(error: KafkaError) -> bool:
    return bool(error.retriable) or isinstance(error, KafkaTimeoutError | OffsetOutOfRangeError)


def _retrieve(sent: asyncio.Future[Any]) -> None:
    if not sent.cancelled():
        # Where the caller gave up before, nobody else asks.
        sent.exception()


class ReplyChannel:
    """Sends requests with one key and hears their replies; an asynchronous context manager.

    Replies are asked for in the one partition of the reply topic where this key belongs, and read from its end as of
    the moment before the request is sent, so nothing is missed and nothing old is read. One request is under way at a
    time; calls wait for each other, so what this holds is bounded by who calls it.
    """

    def __init__(self, settings: KafkaSettings, key: bytes) -> None:
        self._settings = settings
        self._key = key
        self._asking = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._replies = TopicPartition(settings.topic(REPLIES), 0)
        self._positions: dict[TopicPartition, int] = {}
        self._sent: asyncio.Future[Any] | None = None
        self._sent_for = b""
        self._closed = False

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            UnknownTopicOrPartitionError: the reply topic does not exist.
            KafkaError: no broker can be reached.
        """
        # It may be opened again: what an earlier opening left in the producer went with that.
        self._closed, self._sent = False, None
        self._producer = idempotent_producer(self._settings)
        self._consumer = AIOKafkaConsumer(**consumer_arguments(self._settings))
        try:
            self._replies = await self._reply_partition()
            await self._producer.start()
            await self._consumer.start()
            self._consumer.assign([self._replies])
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Disconnect."""
        self._closed = True
        consumer, self._consumer = self._consumer, None
        producer, self._producer = self._producer, None
        try:
            if consumer is not None:
                await stop_consumer(consumer)
        finally:
            if producer is not None:
                await stop_producer(producer, _STOP_SECONDS)

    async def _reply_partition(self) -> TopicPartition:
        topic = self._replies.topic
        # Not the producer's own question, by which a broker may create the topic.
        async with Watermarks(self._settings) as watermarks:
            count = await watermarks.partition_count(topic)
        if count == 0:
            raise UnknownTopicOrPartitionError(topic)
        return TopicPartition(topic, partition_of(self._key, count))

    async def ask(
        self, value: bytes, judge: Callable[[bytes], Answer], *, timeout_seconds: float, attempts: int
    ) -> Answer:
        """Send a request and return what ``judge`` makes of its reply.

        A reply is one that carries this request's correlation id. ``judge`` raises :class:`UnusableReplyError` for one
        that must not be believed; then the waiting goes on, as anyone who may write to the topic could have sent it.
        When ``timeout_seconds`` have passed the same bytes are sent again, up to ``attempts`` (>= 1) times in all:
        the issuer answers the same request with the same capsule. A broker that is away costs attempts and is no
        error while some are left; the connection comes back by itself.

        Raises:
            NoReplyError: no reply could be believed, or Kafka was away all the time.
            NotOpenError: the channel is not open.
            KafkaError: Kafka refuses, and would again.
        """
        async with self._asking:
            attempt = _Attempt(secrets.token_bytes(16), value, judge)
            for _ in range(attempts):
                deadline = time.monotonic() + timeout_seconds
                try:
                    return await self._try(attempt, deadline)
                except TimeoutError:
                    continue
                except (ConsumerStoppedError, FetchingStoppedError):
                    if self._closed:
                        raise NotOpenError.after() from None
                    raise
                except KafkaError as error:
                    if self._closed:
                        raise NotOpenError.after() from None
                    if not _may_pass(error):
                        raise
                    attempt.lost(error)
                    await asyncio.sleep(max(0.0, deadline - time.monotonic()))
            raise NoReplyError(attempts, timeout_seconds, attempt.unusable, attempt.unreachable)

    async def _try(self, attempt: _Attempt[Answer], deadline: float) -> Answer:
        """Send once and wait for an answer to this or an earlier sending; raises TimeoutError."""
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                if not attempt.listening:
                    await self._seek_to_end()
                    attempt.listening = True
                await self._send(attempt.value, attempt.correlation_id)
        except TimeoutError:
            attempt.unreachable.append("it did not take the request in time")
            raise
        while time.monotonic() < deadline:
            for reply in await self._replies_to(attempt.correlation_id):
                try:
                    return attempt.judge(reply)
                except UnusableReplyError as error:
                    attempt.unusable.append(str(error))
        raise TimeoutError

    async def _send(self, value: bytes, correlation_id: bytes) -> None:
        """Send, once Kafka has what was sent before: one request is all that piles up while a broker is away."""
        sent = self._sent
        if sent is not None and not sent.done():
            await asyncio.shield(sent)
            if self._sent_for == correlation_id:
                return
        if self._producer is None:
            raise NotOpenError.after()
        self._sent = sent = await self._producer.send(
            self._settings.topic(REQUESTS),
            key=self._key,
            value=value,
            headers=[
                (CORRELATION_ID, correlation_id),
                (REPLY_TOPIC, self._replies.topic.encode()),
                (REPLY_PARTITION, self._replies.partition.to_bytes(4, "big")),
            ],
        )
        self._sent_for = correlation_id
        sent.add_done_callback(_retrieve)
        # Shielded: the record is in the producer's hands, whoever goes on waiting for it.
        await asyncio.shield(sent)

    async def _seek_to_end(self) -> None:
        if self._consumer is None:
            raise NotOpenError.after() if self._closed else NotOpenError.before()
        self._positions = dict(await self._consumer.end_offsets([self._replies]))
        self._consumer.seek(self._replies, self._positions[self._replies])

    async def _replies_to(self, correlation_id: bytes) -> list[bytes]:
        if self._consumer is None:
            raise NotOpenError.after()
        batches = await poll(self._consumer, self._positions, timeout_ms=_POLL_MS)
        return [
            record.value
            for records in batches.values()
            for record in records
            if record.value is not None and (CORRELATION_ID, correlation_id) in record.headers
        ]
