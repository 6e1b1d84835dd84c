"""The commands that watch and explain nodes, beside ``kordon worker`` and ``kordon issuer`` on real brokers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas.codec import decode
from schemas.risk import NodeStatus, RiskRow
from schemas.topics import COMMANDS, NETWORK, RISK, TELEMETRY
from tests.commands.in_process import kordon_here
from tests.commands.process import Ended, environment_of, kordon, running
from tests.workers.following import folded_all, seen
from tests.workers.load import now, observation, report
from transport.client import admin_arguments, producer_arguments
from transport.partitioner import partition_of
from transport.settings import KafkaSettings

FINGERPRINT = "9f86d081884c7d659a2feaa0c55ad015"
HOME = {"ip": "198.51.100.10", "asn": 64500, "region": "eu-west-1"}
AWAY = {"ip": "198.51.100.10", "asn": 64511, "region": "us-east-1"}


class Fleet:
    """A cluster's files, its services and who writes to its topics."""

    def __init__(self, kafka: KafkaSettings, directory: Path) -> None:
        self.kafka = kafka
        self.directory = directory
        files = directory / ".kordon"
        self.environment = environment_of(
            kafka,
            KORDON_TRUST_FILE=str(files / "trust.json"),
            KORDON_OPERATOR_KEY_FILE=str(files / "operator.json"),
        )

    async def run(self, *arguments: str, given: bytes = b"") -> Ended:
        """Run a command that must succeed."""
        ended = await self.ask(*arguments, given=given)
        assert ended.status == 0, ended.err
        return ended

    async def ask(self, *arguments: str, given: bytes = b"") -> Ended:
        """Run a command, however it ends."""
        return await kordon_here(self.environment, *arguments, given=given)

    async def json(self, *arguments: str) -> Any:
        return (await self.run(*arguments, "--json")).json

    async def enrol(self, *node_ids: str) -> None:
        for node_id in node_ids:
            key = str(self.directory / f"{node_id}.json")
            public_key = (await self.run("keys", "node", "--output", key)).out.strip()
            await self.run("node", "enroll", node_id, "--public-key", public_key, "--ring", "canary")

    async def request(self, node_id: str) -> Ended:
        """Request a capsule as this node, patiently."""
        key = str(self.directory / f"{node_id}.json")
        patiently = ("--attempts", "6", "--patience", "60")
        return await self.ask(
            "capsule", "request", node_id, "--key", key, "--fingerprint", FINGERPRINT, "--json", *patiently
        )

    @asynccontextmanager
    async def services(self) -> AsyncIterator[None]:
        async with (
            running(self.environment, "worker", directory=self.directory),
            running(self.environment, "issuer", directory=self.directory),
        ):
            yield

    def place(self, topic: str, node_id: str) -> TopicPartition:
        return TopicPartition(self.kafka.topic(topic), partition_of(node_id.encode(), self.kafka.partitions))

    async def write(self, topic: str, values: Sequence[tuple[str, bytes]], *, misplaced: bool = False) -> None:
        async with AIOKafkaProducer(**producer_arguments(self.kafka)) as producer:
            for node_id, value in values:
                name, right = self.place(topic, node_id)
                partition = (right + misplaced) % self.kafka.partitions
                await producer.send_and_wait(name, value, key=node_id.encode(), partition=partition)

    async def status(self, node_id: str, status: NodeStatus, revision: int = 0) -> None:
        """Wait until the node's row says so."""

        def is_so(records: Sequence[Any]) -> bool:
            rows = [decode(RiskRow, one.value, RISK) for one in records if one.key == node_id.encode()]
            return bool(rows) and rows[-1].status is status and rows[-1].revision >= revision

        await seen(self.kafka, RISK, self.kafka.partitions, is_so)

    async def delete_before(self, place: TopicPartition, offset: int) -> None:
        admin = AIOKafkaAdminClient(**admin_arguments(self.kafka))
        await admin.start()
        try:
            await admin.delete_records({place: RecordsToDelete(before_offset=offset)})
        finally:
            await admin.close()


@pytest.fixture
async def fleet(kafka: KafkaSettings, tmp_path: Path) -> Fleet:
    fleet = Fleet(kafka, tmp_path)
    # The one command here that writes where it stands.
    made = await kordon(fleet.environment, "keys", "init", "--cluster-id", "test", directory=tmp_path)
    assert made.status == 0, made.err
    await fleet.run("topics", "apply")
    return fleet


class Answers(NamedTuple):
    """amber's capsule, ember's from before it was held, cobalt's denial."""

    granted: Ended
    taken_back: Ended
    denied: Ended


