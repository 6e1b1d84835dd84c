"""``kordon node`` and ``kordon quarantine add|release``: signed records on real brokers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition

from kordon.new_keys import make_keys
from schemas.codec import decode, encode
from schemas.commands import Action, Command
from schemas.registry import NodeRegistryStatus, RegistryRecord
from schemas.topics import COMMANDS, REGISTRY
from tests.commands.process import Ended, environment_of, kordon
from transport.administration import apply_topics
from transport.client import producer_arguments
from transport.key_files import generate_signing_key, save_signing_key
from transport.partitioner import partition_of
from transport.settings import KafkaSettings
from transport.signed_records import Refusal, authorise, sign, verify
from transport.trust import Trust
from transport.views import read_to_high_watermark

PUBLIC_KEY = generate_signing_key("1").public_key_text


class Cluster:
    """A cluster with topics and keys, and its operator's command line."""

    def __init__(self, kafka: KafkaSettings, directory: Path) -> None:
        self.kafka = kafka
        self.keys = make_keys(directory / "keys", cluster_id="test", issuer="test", label="1", iterations=1000)
        (operator_file,) = self.keys.operators
        self.environment = environment_of(
            kafka, KORDON_TRUST_FILE=str(self.keys.trust_file), KORDON_OPERATOR_KEY_FILE=str(operator_file)
        )

    async def kordon(self, *arguments: str) -> Ended:
        return await kordon(self.environment, *arguments)

    async def records(self, topic: str, node_id: str) -> list[ConsumerRecord]:
        """Return the node's records, each of which must lie where it belongs and be signed by one who may."""
        place = TopicPartition(self.kafka.topic(topic), partition_of(node_id.encode(), self.kafka.partitions))
        found: list[ConsumerRecord] = []
        await read_to_high_watermark(self.kafka, [place], lambda _, records: found.extend(records), timeout_seconds=30)
        trust = Trust.load(self.keys.trust_file)
        for record in found:
            signer = verify(
                record.headers,
                topic=topic,
                key=record.key,
                value=record.value,
                trust=trust,
                at=record.timestamp,
            )
            assert not isinstance(signer, Refusal), signer
            message: Any = decode(RegistryRecord if topic == REGISTRY else Command, record.value, topic)
            assert authorise(signer, message) is None
        return [record for record in found if record.key == node_id.encode()]

    async def registry(self, node_id: str) -> list[RegistryRecord]:
        return [decode(RegistryRecord, record.value, REGISTRY) for record in await self.records(REGISTRY, node_id)]


@pytest.fixture
async def cluster(kafka: KafkaSettings, tmp_path: Path) -> Cluster:
    await apply_topics(kafka)
    return Cluster(kafka, tmp_path)


async def test_a_nodes_life_is_one_signed_record_a_change_with_the_next_revision(cluster: Cluster) -> None:
    for arguments in (
        ("enroll", "node-1", "--public-key", PUBLIC_KEY, "--fingerprint", "AB" * 16, "--ring", "canary"),
        ("disable", "node-1"),
        ("enable", "node-1"),
        ("revoke", "node-1"),
        ("enroll", "node-1", "--public-key", PUBLIC_KEY, "--kid", "2"),
        ("remove", "node-1"),
    ):
        ended = await cluster.kordon("node", *arguments)
        assert ended.status == 0, ended.err

    records = await cluster.registry("node-1")
    assert [(r.revision, r.status.value, r.enabled) for r in records] == [
        (1, "active", True),
        (2, "active", False),
        (3, "active", True),
        (4, "revoked", True),
        (5, "active", True),
        (6, "removed", True),
    ]
    assert {(r.fingerprint, r.ring) for r in records} == {("ab" * 16, "canary")}
    assert [r.credentials[0].kid for r in records] == ["1", "1", "1", "1", "2", "2"]
    assert all(r.updatedBy for r in records)
    assert all(r.updatedAt for r in records)


