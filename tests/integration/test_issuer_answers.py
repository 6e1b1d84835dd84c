"""A capsule and each denial, end to end: a node's client asks an issuer process through a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kordon.client.answers import Capsule, Denial
from kordon.client.capsules import CapsuleClient
from schemas.decisions import DenialReason
from schemas.registry import NodeRegistryStatus
from schemas.risk import Cause
from schemas.topics import BINDINGS, REQUESTS, dlq_of
from tests.issuers.cluster import ELSEWHERE, FINGERPRINT, HERE, Cluster, now, quarantined
from tests.issuers.process import IssuerProcess
from transport.dead_letters import cause_of
from transport.key_files import generate_signing_key
from transport.settings import KafkaSettings


@pytest.fixture
async def cluster(kafka: KafkaSettings, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(kafka, tmp_path) as cluster:
        yield cluster


async def ask(client: CapsuleClient, **details: Any) -> Capsule | Denial:
    async with client:
        return await client.send(client.build(**{"fingerprint": FINGERPRINT, "runtime_version": "1.0.0", **details}))


async def test_a_capsule_and_each_denial_are_answered_decided_and_explained(cluster: Cluster) -> None:
    with IssuerProcess(cluster) as issuer:
        await issuer.ready()
        async with cluster.worker_alive():
            good = await cluster.enrol("node-good", servicePrincipal="svc/good")

            capsule = await ask(good, network=HERE)
            assert isinstance(capsule, Capsule)
            assert capsule.service_principal == "svc/good"
            assert len(capsule.runtime_key) == 32

            token = await cluster.enrol_hmac("node-token", b"a bearer token of a node")
            by_token = await ask(token)
            assert isinstance(by_token, Capsule)
            assert by_token.runtime_key != capsule.runtime_key

            for reason, answer in [
                (DenialReason.MALFORMED_REQUEST, await malformed(cluster)),
                (DenialReason.AUTHENTICATION_FAILED, await ask(cluster.client("nobody", generate_signing_key("1")))),
                (DenialReason.AUTHENTICATION_FAILED, await ask(cluster.client("node-good", generate_signing_key("1")))),
                (DenialReason.REQUEST_EXPIRED, await ask(good, issued_at=now() // 1000 - 301)),
                (DenialReason.REPLAYED_REQUEST, await replayed(cluster)),
                (DenialReason.NODE_REVOKED, await ask(await cluster.enrol("r", status=NodeRegistryStatus.REVOKED))),
                (DenialReason.NODE_DISABLED, await ask(await cluster.enrol("d", enabled=False))),
                (DenialReason.FINGERPRINT_MISMATCH, await ask(good, fingerprint="00" * 16)),
                (DenialReason.NODE_QUARANTINED, await held(cluster, "q", Cause.OPERATOR)),
                (DenialReason.NETWORK_POLICY_VIOLATION, await held(cluster, "p", Cause.POLICY)),
                (DenialReason.NETWORK_POLICY_VIOLATION, await moved(cluster)),
            ]:
                assert isinstance(answer, Denial), reason
                assert answer.reason is reason
                scored = reason is DenialReason.NETWORK_POLICY_VIOLATION
                assert (answer.risk_score is not None) == scored

        await assert_stale(cluster, good)
        assert await issuer.terminate() == 0

    decisions = await cluster.decisions()
    assert sorted(decision.reason or "granted" for decision in decisions) == sorted(
        [
            "granted",
            "granted",
            "granted",
            "REQUEST_EXPIRED",
            "REPLAYED_REQUEST",
            "NODE_REVOKED",
            "NODE_DISABLED",
            "FINGERPRINT_MISMATCH",
            "NODE_QUARANTINED",
            "NETWORK_POLICY_VIOLATION",
            "NETWORK_POLICY_VIOLATION",
            "RISK_STATE_STALE",
        ]
    )
    letters = await cluster.records(dlq_of(REQUESTS))
    causes = [cause_of(letter.headers) for letter in letters]
    assert sorted(cause.exception for cause in causes if cause) == [
        "MALFORMED_REQUEST",
        "NODE_NOT_FOUND",
        "PROOF_INVALID",
    ]
    bound = {record.key for record in await cluster.records(BINDINGS)}
    assert bound == {b"node-good", b"node-token", b"replayer"}
    assert "a bearer token" not in issuer.output()


async def malformed(cluster: Cluster) -> Capsule | Denial:
    async with cluster.client("node-good") as client:
        return await client.send_bytes(b"neither header nor claims")


async def replayed(cluster: Cluster) -> Capsule | Denial:
    async with await cluster.enrol("replayer") as client:
        first = client.build(fingerprint=FINGERPRINT, runtime_version="1", request_id="a-request-id-used-twice")
        assert isinstance(await client.send(first), Capsule)
        other = client.build(fingerprint=FINGERPRINT, runtime_version="2", request_id="a-request-id-used-twice")
        return await client.send(other)


async def held(cluster: Cluster, node_id: str, cause: Cause) -> Capsule | Denial:
    client = await cluster.enrol(node_id)
    await cluster.write_row(node_id, **quarantined(cause))
    answer = await ask(client)
    if cause is Cause.POLICY:
        assert isinstance(answer, Denial)
        assert answer.risk_score == 90
    return answer


async def moved(cluster: Cluster) -> Capsule | Denial:
    client = await cluster.enrol("m")
    await cluster.write_row("m")
    answer = await ask(client, network=ELSEWHERE)
    assert isinstance(answer, Denial)
    assert answer.risk_score == 110
    return answer


async def assert_stale(cluster: Cluster, client: CapsuleClient) -> None:
    await cluster.write_progress(policyVersion=2)
    answer = await ask(client)
    assert isinstance(answer, Denial)
    assert answer.reason is DenialReason.RISK_STATE_STALE
    assert answer.retry_after_seconds == 5
