"""Request and reply over Kafka, from the asking side: :mod:`kordon.client.channel` on real brokers.

The answering side here is the test itself, which can misbehave as an issuer would not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from kordon.client import NoReplyError, NotOpenError, UnusableReplyError
from kordon.client.channel import CORRELATION_ID, REPLY_PARTITION, REPLY_TOPIC, ReplyChannel
from schemas.topics import REPLIES, REQUESTS
from tests.workers.batches import write_with_header_name
from transport.administration import apply_topics
from transport.client import producer_arguments
from transport.partitioner import partition_of
from transport.settings import KafkaSettings
from transport.views import View

Answer = Callable[[ConsumerRecord, int], Sequence[bytes]]


class Responder:
    """Answers each request with what ``answer`` makes of it and of its number (from 0)."""

    def __init__(self, kafka: KafkaSettings, answer: Answer) -> None:
        self.requests: list[ConsumerRecord] = []
        self._kafka = kafka
        self._answer = answer
        self._new: asyncio.Queue[ConsumerRecord] = asyncio.Queue()

    async def run(self) -> None:
        places = [TopicPartition(self._kafka.topic(REQUESTS), number) for number in range(self._kafka.partitions)]

        def hear(_place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
            for record in records:
                self._new.put_nowait(record)

        async with View(self._kafka, places, hear), AIOKafkaProducer(**producer_arguments(self._kafka)) as producer:
            while True:
                request = await self._new.get()
                headers = dict(request.headers)
                for reply in self._answer(request, len(self.requests)):
                    await producer.send_and_wait(
                        headers[REPLY_TOPIC].decode(),
                        reply,
                        key=request.key,
                        partition=int.from_bytes(headers[REPLY_PARTITION], "big"),
                        headers=[(CORRELATION_ID, headers[CORRELATION_ID])],
                    )
                self.requests.append(request)


@pytest.fixture
async def respond(kafka: KafkaSettings) -> AsyncIterator[Callable[[Answer], Responder]]:
    await apply_topics(kafka)
    tasks = []

    def start(answer: Answer) -> Responder:
        responder = Responder(kafka, answer)
        tasks.append(asyncio.create_task(responder.run()))
        return responder

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def believe(reply: bytes) -> bytes:
    if reply.startswith(b"forged"):
        raise UnusableReplyError("its signature does not verify")
    return reply


async def test_a_request_goes_where_its_key_belongs_and_asks_for_its_reply_there(
    kafka: KafkaSettings, respond: Callable[[Answer], Responder]
) -> None:
    responder = respond(lambda request, _: [b"answer to " + request.value])

    async with ReplyChannel(kafka, b"node-1") as channel:
        assert await channel.ask(b"one", believe, timeout_seconds=20, attempts=1) == b"answer to one"
        assert await channel.ask(b"two", believe, timeout_seconds=20, attempts=1) == b"answer to two"

    here = partition_of(b"node-1", kafka.partitions)
    for request in responder.requests:
        headers = dict(request.headers)
        assert (request.key, request.partition) == (b"node-1", here)
        assert headers[REPLY_TOPIC] == kafka.topic(REPLIES).encode()
        assert headers[REPLY_PARTITION] == here.to_bytes(4, "big")
    ids = {dict(request.headers)[CORRELATION_ID] for request in responder.requests}
    assert len(ids) == 2
    assert all(len(each) == 16 for each in ids)


async def test_replies_to_others_and_replies_of_before_are_not_heard(
    kafka: KafkaSettings, respond: Callable[[Answer], Responder]
) -> None:
    respond(lambda request, _: [b"answer to " + request.value])

    async with ReplyChannel(kafka, b"node-1") as mine, ReplyChannel(kafka, b"node-1") as anothers:
        for number in range(3):
            answers = await asyncio.gather(
                mine.ask(b"mine %d" % number, believe, timeout_seconds=20, attempts=1),
                anothers.ask(b"another's %d" % number, believe, timeout_seconds=20, attempts=1),
            )
            assert list(answers) == [b"answer to mine %d" % number, b"answer to another's %d" % number]


async def test_the_same_bytes_are_sent_again_when_nobody_answers(
    kafka: KafkaSettings, respond: Callable[[Answer], Responder]
) -> None:
    responder = respond(lambda request, number: [request.value] if number == 2 else [])

    async with ReplyChannel(kafka, b"node-1") as channel:
        assert await channel.ask(b"request", believe, timeout_seconds=1, attempts=20) == b"request"

    assert len(responder.requests) >= 2
    assert {(request.value, tuple(request.headers)) for request in responder.requests} == {
        (b"request", tuple(responder.requests[0].headers))
    }


async def test_a_reply_that_must_not_be_believed_is_passed_over(
    kafka: KafkaSettings, respond: Callable[[Answer], Responder]
) -> None:
    respond(lambda _request, _number: [b"forged 1", b"forged 2", b"genuine", b"forged 3"])

    async with ReplyChannel(kafka, b"node-1") as channel:
        assert await channel.ask(b"request", believe, timeout_seconds=20, attempts=1) == b"genuine"


async def test_a_reply_whose_header_names_are_not_utf_8_is_passed_over(
    kafka: KafkaSettings, respond: Callable[[Answer], Responder]
) -> None:
    """Brokers take such a name from anyone who may write to the topic, and aiokafka raises at it for ever."""
    respond(lambda request, number: [request.value] if number == 1 else [])
    place = TopicPartition(kafka.topic(REPLIES), partition_of(b"node-1", kafka.partitions))

    async with ReplyChannel(kafka, b"node-1") as channel:
        asking = asyncio.create_task(channel.ask(b"request", believe, timeout_seconds=5, attempts=4))
        await asyncio.sleep(0.5)
        await write_with_header_name(kafka, place, b"\xff\xfe\xfd\xfc", [(b"node-1", b"forged")])
        assert await asking == b"request"


async def test_who_is_not_answered_hears_how_often_it_asked_and_what_was_refused(
    kafka: KafkaSettings, respond: Callable[[Answer], Responder]
) -> None:
    respond(lambda _request, number: [b"forged"] if number == 0 else [])

    async with ReplyChannel(kafka, b"node-1") as channel:
        with pytest.raises(NoReplyError, match=r"2 attempts of 2 s each; refused replies: its signature") as error:
            await channel.ask(b"request", believe, timeout_seconds=2, attempts=2)
    assert error.value.unusable == ["its signature does not verify"]


async def test_concurrent_requests_of_one_channel_wait_for_each_other(
    kafka: KafkaSettings, respond: Callable[[Answer], Responder]
) -> None:
    respond(lambda request, _: [b"answer to " + request.value])

    async with ReplyChannel(kafka, b"node-1") as channel:
        answers = await asyncio.gather(
            *(channel.ask(b"%d" % number, believe, timeout_seconds=20, attempts=1) for number in range(5))
        )

    assert list(answers) == [b"answer to %d" % number for number in range(5)]


async def test_a_channel_that_asked_nothing_closes_quietly(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)

    async with ReplyChannel(kafka, b"node-1"):
        pass


async def test_a_request_under_way_when_its_channel_is_closed_says_so(
    kafka: KafkaSettings, respond: Callable[[Answer], Responder]
) -> None:
    responder = respond(lambda _request, _number: [])

    async with ReplyChannel(kafka, b"node-1") as channel:
        asking = asyncio.create_task(channel.ask(b"request", believe, timeout_seconds=60, attempts=3))
        async with asyncio.timeout(60):
            while not responder.requests:  # noqa: ASYNC110 - it is a list
                await asyncio.sleep(0.05)

    with pytest.raises(NotOpenError, match="closed"):
        await asking
    with pytest.raises(NotOpenError, match="closed"):
        await channel.ask(b"request", believe, timeout_seconds=60, attempts=3)


async def test_a_channel_without_topics_creates_none(kafka: KafkaSettings) -> None:
    with pytest.raises(UnknownTopicOrPartitionError):
        await ReplyChannel(kafka, b"node-1").__aenter__()

    with pytest.raises(UnknownTopicOrPartitionError):
        await ReplyChannel(kafka, b"node-1").__aenter__()