async def test_a_token_is_enrolled_without_ever_being_on_a_topic(cluster: Cluster, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("a very secret token\n")
    token_file.chmod(0o600)

    ended = await cluster.kordon("node", "enroll", "till-7", "--token-file", str(token_file), "--json")

    assert ended.status == 0, ended.err
    (record,) = await cluster.records(REGISTRY, "till-7")
    assert b"secret" not in record.value
    assert "secret" not in ended.out + ended.err
    assert ended.json["value"]["credentials"][0]["type"] == "hmac"
    assert (ended.json["partition"], ended.json["offset"]) == (record.partition, record.offset)


async def test_a_record_that_nobody_trusted_signed_does_not_count_for_the_next_revision(cluster: Cluster) -> None:
    await cluster.kordon("node", "enroll", "node-1", "--public-key", PUBLIC_KEY)
    (genuine,) = await cluster.registry("node-1")
    forged = encode(msgspec.structs.replace(genuine, revision=900))
    mallory = generate_signing_key("operator")
    header = sign(
        forged, topic=REGISTRY, key=b"node-1", kid="operator", private_key=mallory.private_key, issued_at=1_790_000_000
    )
    async with AIOKafkaProducer(**producer_arguments(cluster.kafka)) as producer:
        for headers in ([], [header]):
            await producer.send_and_wait(cluster.kafka.topic(REGISTRY), forged, key=b"node-1", headers=headers)

    ended = await cluster.kordon("node", "disable", "node-1", "--json")

    assert ended.status == 0, ended.err
    assert ended.json["value"]["revision"] == 2


@pytest.mark.parametrize("change", ["revoke", "disable", "enable", "remove"])
async def test_a_node_that_is_not_enrolled_cannot_be_changed(cluster: Cluster, change: str) -> None:
    ended = await cluster.kordon("node", change, "nobody")

    assert ended.status == 4
    assert "nobody is not enrolled" in ended.err
    assert await cluster.records(REGISTRY, "nobody") == []


async def test_a_public_key_of_small_order_is_refused(cluster: Cluster) -> None:
    ended = await cluster.kordon("node", "enroll", "node-1", "--public-key", "A" * 43)

    assert ended.status == 4
    assert "small order" in ended.err
    assert await cluster.records(REGISTRY, "node-1") == []


async def test_a_node_id_that_no_record_may_have_is_refused(cluster: Cluster) -> None:
    ended = await cluster.kordon("quarantine", "add", "no node", "--reason", "x")

    assert ended.status == 4
    assert "nodeId" in ended.err


async def test_holding_and_releasing_are_signed_commands(cluster: Cluster) -> None:
    added = await cluster.kordon("quarantine", "add", "node-1", "--reason", "ticket 1", "--actor", "alice", "--json")
    released = await cluster.kordon("quarantine", "release", "node-1", "--reason", "ticket 2", "--actor", "bob")

    assert (added.status, released.status) == (0, 0), added.err + released.err
    commands = [decode(Command, record.value, COMMANDS) for record in await cluster.records(COMMANDS, "node-1")]
    assert [(c.action, c.reason, c.actor) for c in commands] == [
        (Action.QUARANTINE, "ticket 1", "alice"),
        (Action.RELEASE, "ticket 2", "bob"),
    ]
    assert commands[0].commandId == added.json["value"]["commandId"]
    assert commands[0].commandId != commands[1].commandId


async def test_a_key_that_trust_json_does_not_know_signs_nothing(cluster: Cluster, tmp_path: Path) -> None:
    for kid in ("mallory", "operator"):
        file = tmp_path / f"{kid}.json"
        save_signing_key(file, generate_signing_key(kid))
        ended = await cluster.kordon("quarantine", "add", "node-1", "--reason", "x", "--operator-key", str(file))
        assert ended.status == 78
        assert f"no active operator's key '{kid}'" in ended.err
    assert await cluster.records(COMMANDS, "node-1") == []


async def test_a_key_file_that_others_may_read_is_refused(cluster: Cluster) -> None:
    (operator_file,) = cluster.keys.operators
    operator_file.chmod(0o644)

    ended = await cluster.kordon("quarantine", "add", "node-1", "--reason", "x")

    assert ended.status == 78
    assert "chmod 600" in ended.err


async def test_removal_is_a_record_like_any_other(cluster: Cluster) -> None:
    await cluster.kordon("node", "enroll", "node-1", "--public-key", PUBLIC_KEY)
    await cluster.kordon("node", "remove", "node-1")

    *_, last = await cluster.registry("node-1")
    assert last.status is NodeRegistryStatus.REMOVED
