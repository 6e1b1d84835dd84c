"""The ledger against real brokers: nothing lost or doubled whatever is killed, and a rebuild gives the same."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from kordon.ledger.writer import FOLLOWED
from schemas.topics import BINDINGS, COMMANDS, DECISIONS, QUARANTINE, REGISTRY, RISK, TELEMETRY, TOPICS, dlq_of
from tests.commands.process import Ended, environment_of, kordon
from tests.ledgers.fleet import Fleet
from tests.ledgers.made import dump, operators
from tests.ledgers.topics import Load, produce
from transport.administration import apply_topics, delete_topics
from transport.client import admin_arguments
from transport.settings import KafkaSettings
from transport.views import read_to_high_watermark

ROOT = Path(__file__).parents[2]
SEED = 5
KILLS = 8


class Ledgers:
    """A broker with topics, a fleet whose operators are trusted, and ledgers in a folder."""

    def __init__(self, kafka: KafkaSettings, folder: Path) -> None:
        self.kafka = kafka
        self.folder = folder
        operator, revoker, _ = operators(folder)
        # A day that is long gone would fall to the broker's retention, and its hours would roll segments.
        begins = time.time_ns() // 1_000_000 - 3_600_000
        self.fleet = Fleet(operator, revoker, kafka.partitions, begins=begins, minute_millis=10)
        self.environment = environment_of(kafka, KORDON_TRUST_FILE=str(folder / "trust.json"))

    def file(self, name: str = "ledger") -> Path:
        return self.folder / f"{name}.db"

    async def __call__(self, command: str, *arguments: str, name: str = "ledger") -> Ended:
        return await kordon(self.environment, "ledger", command, "--file", str(self.file(name)), *arguments)

    async def done(self, command: str, *arguments: str, name: str = "ledger") -> Ended:
        ended = await self(command, *arguments, name=name)
        assert ended.status == 0, ended.err
        return ended

    async def killed_after(self, seconds: float, module: str = "kordon") -> int:
        """Run the ledger and kill it; returns minus 9 if it was still there."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            "ledger",
            "run",
            "--file",
            str(self.file()),
            env={"PYTHONPATH": str(ROOT), **self.environment},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        # The clock starts when it follows, so that kills fall into the work and not into the imports.
        while b"ledger.following" not in (line := await process.stderr.readline()):
            assert line, f"the ledger ended with {await process.wait()}"
        await asyncio.sleep(seconds)
        if process.returncode is None:
            process.kill()
        await process.communicate()
        return await process.wait()


@pytest.fixture
async def ledgers(kafka: KafkaSettings, tmp_path: Path) -> Ledgers:
    await apply_topics(kafka, [TOPICS[name] for name in FOLLOWED])
    return Ledgers(kafka, tmp_path)


