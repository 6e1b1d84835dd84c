"""No capsule is granted on a view of the registry or of risk that is not read to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from kordon.client.answers import Capsule, Denial
from kordon.client.capsules import CapsuleClient
from schemas.decisions import DenialReason
from schemas.registry import NodeRegistryStatus
from schemas.risk import Cause
from schemas.timestamp import Timestamp
from schemas.topics import REQUESTS, RISK
from tests.issuers.cluster import FINGERPRINT, Cluster, now, quarantined
from tests.issuers.process import IssuerProcess
from tests.workers.batches import write_with_header_name
from transport.client import transactional_producer_arguments
from transport.settings import KafkaSettings


@pytest.fixture
async def cluster(kafka: KafkaSettings, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(kafka, tmp_path) as cluster:
        yield cluster


async def ask(client: CapsuleClient) -> DenialReason | None:
    """Return why a request was denied, ``None`` if it was granted."""
    async with client:
        answer = await client.request(FINGERPRINT, "1")
    assert isinstance(answer, Capsule | Denial)
    return answer.reason if isinstance(answer, Denial) else None


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
async def test_what_was_acknowledged_before_the_request_is_obeyed(cluster: Cluster) -> None:
    """A revocation and a quarantine that were written just before a request already count for it, every time."""
    async with cluster.worker_alive():
        with IssuerProcess(cluster) as issuer:
            await issuer.ready()
            for number in range(10):
                client = await cluster.enrol(f"node-{number}")
                assert await ask(client) is None
                await cluster.enrol(f"node-{number}", 2, status=NodeRegistryStatus.REVOKED)
                assert await ask(client) is DenialReason.NODE_REVOKED
                await cluster.enrol(f"node-{number}", 3)
                await cluster.write_row(f"node-{number}", **quarantined(Cause.OPERATOR))
                assert await ask(client) is DenialReason.NODE_QUARANTINED


async def test_an_open_transaction_of_the_worker_denies_until_it_ends(cluster: Cluster) -> None:
    """Behind it a quarantine may be waiting that was acknowledged already."""
    async with cluster.worker_alive():
        client = await cluster.enrol("node-1")
        with IssuerProcess(cluster, settings={"KORDON_ISSUER_FRESHNESS_TIMEOUT_MS": "300"}) as issuer:
            await issuer.ready()
            assert await ask(client) is None
            worker = AIOKafkaProducer(**transactional_producer_arguments(cluster.kafka, "a-worker"))
            await worker.start()
            try:
                await worker.begin_transaction()
                partition = cluster.partition("node-1")
                await worker.send_and_wait(cluster.kafka.topic(RISK), key=b"x", value=None, partition=partition)
                assert await ask(client) is DenialReason.RISK_STATE_STALE
                await worker.abort_transaction()
            finally:
                await worker.stop()
            assert await ask(client) is None


async def test_a_worker_that_is_silent_lags_or_never_was_denies(cluster: Cluster) -> None:
    client = await cluster.enrol("node-1")
    with IssuerProcess(cluster) as issuer:
        await issuer.ready()
        assert await ask(client) is DenialReason.RISK_STATE_STALE
        await cluster.write_progress()
        assert await ask(client) is None
        await cluster.write_progress(at=Timestamp(now() - 30_001))
        assert await ask(client) is DenialReason.RISK_STATE_STALE
        await cluster.write_progress(lagMillis=30_001)
        assert await ask(client) is DenialReason.RISK_STATE_STALE
        await cluster.write_progress(riskEnd=1_000)
        assert await ask(client) is DenialReason.RISK_STATE_STALE
        async with cluster.worker_alive():
            assert await ask(client) is None


async def test_a_header_name_that_is_no_utf_8_stops_no_partition(cluster: Cluster) -> None:
    async with cluster.worker_alive():
        client = await cluster.enrol("node-1")
        with IssuerProcess(cluster) as issuer:
            await issuer.ready()
            place = TopicPartition(cluster.kafka.topic(REQUESTS), cluster.partition("node-1"))
            await write_with_header_name(cluster.kafka, place, b"\xff\xfe\xff\xfe", [(b"node-1", b"no request")])
            assert await ask(client) is None
            assert await issuer.terminate() == 0
    assert [reply.reason for reply in await cluster.replies()] == [DenialReason.MALFORMED_REQUEST, None]