async def play(fleet: Fleet) -> Answers:
    """Play a fleet's day, to its last record folded.

    amber moves its address and is seen through a partition that is not its own; cobalt moves and is held; dahlia, which
    nobody enrolled, stops abruptly and is released; ember is held by an operator; fern is enrolled and never seen.
    """
    await fleet.enrol("amber", "cobalt", "ember", "fern")
    at = now()
    moved = HOME | {"ip": "198.51.100.77"}
    async with fleet.services():
        await fleet.write(
            NETWORK,
            [(node, observation(node, at, **HOME)) for node in ("amber", "cobalt", "ember")]  # type: ignore[arg-type]
            + [("cobalt", observation("cobalt", at + 1, **AWAY))],  # type: ignore[arg-type]
        )
        await fleet.write(TELEMETRY, [("dahlia", report("dahlia", at, clean=False, bootId="boot-1"))])
        await fleet.write(TELEMETRY, [("amber", report("amber", at, clean=True, bootId="boot-1"))])
        await fleet.status("cobalt", NodeStatus.QUARANTINED)
        await fleet.status("dahlia", NodeStatus.QUARANTINED)
        await fleet.status("ember", NodeStatus.ACTIVE)
        answers = Answers(*[await fleet.request(node_id) for node_id in ("amber", "ember", "cobalt")])
        await fleet.write(NETWORK, [("amber", observation("amber", at + 2, **moved))], misplaced=True)  # type: ignore[arg-type]
        await fleet.write(COMMANDS, [("cobalt", b'{"commandId":"forged","nodeId":"cobalt"}')])
        await fleet.run("quarantine", "add", "ember", "--reason", "ticket 1", "--actor", "alice")
        await fleet.run("quarantine", "release", "dahlia", "--reason", "ticket 2", "--actor", "bob")
        await fleet.status("ember", NodeStatus.QUARANTINED)
        await fleet.status("dahlia", NodeStatus.ACTIVE)
        await folded_all(fleet.kafka, fleet.kafka.partitions)
    return answers


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
async def test_a_fleet_is_watched_and_explained_from_its_topics_alone(fleet: Fleet) -> None:
    answers = await play(fleet)

    await the_fleet_is_listed(fleet)
    await one_node_is_shown(fleet, answers.granted)
    await decisions_are_listed(fleet, answers.granted)
    await envelopes_are_verified(fleet, answers)
    evidence = await points_are_explained_by_the_records_behind_them(fleet)
    await the_log_comes_to_the_row_that_is_stored(fleet)
    await a_row_that_the_worker_did_not_write_is_found_out(fleet)
    await what_is_no_longer_kept_is_said_to_be_gone(fleet, evidence)


async def the_fleet_is_listed(fleet: Fleet) -> None:
    nodes = await fleet.json("node", "list")
    assert [(each["nodeId"], each["registry"], each["status"], each["score"]) for each in nodes] == [
        ("cobalt", "active", "quarantined", 90),
        ("amber", "active", "active", 20),
        ("dahlia", None, "active", 0),
        ("ember", "active", "quarantined", 0),
        ("fern", "active", None, None),
    ]
    assert [each["nodeId"] for each in nodes if each["bound"]] == ["amber", "ember"]
    some = await fleet.run("node", "list", "--status", "quarantined", "--limit", "1")
    assert some.out.splitlines()[1].split()[:5] == ["cobalt", "active", "quarantined", "90", "asnChanged,"]
    assert "1 of 2 nodes" in some.err
    assert await fleet.json("node", "list", "--registry-status", "revoked") == []

    held = await fleet.json("quarantine", "list")
    assert [(each["nodeId"], each["cause"], each["actor"], each["reason"]) for each in held] == [
        ("ember", "operator", "alice", "ticket 1"),
        ("cobalt", "policy", None, None),
    ]
    assert [each["nodeId"] for each in await fleet.json("quarantine", "list", "--cause", "policy")] == ["cobalt"]


async def one_node_is_shown(fleet: Fleet, granted: Ended) -> None:
    view = await fleet.json("node", "show", "amber")
    assert view["registry"]["signature"] == "verified"
    assert view["registry"]["ring"] == "canary"
    assert view["binding"] == view["binding"] | {"fingerprint": FINGERPRINT, "counts": True}
    assert view["lastCapsule"]["capsuleId"] == granted.json["capsuleId"]
    assert "bound fingerprint" in (await fleet.run("node", "show", "amber")).out
    unknown = await fleet.ask("node", "show", "nobody")
    assert unknown.status == 1
    assert "kordon node list" in unknown.err


