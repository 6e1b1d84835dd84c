"""Whatever is sent to the request topic, a partition goes on; replies go where they may be asked to."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from kordon.client.answers import Capsule
from schemas.capsules import CapsuleReply
from schemas.codec import decode
from schemas.decisions import DenialReason
from schemas.topics import ISSUER_PROGRESS, REPLIES, REQUESTS, dlq_of, repartition_of
from tests.issuers.cluster import FINGERPRINT, Cluster
from tests.issuers.process import IssuerProcess
from transport.client import admin_arguments
from transport.dead_letters import cause_of
from transport.settings import KafkaSettings

NODE = b"node-1"


@pytest.fixture
async def cluster(kafka: KafkaSettings, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(kafka, tmp_path) as cluster, cluster.worker_alive():
        yield cluster


async def replies_of(cluster: Cluster, count: int, topic: str = REPLIES) -> list[ConsumerRecord]:
    deadline = time.monotonic() + 30
    while len(records := await cluster.records(topic)) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} replies"
        await asyncio.sleep(0.1)
    return records


async def test_nothing_that_is_sent_stops_a_partition(cluster: Cluster) -> None:
    home = cluster.partition("node-1")
    client = await cluster.enrol("node-1")
    good = client.build(fingerprint=FINGERPRINT, runtime_version="1")
    header, payload, signature = good.value.split(b".")
    with IssuerProcess(cluster, settings={"KORDON_ISSUER_REFUSALS_PER_SECOND": "1000"}) as issuer:
        await issuer.ready()
        values = [
            None,
            b"",
            b"\x00" * 100,
            os.urandom(20_000),
            b"." * 16_384,
            b"[" * 16_384,
            b".".join([header, payload, b""]),
            b".".join([header, payload[:-4], signature]),
            b".".join([header, payload, signature[:-2]]),
            good.value + b"=",
            good.value.decode().encode("utf-16"),
        ]
        for value in values:
            await cluster.send(REQUESTS, NODE, value, partition=home)
        for key in (None, b"", b"\xff\xfe", b"a b", b"x" * 5_000):
            await cluster.send(REQUESTS, key, good.value, partition=home)
        for headers in (
            [("kafka_correlationId", b"x" * 100_000)],
            [("kafka_replyTopic", b"\xff")],
            [("kafka_replyTopic", b"no.such.topic"), ("kafka_replyPartition", b"\0\0\0\1")],
            [("kafka_replyPartition", b"\x7f\xff\xff\xff")],
            [("kafka_replyPartition", b"\xff\xff\xff\xff")],
            [("kafka_replyPartition", b"1")],
            [("reply-to", b""), ("correlation-id", b"")],
            [("", b"")] * 50,
        ):
            await cluster.send(REQUESTS, NODE, b"x", partition=home, headers=headers)
        for value in (b"x", good.value):
            await cluster.send(repartition_of(REQUESTS), NODE, value, partition=home)
        async with client:
            assert isinstance(await client.send(good), Capsule)
        assert await issuer.terminate() == 0
    replies = await cluster.replies()
    refused = len(values) + 5 + 8
    # The truncated signature is well-formed base64url: whoever sent it failed to prove who it is.
    reasons = [reply.reason for reply in replies if reply.denied]
    assert len(reasons) == refused
    assert set(reasons) == {DenialReason.MALFORMED_REQUEST, DenialReason.AUTHENTICATION_FAILED}
    letters = await cluster.records(dlq_of(REQUESTS))
    causes = [cause_of(letter.headers) for letter in letters]
    assert len(letters) == refused + 2
    assert [cause.exception for cause in causes if cause].count("ForwardedRecordError") == 2
    assert all(letter.partition == home for letter in letters)


async def test_replies_go_where_they_are_asked_for_and_echo_the_correlation_id(cluster: Cluster) -> None:
    own = f"{cluster.kafka.prefix}gateway.replies"
    admin = AIOKafkaAdminClient(**admin_arguments(cluster.kafka))
    await admin.start()
    await admin.create_topics([NewTopic(own, 3, 1)])
    await admin.close()
    client = await cluster.enrol("node-1")
    with IssuerProcess(cluster, settings={"KORDON_ISSUER_REPLY_TOPICS": f'["{own}"]'}) as issuer:
        await issuer.ready()
        for correlation, headers in (
            (b"spring", [("kafka_replyTopic", own.encode()), ("kafka_replyPartition", b"\0\0\0\2")]),
            (b"plain", [("reply-to", own.encode())]),
            (b"\x00\xff", []),
            (b"bad", [("kafka_replyTopic", own.encode()), ("kafka_replyPartition", b"\0\0\0\3")]),
        ):
            value = client.build(fingerprint=FINGERPRINT, runtime_version="1").value
            await cluster.send(REQUESTS, NODE, value, headers=[("kafka_correlationId", correlation), *headers])
        there = await replies_of(cluster, 2, "gateway.replies")
        here = await replies_of(cluster, 2)
        assert await issuer.terminate() == 0
    home = cluster.partition("node-1")
    assert {(record.partition, dict(record.headers)["kafka_correlationId"]) for record in there} == {
        (2, b"spring"),
        (home, b"plain"),
    }
    assert {(record.partition, dict(record.headers)["kafka_correlationId"]) for record in here} == {
        (home, b"\x00\xff"),
        (home, b"bad"),
    }
    assert all(not decode(CapsuleReply, record.value, REPLIES).denied for record in (*there, *here))


async def test_a_misplaced_request_is_answered_once_as_if_it_were_in_its_place(cluster: Cluster) -> None:
    client = await cluster.enrol("node-1")
    home = cluster.partition("node-1")
    with IssuerProcess(cluster) as issuer:
        await issuer.ready()
        value = client.build(fingerprint=FINGERPRINT, runtime_version="1").value
        headers = [("kafka_correlationId", b"c")]
        await cluster.send(REQUESTS, NODE, value, partition=(home + 1) % 3, headers=headers)
        replies = await replies_of(cluster, 1)
        assert await issuer.terminate() == 0
    assert [(record.partition, record.headers) for record in replies] == [(home, (("kafka_correlationId", b"c"),))]
    assert [decision.denied for decision in await cluster.decisions()] == [False]
    assert len(await cluster.records(repartition_of(REQUESTS))) == 1
    assert await cluster.records(dlq_of(REQUESTS)) == []


async def test_an_issuer_reports_progress_when_nothing_is_asked(cluster: Cluster) -> None:
    with IssuerProcess(cluster, settings={"KORDON_ISSUER_PROGRESS_INTERVAL_MS": "100"}) as issuer:
        await issuer.ready()
        records = await replies_of(cluster, 9, ISSUER_PROGRESS)
        assert await issuer.terminate() == 0
    assert {record.partition for record in records} == {0, 1, 2}


async def test_a_lost_checkpoint_stops_the_issuer_and_says_what_would_be_lost(cluster: Cluster) -> None:
    client = await cluster.enrol("node-1")
    with IssuerProcess(cluster) as issuer:
        await issuer.ready()
        async with client:
            assert isinstance(await client.request(FINGERPRINT, "1"), Capsule)
        assert await issuer.terminate() == 0
    topic = cluster.kafka.topic(ISSUER_PROGRESS)
    admin = AIOKafkaAdminClient(**admin_arguments(cluster.kafka))
    await admin.start()
    await admin.delete_topics([topic])
    deadline = time.monotonic() + 30
    while topic in await admin.list_topics():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    await admin.create_topics([NewTopic(topic, 3, 1)])
    await admin.close()
    with IssuerProcess(cluster) as issuer:
        assert await issuer.ended() == 78
        assert "CheckpointMissingError" in issuer.output()
        assert "answered twice" in issuer.output()


async def test_files_that_do_not_belong_together_stop_the_issuer_before_it_connects(cluster: Cluster) -> None:
    (cluster.folder / "passphrase").chmod(0o644)
    with IssuerProcess(cluster) as issuer:
        assert await issuer.ended() == 78
        assert "chmod 600" in issuer.output()
