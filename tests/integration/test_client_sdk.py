"""``kordon.client`` beside a worker and an issuer on the embedded broker: examples, blocking form, an outage."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from kordon.client import (
    Capsule,
    CapsuleClient,
    CapsuleVerifier,
    Ed25519Credential,
    NoReplyError,
    NotAcknowledgedError,
    NotOpenError,
    Publisher,
    RiskRows,
    StaleRowsError,
    Telemetry,
    Trust,
    blocking,
    now,
)
from kordon.client.refusals import VoidError
from kordon.new_keys import NewKeys, make_keys
from kordon.operator import Operator
from schemas.commands import Action
from schemas.topics import REQUESTS, TELEMETRY
from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.broker import Broker
from tests.commands.process import environment_of
from tests.conftest import start
from transport.administration import apply_topics
from transport.key_files import generate_signing_key, save_signing_key
from transport.settings import KafkaSettings
from transport.views import read_to_high_watermark

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "client"
FINGERPRINT = "9f86d081884c7d659a2feaa0c55ad015"
NODES = ("node-1", "node-2", "node-3")


@dataclass(frozen=True)
class Running:
    """A cluster as a newcomer sets it up: files in ``.kordon`` of ``directory``, nodes enrolled, services running."""

    broker: Broker
    kafka: KafkaSettings
    directory: Path
    environment: dict[str, str]
    keys: NewKeys

    def python(self, *arguments: str) -> str:
        """Run Python in the cluster's directory; return what it printed."""
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    @property
    def trust(self) -> Trust:
        return self.keys.trust

    @property
    def operator(self) -> Operator:
        return Operator(self.kafka, self.trust, next(iter(self.keys.operators.values())), "a test")

    def credential(self, node_id: str) -> Ed25519Credential:
        return Ed25519Credential.load(self.directory / f"{node_id}.json")

    def client(self, node_id: str) -> CapsuleClient:
        return CapsuleClient(self.kafka, self.trust, node_id, self.credential(node_id))

    def blocking_client(self, node_id: str) -> blocking.CapsuleClient:
        return blocking.CapsuleClient(self.kafka, self.trust, node_id, self.credential(node_id))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("cluster")
    # Not noida-db: it may lose what it had acknowledged when it is stopped, which the worker then refuses (78).
    broker = start(ApacheKafka, directory / "broker", request.config)
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, prefix="sdk.", partitions=3, replication_factor=1)
    keys = make_keys(directory / ".kordon", cluster_id="test", issuer="test", label="test", iterations=1000)
    running = Running(broker, kafka, directory, environment_of(kafka, PYTHONPATH=str(ROOT)), keys)
    asyncio.run(set_up(running))
    with (directory / "services.log").open("wb") as log:
        services = [
            subprocess.Popen(
                [sys.executable, "-m", "kordon", service, "--grace", "5"],
                cwd=directory,
                env=running.environment,
                stdout=log,
                stderr=log,
            )
            for service in ("worker", "issuer")
        ]
    try:
        asyncio.run(ready(running))
        yield running
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.wait(60)
        broker.stop()


async def set_up(cluster: Running) -> None:
    await apply_topics(cluster.kafka)
    async with cluster.operator as operator:
        for node_id in NODES:
            key = generate_signing_key("1")
            save_signing_key(cluster.directory / f"{node_id}.json", key)
            await operator.enrol(node_id, operator.ed25519_credential("1", key.public_key_text), {})


async def ready(cluster: Running) -> None:
    """Wait until worker and issuer are at work."""
    async with cluster.client("node-2") as client:
        granted(await client.request(FINGERPRINT, "1.0.0", attempts=20, patience_seconds=180))


def granted(answer: object) -> Capsule:
    assert isinstance(answer, Capsule), answer
    return answer


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ("request_capsule.py", "granted until 20"),
        ("request_capsule_blocking.py", "granted until 20"),
        ("publish_telemetry.py", "199 boots are written, and an observation in partition "),
        ("verify_capsule.py", "node-1 may come in until 20"),
    ],
)
def test_the_examples_do_what_they_say(cluster: Running, example: str, says: str) -> None:
    assert cluster.python(str(EXAMPLES / example)).startswith(says)


def test_every_example_is_run_here_and_has_about_ten_lines_of_code() -> None:
    run = {"request_capsule.py", "request_capsule_blocking.py", "publish_telemetry.py", "verify_capsule.py"}
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix == ".py"} == run
    for path in EXAMPLES.glob("*.py"):
        code = [line for line in path.read_text().splitlines() if line and "import" not in line and '"""' not in line]
        assert len(code) <= 12, path.name