async def records(kafka: KafkaSettings, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    found: list[ConsumerRecord[bytes, bytes]] = []
    places = [TopicPartition(kafka.topic(topic), number) for number in range(kafka.partitions)]
    await read_to_high_watermark(kafka, places, lambda _, batch: found.extend(batch), timeout_seconds=60)
    return found


def places(rows: list[dict[str, Any]]) -> Counter[tuple[int, int]]:
    return Counter((row["partition"], row["offset"]) for row in rows)


# On noida-db a reader at read_committed passes over transactions that are open when it fetches, and never sees them.
@pytest.mark.apache_kafka_only
async def test_whatever_is_killed_nothing_is_lost_or_doubled_and_a_rebuild_is_the_same(ledgers: Ledgers) -> None:
    chance = random.Random(SEED)
    async with Load(ledgers.kafka, ledgers.fleet, SEED) as load:
        for _ in range(KILLS):
            assert await ledgers.killed_after(chance.uniform(0.0, 0.6)) == -9
    assert load.committed
    assert load.aborted
    await ledgers.done("run", "--until-current")
    ledger = dump(ledgers.file())

    for topic, table in (
        (DECISIONS, "decisions"),
        (QUARANTINE, "transitions"),
        (COMMANDS, "commands"),
        (REGISTRY, "registry"),
        (dlq_of(TELEMETRY), "dead_letters"),
    ):
        on_topic = Counter((each.partition, each.offset) for each in await records(ledgers.kafka, topic))
        assert on_topic
        assert places(ledger[table]) == on_topic, f"{table} are not what {topic} holds (seed {SEED})"
    last = {record.key.decode(): (record.partition, record.offset) for record in await records(ledgers.kafka, RISK)}
    assert {row["node_id"]: (row["partition"], row["offset"]) for row in ledger["risk"]} == last
    assert ledger["unreadable"] == []

    await ledgers.done("rebuild", name="anew")
    assert dump(ledgers.file("anew")) == ledger


# On noida-db a reader at read_committed passes over transactions that are open when it fetches, and never sees them.
@pytest.mark.apache_kafka_only
async def test_a_ledger_that_writes_its_positions_first_is_found_out(ledgers: Ledgers) -> None:
    chance = random.Random(SEED)
    async with Load(ledgers.kafka, ledgers.fleet, SEED):
        for _ in range(3):
            await ledgers.killed_after(chance.uniform(0.2, 0.6), "tests.ledgers.positions_first")
    await ledgers.done("run", "--until-current")
    await ledgers.done("rebuild", name="anew")
    assert dump(ledgers.file()) != dump(ledgers.file("anew"))


async def test_a_day_is_followed_asked_and_rebuilt(ledgers: Ledgers) -> None:
    await produce(ledgers.kafka, ledgers.fleet.day())
    await ledgers.done("run", "--until-current")
    before = dump(ledgers.file())
    assert len(before["nodes"]) == 4
    assert {row["signature"] for row in before["nodes"]} == {"verified"}

    told = await ledgers.done("status", "--json")
    assert told.json["rows"]["registry"] == 7
    assert told.json["writer"] is None
    assert {topic["topic"] for topic in told.json["topics"]} == set(FOLLOWED)
    assert {topic["behind"] for topic in told.json["topics"]} == {0}

    await ledgers.done("rebuild")
    assert dump(ledgers.file()) == before
    assert {each.name for each in ledgers.folder.glob("ledger*")} == {"ledger.db", "ledger.db.lock"}


@pytest.mark.apache_kafka_only  # it starts processes, and nothing hangs on the broker
async def test_a_second_writer_is_told_who_writes_and_sigterm_ends_the_first_well(ledgers: Ledgers) -> None:
    command = [sys.executable, "-m", "kordon", "ledger", "run", "--file", str(ledgers.file())]
    first = await asyncio.create_subprocess_exec(
        *command, env={"PYTHONPATH": str(ROOT), **ledgers.environment}, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert first.stderr is not None
        while b"ledger.following" not in await first.stderr.readline():
            pass
        for arguments in (("run",), ("rebuild",), ("prune",)):
            second = await ledgers(*arguments)
            assert second.status == 4
            assert f"process {first.pid} writes" in second.err
        assert (await ledgers.done("status", "--json", "--offline")).json["writer"] == first.pid
        first.terminate()
        assert await asyncio.wait_for(first.wait(), 30) == 0
    finally:
        if first.returncode is None:
            first.kill()
        await first.communicate()


@pytest.mark.apache_kafka_only  # noida-db deletes no records on request
async def test_records_that_were_deleted_unread_are_an_error_that_names_them(ledgers: Ledgers) -> None:
    await produce(ledgers.kafka, [ledgers.fleet.decision("amber", minute) for minute in range(3)])
    await ledgers.done("run", "--until-current")
    await produce(ledgers.kafka, [ledgers.fleet.decision("amber", minute) for minute in range(3, 9)])
    place = TopicPartition(ledgers.kafka.topic(DECISIONS), ledgers.fleet.decision("amber", 0).partition)
    await delete_before(ledgers.kafka, place, 7)

    ended = await ledgers("run", "--until-current")
    assert ended.status == 4
    assert f"{place.topic} [{place.partition}] begins at offset 7, the ledger stands at 3" in ended.err
    assert "offsets 3 to 6 (4)" in ended.err
    assert "ledger rebuild" in ended.err

    # What the topics no longer hold, only this file has: a rebuild asks first, and then puts it aside.
    refused = await ledgers("rebuild")
    assert refused.status == 4
    assert "3 of decisions" in refused.err
    accepted = await ledgers.done("rebuild", "--accept-loss", "--json")
    assert accepted.json["lost"] == {"decisions": 3}
    assert [row["offset"] for row in dump(ledgers.file())["decisions"]] == [7, 8]
    assert len(dump(Path(accepted.json["former"]))["decisions"]) == 3
    await ledgers.done("run", "--until-current")


@pytest.mark.apache_kafka_only  # noida-db tells no topic ids
async def test_a_topic_created_anew_is_an_error_and_not_a_continuation(ledgers: Ledgers) -> None:
    await produce(ledgers.kafka, [ledgers.fleet.decision("amber", minute) for minute in range(3)])
    await ledgers.done("run", "--until-current")
    await delete_topics(ledgers.kafka, [DECISIONS])
    while ledgers.kafka.topic(DECISIONS) in await topics_of(ledgers.kafka):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.05)
    await apply_topics(ledgers.kafka, [TOPICS[DECISIONS]])
    await produce(ledgers.kafka, [ledgers.fleet.decision("amber", minute) for minute in range(9)])

    ended = await ledgers("run", "--until-current")
    assert ended.status == 4
    assert f"{ledgers.kafka.topic(DECISIONS)} was created anew" in ended.err


@pytest.mark.apache_kafka_only  # it starts processes, and nothing hangs on the broker
async def test_another_prefix_or_no_trust_is_another_ledger(ledgers: Ledgers) -> None:
    await ledgers.done("run", "--until-current")
    ledgers.environment["KORDON_TRUST_FILE"] = str(ledgers.folder / "none.json")
    ended = await ledgers("run", "--until-current")
    assert ended.status == 4
    assert "trust was 'verified' and is 'unverified'" in ended.err
    ledgers.environment["KORDON_KAFKA_PREFIX"] = "nobody."
    missing = await ledgers("run", "--until-current")
    assert missing.status == 4
    assert f"there is no topic nobody.{BINDINGS}" not in missing.out
    assert f"nobody.{BINDINGS}" in missing.err


async def delete_before(kafka: KafkaSettings, place: TopicPartition, offset: int) -> None:
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def topics_of(kafka: KafkaSettings) -> list[str]:
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    try:
        return list(await admin.list_topics())
    finally:
        await admin.close()
