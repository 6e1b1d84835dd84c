"""``kordon quarantine watch``: the quarantine topic, live, at read_committed."""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaProducer

from schemas.codec import encode
from schemas.quarantine import QuarantineTransition, transition_id
from schemas.risk import Cause, Evidence, NodeStatus, Signal, SignalKind
from schemas.timestamp import Timestamp
from schemas.topics import QUARANTINE
from tests.commands.process import environment_of, kordon, running
from transport.administration import apply_topics
from transport.client import producer_arguments, transactional_producer_arguments
from transport.settings import KafkaSettings

AT = Timestamp.parse("2026-11-24T01:02:03.456Z")


def transition(node_id: str) -> QuarantineTransition:
    signals = (
        Signal(SignalKind.ASN_CHANGED, 40, AT, Evidence("node.network.v1", 0, 1), from_=64500, to=64511),
        Signal(SignalKind.REGION_CHANGED, 50, AT, Evidence("node.network.v1", 0, 1), from_="eu", to="us"),
    )
    return QuarantineTransition(
        transition_id(node_id, 2),
        node_id,
        NodeStatus.ACTIVE,
        NodeStatus.QUARANTINED,
        AT,
        90,
        80,
        signals,
        Cause.POLICY,
        1,
        2,
    )


async def write(kafka: KafkaSettings, *values: bytes) -> None:
    async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:
        for value in values:
            await producer.send_and_wait(kafka.topic(QUARANTINE), value, key=b"node")


async def test_what_happened_before_is_shown_only_when_asked_for(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    environment = environment_of(kafka)
    await write(kafka, encode(transition("before")))

    async with running(environment, "quarantine", "watch", "--count", "1") as live:
        assert live.stdout is not None
        assert live.stderr is not None
        assert b"Following" in await live.stderr.readline()
        # The announcement comes before the start position is known, so the record is written until it is seen.
        seen = asyncio.ensure_future(live.stdout.readline())
        while not seen.done():
            await write(kafka, encode(transition("after")))
            await asyncio.wait({seen}, timeout=0.5)
        assert await asyncio.wait_for(live.wait(), 30) == 0
    both = await kordon(environment, "quarantine", "watch", "--from-beginning", "--count", "2", "--json")

    assert b" after " in seen.result()
    assert [msgspec.json.decode(line)["nodeId"] for line in both.out.splitlines()] == ["before", "after"]


async def test_a_line_for_people_and_the_value_as_it_is_for_programs(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    await write(kafka, encode(transition("node-1")))
    watch = ("quarantine", "watch", "--from-beginning", "--count", "1")

    people = await kordon(environment_of(kafka), *watch)
    programs = await kordon(environment_of(kafka), *watch, "--json")

    assert people.out == (
        "2026-11-24T01:02:03.456Z  node-1  active → quarantined"
        "  score 90 (asnChanged 40, regionChanged 50)  by policy\n"
    )
    assert programs.out.encode() == encode(transition("node-1")) + b"\n"


async def test_what_was_aborted_never_happened(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    aborting = AIOKafkaProducer(**transactional_producer_arguments(kafka, kafka.transactional_id("test", 0)))
    async with aborting:
        await aborting.begin_transaction()
        await aborting.send_and_wait(kafka.topic(QUARANTINE), encode(transition("aborted")), key=b"node")
        await aborting.abort_transaction()
    await write(kafka, encode(transition("committed")))

    ended = await kordon(environment_of(kafka), "quarantine", "watch", "--from-beginning", "--count", "1", "--json")

    assert msgspec.json.decode(ended.out)["nodeId"] == "committed"


async def test_a_record_that_is_no_transition_is_passed_over_and_named(kafka: KafkaSettings) -> None:
    await apply_topics(kafka)
    await write(kafka, b"not a transition", encode(transition("node-1")))

    ended = await kordon(environment_of(kafka), "quarantine", "watch", "--from-beginning", "--count", "1")

    assert ended.status == 0
    assert "node-1" in ended.out
    assert "Passed over" in ended.err
    assert "offset 0" in ended.err


async def test_watching_a_cluster_without_topics_says_how_to_make_them(kafka: KafkaSettings) -> None:
    ended = await kordon(environment_of(kafka), "quarantine", "watch")

    assert ended.status == 69
    assert "kordon topics apply" in ended.err
