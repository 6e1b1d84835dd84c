"""Worker and issuer where Kafka takes nobody without TLS and a password."""

from __future__ import annotations

from pathlib import Path

from aiokafka import AIOKafkaProducer

from kordon.client.answers import Capsule
from schemas.topics import NETWORK, TELEMETRY
from tests.brokers.secured_kafka import PASSWORD, USER, Listeners, listeners
from tests.issuers.cluster import FINGERPRINT, HERE, Cluster
from tests.issuers.process import IssuerProcess
from tests.workers.fixtures import StartWorker, start_worker
from tests.workers.following import folded_all
from tests.workers.load import now, observation, report
from tests.workers.refold import assert_refolds, read_log
from transport.client import producer_arguments
from transport.partitioner import partition_of
from transport.private_files import write_private_file
from transport.settings import KafkaSettings

__all__ = ["listeners", "start_worker"]

PARTITIONS = 3


async def test_worker_and_issuer_work_over_tls_with_a_password_that_they_never_say(
    listeners: Listeners, prefix: str, tmp_path: Path, start_worker: StartWorker
) -> None:
    password_file = tmp_path / "password"
    write_private_file(password_file, PASSWORD.encode() + b"\n")
    secured = {
        "partitions": str(PARTITIONS),
        "security_protocol": "SASL_SSL",
        "ssl_cafile": str(listeners.authority.cafile),
        "sasl_username": USER,
        "sasl_password_file": str(password_file),
    }
    kafka = KafkaSettings.load(bootstrap_servers=listeners.password, prefix=prefix, **secured)
    environment = {f"KORDON_KAFKA_{name.upper()}": value for name, value in secured.items()}
    async with Cluster(kafka, tmp_path) as cluster, AIOKafkaProducer(**producer_arguments(kafka)) as producer:
        client = await cluster.enrol("node-1")
        worker = start_worker(kafka, settings=environment)
        for node in ("node-1", "node-2", "node-3"):
            home = partition_of(node.encode(), PARTITIONS)
            await producer.send_and_wait(kafka.topic(TELEMETRY), report(node, now(), clean=True), key=node.encode())
            misplaced = observation(node, now(), "192.0.2.1")
            await producer.send_and_wait(
                kafka.topic(NETWORK), misplaced, key=node.encode(), partition=(home + 1) % PARTITIONS
            )
        await folded_all(kafka, PARTITIONS, worker)
        with IssuerProcess(cluster, settings=environment) as issuer:
            await issuer.ready()
            async with client:
                assert isinstance(await client.request(FINGERPRINT, "1.0.0", network=HERE), Capsule)
            assert await issuer.terminate() == 0
        await folded_all(kafka, PARTITIONS, worker)
        assert await worker.terminate() == 0
    # A report and an observation of each node, and the issuer's decision.
    assert assert_refolds(kafka, await read_log(kafka, PARTITIONS)) == 3 + 3 + 1
    for said in (worker.output(), issuer.output()):
        assert PASSWORD not in said
        assert "Traceback" not in said
