"""``kordon dlq``, ``topics list|check``, ``lag`` and ``doctor`` against real brokers."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from kordon.new_keys import OPERATOR_ROLES
from kordon.operations.replaying import Plan, Selection, look, replay
from schemas.codec import decode, encode
from schemas.network import NetworkObservation
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, NETWORK, RISK, dlq_of
from schemas.trust import KeyState, TrustedKey
from tests.commands.process import Ended, environment_of, kordon, running
from tests.issuers.cluster import Cluster, now
from tests.issuers.process import IssuerProcess
from tests.unit.transport.incoming_records import incoming
from tests.workers.fixtures import StartWorker, start_worker
from transport.administration import apply_topics, delete_topics
from transport.client import admin_arguments
from transport.dead_letters import dead_letter
from transport.key_files import save_signing_key
from transport.partitioner import partition_of
from transport.replay import REPLAY_OF
from transport.settings import KafkaSettings
from transport.trust import Trust
from transport.views import read_to_high_watermark
from transport.writer import TransactionalWriter

__all__ = ["start_worker"]

SIGNATURE = ("kordon-signature", b"a..b")


async def records_of(kafka: KafkaSettings, topic: str) -> list[ConsumerRecord]:
    """Return what a reader at read_committed finds on a topic (without prefix)."""
    places = [TopicPartition(kafka.topic(topic), number) for number in range(kafka.partitions)]
    found: list[ConsumerRecord] = []
    await read_to_high_watermark(kafka, places, lambda _, records: found.extend(records), timeout_seconds=30)
    return found


async def write_letters(kafka: KafkaSettings, *letters: tuple[ConsumerRecord, str]) -> None:
    """Write dead letters as a service does: in a transaction."""
    writer = TransactionalWriter(kafka, kafka.transactional_id("streams", 0))
    await writer.open()
    try:
        records = [dead_letter(kafka, record, exception, f"it was {exception}") for record, exception in letters]
        await writer.commit(sorted(records, key=lambda record: record[:2]), {}, kafka.group_id("streams"))
    finally:
        await writer.close()


def chosen(ended: Ended) -> list[str]:
    return [each["key"] for each in ended.json["replayed"]]


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
async def test_dead_letters_are_listed_shown_and_replayed_each_once(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    commands, network = kafka.topic(COMMANDS), kafka.topic(NETWORK)
    command = incoming(commands, 1, 41, 1_000, b"amber", b'{"nodeId":"amber"}', (SIGNATURE, ("trace", b"\x01")))
    misplaced = incoming(commands, 2, 5, 2_000, b"basalt", b"{}", (SIGNATURE,))
    cut = incoming(network, 0, 9, 3_000, b"cobalt", b"x" * 2_000_000)
    unreadable = incoming(network, 0, 10, 4_000, b"dahlia", b"\x1b[2J")
    await write_letters(
        kafka, (command, "NoTrustFile"), (misplaced, "NoTrustFile"), (cut, "DecodeError"), (unreadable, "DecodeError")
    )
    environment = environment_of(kafka)

    listed = await kordon(environment, "dlq", "list", "--json")
    assert listed.status == 0, listed.err
    assert [(row["topic"], row["rule"], row["letters"], row["replayed"]) for row in listed.json["rules"]] == [
        (dlq_of(commands), "NoTrustFile", 2, 0),
        (dlq_of(network), "DecodeError", 2, 0),
    ]
    (place,) = [each for each in listed.json["newest"] if each["key"] == "dahlia"]
    shown = await kordon(environment, "dlq", "show", NETWORK, str(place["partition"]), str(place["offset"]))
    assert shown.status == 0, shown.err
    assert "hex:1b5b324a" in shown.out
    assert "\x1b" not in shown.out
    assert f"{network} [0] offset 10, timestamp 1970-01-01T00:00:04.000Z" in shown.out

    dry, whole = await asyncio.gather(
        kordon(environment, "dlq", "replay", "--rule", "NoTrustFile", "--json"),
        kordon(environment, "dlq", "replay", "--all", "--json"),
    )
    assert (dry.status, dry.json["written"], chosen(dry)) == (0, False, ["amber", "basalt"])
    assert (whole.status, len(whole.json["refused"])) == (4, 1)
    assert await records_of(kafka, COMMANDS) == []

    first = await kordon(environment, "dlq", "replay", "--rule", "NoTrustFile", "--actor", "alice", "--yes")
    assert first.status == 0, first.err
    assert "Written, in one transaction: 2 letters" in first.err
    written = {record.key: record for record in await records_of(kafka, COMMANDS)}
    assert len(written) == 2
    for original in (command, misplaced):
        record = written[original.key]
        assert record.value == original.value
        assert record.partition == partition_of(original.key, kafka.partitions)
        assert tuple(record.headers[:-1]) == original.headers
        assert record.headers[-1][0] == REPLAY_OF
        assert record.timestamp > 1_000_000_000_000

    second = await kordon(environment, "dlq", "replay", "--rule", "NoTrustFile", "--yes", "--json")
    assert (second.status, chosen(second), len(second.json["already"])) == (0, [], 2)
    assert len(await records_of(kafka, COMMANDS)) == 2
    after = await kordon(environment, "dlq", "list", "node.commands.v1", "--json")
    assert [(row["letters"], row["replayed"]) for row in after.json["rules"]] == [(2, 2)]
    (place,) = [each for each in after.json["newest"] if each["key"] == "amber"]
    told = await kordon(environment, "dlq", "show", COMMANDS, str(place["partition"]), str(place["offset"]), "--json")
    assert (told.json["replayedBy"], told.json["headers"][0]) == ("alice", ["kordon-signature", "a..b"])


async def test_replays_at_the_same_time_write_each_letter_once(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    nodes = [f"node-{number}".encode() for number in range(20)]
    topic = kafka.topic(NETWORK)
    await write_letters(
        kafka, *((incoming(topic, partition_of(node, 3), 1, key=node), "UnusableTimestamp") for node in nodes)
    )
    selection = Selection((dlq_of(topic),))

    outcomes = await asyncio.gather(*(replay(kafka, selection, name) for name in "abc"), return_exceptions=True)

    # Whoever was fenced wrote nothing; who came last saw what was written.
    assert any(isinstance(outcome, Plan) for outcome in outcomes), outcomes
    for outcome in outcomes:
        assert isinstance(outcome, Plan) or "another replay has begun" in str(outcome), outcomes
    assert sorted(record.key for record in await records_of(kafka, NETWORK)) == sorted(nodes)
    assert (await look(kafka, selection, "d")).replays == []


async def change_retention(kafka: KafkaSettings, topic: str, millis: int) -> None:
    administrator = AIOKafkaAdminClient(**admin_arguments(kafka))
    await administrator.start()
    try:
        changed = {"retention.ms": str(millis)}
        await administrator.alter_configs([ConfigResource(ConfigResourceType.TOPIC, kafka.topic(topic), changed)])
    finally:
        await administrator.close()


async def test_a_check_of_topics_finds_a_changed_retention_and_a_missing_topic_and_mends_neither(
    kafka: KafkaSettings,
) -> None:
    await apply_topics(kafka)
    environment = environment_of(kafka)
    well, listed = await asyncio.gather(
        kordon(environment, "topics", "check"), kordon(environment, "topics", "list", "--json")
    )
    assert well.status == 0, well.err
    assert {row["topic"]: row["retentionMillis"] for row in listed.json}[kafka.topic(NETWORK)] == 7 * 86_400_000
    assert {(row["partitions"], row["leaders"], row["inSync"], row["known"]) for row in listed.json} == {
        (3, 3, 1, True)
    }

    await change_retention(kafka, NETWORK, 60_000)
    await delete_topics(kafka, [COMMANDS])
    for _ in range(2):
        checked = await kordon(environment, "topics", "check", "--json")
        states = {row["topic"]: row["state"] for row in checked.json if row["state"] != "unchanged"}
        assert (checked.status, states) == (4, {kafka.topic(NETWORK): "different", kafka.topic(COMMANDS): "missing"})
        (network,) = [row for row in checked.json if row["topic"] == kafka.topic(NETWORK)]
        assert network["differences"]["retention.ms"] == {"is": "60000", "should": str(7 * 86_400_000)}
        assert "`kordon topics apply` creates" in checked.err


async def until(environment: dict[str, str], *arguments: str, found: Callable[[Any], bool]) -> Ended:
    """Run a command, which prints JSON, until it finds something."""
    deadline = time.monotonic() + 60
    while True:
        ended = await kordon(environment, *arguments, "--json")
        if ended.out and found(ended.json):
            return ended
        assert time.monotonic() < deadline, ended
        await asyncio.sleep(0.2)


def verdicts(ended: Ended) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in ended.json["checks"]}


async def revisions(kafka: KafkaSettings) -> dict[str, int]:
    """Return the revision of each node's latest row."""
    rows = [decode(RiskRow, record.value, RISK) for record in await records_of(kafka, RISK)]
    return {row.nodeId: row.revision for row in rows}


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
async def test_services_that_run_are_well_a_replay_reaches_the_worker_and_a_dead_worker_is_told_of(
    kafka: KafkaSettings, tmp_path: Path, start_worker: StartWorker
) -> None:
    cluster = Cluster(kafka, tmp_path)
    operator = TrustedKey("operator", cluster.operator.public_key_text, OPERATOR_ROLES, KeyState.ACTIVE)
    cluster.trust = Trust(cluster.ring.trust_document("test", "test-issuer", [operator]))
    save_signing_key(tmp_path / "operator.json", cluster.operator)
    environment = environment_of(kafka, **cluster.issuer_settings) | {
        "KORDON_TRUST_FILE": str(tmp_path / "trust.json"),
        "KORDON_OPERATOR_KEY_FILE": str(tmp_path / "operator.json"),
        "KORDON_LEDGER_FILE": str(tmp_path / "ledger.db"),
    }
    async with cluster:
        worker = start_worker(kafka, settings={"KORDON_WORKER_TRUST_FILE": str(tmp_path / "trust.json")})
        with IssuerProcess(cluster):
            behind = await until(environment, "lag", found=lambda told: not told["stale"])
            assert behind.status == 0
            assert {(row["service"], row["partition"]) for row in behind.json["copartitions"]} == {
                (service, partition) for service in ("worker", "issuer") for partition in range(3)
            }

            well = await kordon(environment, "doctor", "--json")
            assert (well.status, set(verdicts(well).values())) == (0, {"ok"}), well.out
            assert {"our clock", "clock of the worker", "clock of the issuer", "key ring"} <= verdicts(well).keys()

            early = Timestamp(now() + 302_000)
            observation = NetworkObservation("amber", early, ip="192.0.2.1")
            await cluster.send(NETWORK, b"amber", encode(observation))
            letters = await until(environment, "dlq", "list", found=lambda told: bool(told["newest"]))
            assert [letter["rule"] for letter in letters.json["newest"]] == ["FromTheFuture"]
            told = await kordon(environment, "doctor", "--json")
            assert (told.status, verdicts(told)["dead letters"]) == (0, "warning")
            await asyncio.sleep(max(0, early - now() - 299_000) / 1_000)
            for _ in range(2):
                again = await kordon(environment, "dlq", "replay", "--rule", "FromTheFuture", "--yes")
                assert again.status == 0, again.err
            follower = NetworkObservation("amber", Timestamp(early + 1), ip="192.0.2.1")
            await cluster.send(NETWORK, b"amber", encode(follower))
            deadline = time.monotonic() + 30
            while (await revisions(kafka)).get("amber", 0) < 2:
                assert time.monotonic() < deadline, worker.tail()
            assert await revisions(kafka) == {"amber": 2}

            kept = await kordon(environment, "ledger", "run", "--until-current")
            assert kept.status == 0, kept.err
            behind = await kordon(environment, "lag", "--service", "ledger", "--json")
            assert {(row["service"], row["stale"]) for row in behind.json["copartitions"]} == {("ledger", None)}
            assert behind.json["behind"] == 0
            told = await kordon(environment, "doctor", "--json")
            assert verdicts(told)["ledger"] == "ok"

            async with running(environment, "lag", "--watch", "--interval", "0.5", "--json") as watching:
                assert watching.stdout is not None
                looks = [json.loads(await watching.stdout.readline()) for _ in range(2)]
                watching.send_signal(signal.SIGINT)
                assert await watching.wait() == 130
            assert [look["stale"] for look in looks] == [False, False]
            assert {row["service"] for row in looks[1]["copartitions"]} == {"worker", "issuer", "ledger"}

            worker.kill()
            soon = {**environment, "KORDON_ISSUER_PROGRESS_AGE_MS": "3000"}
            stale = await until(
                soon, "lag", "--service", "worker", found=lambda told: all(row["stale"] for row in told["copartitions"])
            )
            assert stale.status == 1
            assert all("its last progress is" in row["stale"] for row in stale.json["copartitions"])
            ill = await kordon(soon, "doctor", "--json")
            assert ill.status == 1
            assert {name for name, verdict in verdicts(ill).items() if verdict == "failed"} == {"worker"}
            assert verdicts(ill)["issuer"] == "ok"