async def decisions_are_listed(fleet: Fleet, granted: Ended) -> None:
    decisions = await fleet.json("capsule", "list")
    assert decisions[0]["nodeId"] == "cobalt"
    assert decisions[0]["reason"] == "NETWORK_POLICY_VIOLATION"
    (capsule,) = await fleet.json("capsule", "list", "amber", "--granted")
    assert capsule["capsuleId"] == granted.json["capsuleId"]
    assert await fleet.json("capsule", "list", "--reason", "NODE_REVOKED") == []


async def envelopes_are_verified(fleet: Fleet, answers: Answers) -> None:
    envelope: str = answers.granted.json["envelope"]
    as_file = fleet.directory / "capsule.jws"
    as_file.write_text(envelope + "\n")
    verified = await fleet.json("capsule", "verify", str(as_file), "--check-row", "--node", "amber")
    assert verified["claims"]["capsuleId"] == answers.granted.json["capsuleId"]
    a_denial = await fleet.ask("capsule", "verify", "-", "--json", given=answers.denied.out.encode())
    assert (a_denial.status, a_denial.json["kind"]) == (3, "denial")
    for arguments, given, fault in (
        ((), envelope[:-8].encode() + b"AAAAAAAA", "BAD_SIGNATURE"),
        ((), b"no envelope", "MALFORMED"),
        (("--check-row",), answers.taken_back.out.encode(), "VOID"),
        (("--node", "cobalt"), envelope.encode(), "OTHER_NODE"),
    ):
        refused = await fleet.ask("capsule", "verify", "-", "--json", *arguments, given=given)
        assert (refused.status, refused.json["fault"]) == (1, fault)


async def points_are_explained_by_the_records_behind_them(fleet: Fleet) -> dict[str, Any]:
    explanation = await fleet.json("node", "explain", "cobalt")
    assert explanation["score"] == sum(signal["points"] for signal in explanation["signals"]) == 90
    evidence: dict[str, Any] = explanation["signals"][0]["evidence"]
    assert (evidence["state"], evidence["key"]) == ("kept", "cobalt")
    assert '"region": "us-east-1"' in evidence["value"]
    told = (await fleet.run("node", "explain", "cobalt")).out
    points = [int(line.split()[1]) for line in told.splitlines() if line.startswith(("asnChanged", "regionChanged"))]
    (score,) = (int(line.split()[1]) for line in told.splitlines() if line.startswith("score "))
    assert sum(points) == score == 90
    assert "kordon quarantine release cobalt" in told
    # Its signal was raised by a record that came in another partition, and there it is found.
    (moved,) = (await fleet.json("node", "explain", "amber"))["signals"]
    assert moved["evidence"]["state"] == "kept"
    assert moved["evidence"]["partition"] != fleet.place(NETWORK, "amber").partition
    assert "198.51.100.77" in moved["evidence"]["value"]
    return evidence


async def the_log_comes_to_the_row_that_is_stored(fleet: Fleet) -> None:
    logs = {}
    for node_id in ("amber", "cobalt", "dahlia", "ember"):
        log = logs[node_id] = (await fleet.json("node", "explain", node_id, "--from-log"))["fromLog"]
        assert (log["verdict"], log["whole"]) == ("equal", True), log
        assert log["revision"]["rebuilt"] == log["revision"]["stored"] > 0
        assert all(step["to"]["score"] - step["from"]["score"] == step["points"] for step in log["steps"])
    (release,) = [step for step in logs["dahlia"]["steps"] if step["actor"]]
    assert (release["from"]["score"], release["to"]["score"], release["reason"]) == (80, 0, "ticket 2")
    assert logs["cobalt"]["refusedCommands"] == 1


async def a_row_that_the_worker_did_not_write_is_found_out(fleet: Fleet) -> None:
    forged = (await fleet.json("node", "show", "ember"))["risk"] | {"status": "active"}
    del forged["quarantine"]
    await fleet.write(RISK, [("ember", msgspec.json.encode(forged))])

    found = await fleet.ask("node", "explain", "ember", "--from-log")

    assert found.status == 1
    assert "the worker did not write it" in found.out


async def what_is_no_longer_kept_is_said_to_be_gone(fleet: Fleet, evidence: dict[str, Any]) -> None:
    await fleet.delete_before(fleet.place(NETWORK, "cobalt"), evidence["offset"] + 1)

    explanation = await fleet.json("node", "explain", "cobalt", "--from-log")

    assert {signal["evidence"]["state"] for signal in explanation["signals"]} == {"deleted"}
    assert explanation["signals"][0]["evidence"]["firstKept"] == evidence["offset"] + 1
    log = explanation["fromLog"]
    assert (log["verdict"], log["whole"]) == ("incomplete", False)
    told = (await fleet.run("node", "explain", "cobalt", "--from-log")).out
    assert "is no longer kept" in told
    assert "The beginning of the log is gone" in told