def test_one_blocking_client_is_safe_for_several_threads_and_says_when_it_is_closed(cluster: Running) -> None:
    with cluster.blocking_client("node-2") as client, ThreadPoolExecutor(4) as threads:
        requests = [client.build(fingerprint=FINGERPRINT, runtime_version="1.0.0") for _ in range(4)]
        answers = list(threads.map(lambda request: client.send(request, patience_seconds=60), requests))

    assert [granted(answer).request_id for answer in answers] == [each.claims.requestId for each in requests]
    with pytest.raises(NotOpenError, match="closed"):
        client.send(requests[0])


def test_a_blocking_publisher_writes(cluster: Running) -> None:
    with blocking.Publisher(cluster.kafka) as publisher, ThreadPoolExecutor(8) as threads:
        reports = [Telemetry(f"till-{number}", now(), True) for number in range(40)]
        published = list(threads.map(publisher.telemetry, reports))

    assert len({(each.partition, each.offset) for each in published}) == 40


async def test_a_service_that_follows_the_rows_refuses_a_capsule_that_a_quarantine_took_back(cluster: Running) -> None:
    async with cluster.client("node-3") as client, RiskRows(cluster.kafka, most_stale_seconds=20) as rows:
        capsule = granted(await client.request(FINGERPRINT, "1.0.0", patience_seconds=60))
        service = CapsuleVerifier(cluster.trust, cluster.kafka.prefix, service="payments", row_of=rows.row_of)
        assert service.verify_unproven(capsule.envelope).nodeId == "node-3"

        async with cluster.operator as operator:
            await operator.order("node-3", Action.QUARANTINE, "a test")

        await until(lambda: (row := rows.row_of("node-3")) is not None and row.capsulesValidFrom is not None)
        with pytest.raises(VoidError):
            service.verify_unproven(capsule.envelope)
        assert rows.row_of("nobody") is None
    with pytest.raises(NotOpenError):
        rows.row_of("node-3")


async def test_through_an_outage_the_same_request_gets_the_same_capsule_and_nothing_piles_up(cluster: Running) -> None:
    """The broker ends before the request can be sent, and comes back while the client is trying."""
    impatient = Publisher(cluster.kafka, max_in_flight=2, timeout_seconds=2)
    async with (
        cluster.client("node-1") as client,
        cluster.client("node-2") as giving_up,
        impatient as publisher,
        RiskRows(cluster.kafka, most_stale_seconds=4) as rows,
    ):
        request = client.build(fingerprint=FINGERPRINT, runtime_version="1.0.0")
        before = granted(await client.send(request, patience_seconds=60))
        granted(await giving_up.request(FINGERPRINT, "1.0.0", patience_seconds=60))
        unanswered = [giving_up.build(fingerprint=FINGERPRINT, runtime_version="1.0.0") for _ in range(3)]
        # A producer that has not met the topic yet takes nothing for it while the broker is away.
        await at_last(publisher, Telemetry("outage-before", now(), True))

        await asyncio.to_thread(cluster.broker.stop)
        asking = asyncio.create_task(client.send(request, timeout_seconds=3, attempts=20, patience_seconds=60))
        reports = [Telemetry(f"outage-{number}", now(), True) for number in range(6)]
        lost = await asyncio.gather(*map(publisher.telemetry, reports), return_exceptions=True)
        assert {type(each) for each in lost} == {NotAcknowledgedError}
        for each in unanswered:
            with pytest.raises(NoReplyError, match=r"2 attempts of 0.5 s each; Kafka: "):
                await giving_up.send(each, timeout_seconds=0.5, attempts=2)
        await until(lambda: not fresh(rows))
        await asyncio.to_thread(cluster.broker.start)

        after = granted(await asking)
        assert (after.capsule_id, after.expires_at, after.runtime_key) == (
            before.capsule_id,
            before.expires_at,
            before.runtime_key,
        )
        await at_last(publisher, Telemetry("outage-after", now(), True))
        await until(lambda: fresh(rows))

    # What found a place was written when the broker was back; no more than that was ever taken.
    published = {record.key.decode() for record in await records_of(cluster.kafka, TELEMETRY)}
    assert {key for key in published if key.startswith("outage-")} == {
        "outage-before",
        "outage-0",
        "outage-1",
        "outage-after",
    }
    asked = [record.value for record in await records_of(cluster.kafka, REQUESTS)]
    # A request whose answer could not be listened for was not sent.
    assert [asked.count(each.value) for each in unanswered] == [0, 0, 0]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a view tells nobody
            await asyncio.sleep(0.1)


async def at_last(publisher: Publisher, report: Telemetry) -> None:
    """Publish it, however often it takes an impatient publisher."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(NotAcknowledgedError):
                await publisher.telemetry(report)
                return


def fresh(rows: RiskRows) -> bool:
    try:
        return rows.row_of("node-1") is not None
    except StaleRowsError:
        return False


async def records_of(kafka: KafkaSettings, topic: str) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    places = [TopicPartition(kafka.topic(topic), number) for number in range(kafka.partitions)]
    await read_to_high_watermark(kafka, places, lambda _, records: found.extend(records), timeout_seconds=30)
    return found
