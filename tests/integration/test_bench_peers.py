"""The Kafka Streams peer of ``make bench`` does the same work: its rules and its application answer as Kordon's."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.answers import PlainFold, differences, read_answer
from bench.commits import Commits, follow
from bench.engines import ENGINES
from bench.peers import kafka_streams
from bench.preparation import write
from bench.processes import started
from bench.topics import create_inputs
from bench.workloads import BenchRecord, mixed
from kordon.kcat_lines import lines_of
from kordon.policy_fold import LineFold
from kordon.simulator import simulate
from policy.admission import Rejection
from policy.fleet import Fleet
from policy.policy_file import default_policy
from policy.risk import Folded
from schemas.codec import encode
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, NETWORK, QUARANTINE, TELEMETRY, dlq_of
from tests.brokers.broker import BrokerUnavailable
from tests.workers.following import seen
from transport.administration import apply_topics
from transport.dead_letters import cause_of
from transport.settings import KafkaSettings

ROOT = Path(__file__).parents[2]
CASES = sorted((ROOT / "tests" / "cases" / "risk").glob("*.json"))
START = Timestamp.parse("2026-01-01T00:00:00Z")
PARTITIONS = 3
SOURCES = (COMMANDS, NETWORK, TELEMETRY)
RECORDS, NODES = 12_000, 60
"""Twelve of them are bad, six hundred misplaced, twelve commands."""


def command_of(make: Callable[[], list[str]]) -> list[str]:
    """The peer's command; skips where this machine lacks what builds it, and fails in CI."""
    try:
        return make()
    except BrokerUnavailable as missing:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(f"the Kafka Streams peer is required in CI: {missing}", pytrace=False)
        pytest.skip(f"the Kafka Streams peer cannot be built: {missing}")


def folded_by_peer(lines: Sequence[bytes], *arguments: str) -> Any:
    """What the peer's rules print for lines."""
    command = [*command_of(kafka_streams.fold_lines_command), *arguments]
    done = subprocess.run(command, input=b"\n".join(lines) + b"\n", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def summary_of(lines: Sequence[bytes]) -> dict[str, Any]:
    """What ``kordon policy fold`` prints for lines."""
    fold = LineFold(default_policy())
    fold.fold(lines)
    summary: dict[str, Any] = json.loads(encode(fold.summary()))
    return summary


@dataclass
class Expected:
    """What the plain fold comes to: rows and transitions in their wire form, and the rules that bad records broke."""

    rows: dict[str, Any] = field(default_factory=dict)
    transitions: list[Any] = field(default_factory=list)
    broken: Counter[tuple[str, str]] = field(default_factory=Counter)
    late: int = 0

    @classmethod
    def of(cls, lines: Sequence[bytes]) -> Expected:
        """Fold lines by the rules of ``policy/``."""
        fleet, expected = Fleet(default_policy()), cls()
        for line in lines:
            each = json.loads(line)
            value = None if each["payload"] is None else each["payload"].encode()
            outcome = fleet.fold(each["topic"], each["partition"], each["offset"], each["ts"], each["key"], value)
            if isinstance(outcome, Rejection):
                expected.broken[each["topic"], outcome.rule.value] += 1
            elif not isinstance(outcome, Folded):
                expected.late += 1
            elif outcome.transition is not None:
                expected.transitions.append(json.loads(encode(outcome.transition)))
        expected.rows = {node_id: json.loads(encode(row)) for node_id, row in fleet.rows.items()}
        return expected

    def whole(self) -> dict[str, Any]:
        """What the peer's rules print with ``--whole``."""
        return {
            "rows": self.rows,
            "transitions": self.transitions,
            "rejected": self.broken.total(),
            "late": self.late,
        }


def test_the_peers_rules_give_the_answers_of_every_shared_case() -> None:
    # One JVM for all: each case gets node ids of its own.
    lines = [
        re.sub(r"\bn([0-9])\b", rf"c{number}-n\1", json.dumps(record)).encode()
        for number, path in enumerate(CASES)
        for record in json.loads(path.read_text())["records"]
    ]
    expected = Expected.of(lines)
    assert len(expected.rows) >= len(CASES) - 5  # in a few cases every record is rejected
    assert folded_by_peer(lines, "--whole") == expected.whole()


def test_the_peers_rules_print_what_policy_fold_prints_of_a_simulated_fleet() -> None:
    records = simulate(nodes=200, rate=300.0, seed=11, start=START)
    lines = list(lines_of(itertools.islice(records, 20_000)))
    summary = summary_of(lines)
    assert summary["transitions"]
    assert summary["rejected"]
    assert summary["late"]
    assert folded_by_peer(lines) == summary
    assert folded_by_peer(lines, "--whole") == Expected.of(lines).whole()


def edges(topic: str, values: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fields beside those that every message of a topic needs."""
    needed = {"lastShutdownClean": False} if topic == TELEMETRY else {}
    return ((topic, needed | fields) for fields in values)


EDGES: tuple[tuple[str, dict[str, Any]], ...] = (
    *(
        (NETWORK, {"ip": text})
        for text in (
            "192.0.2.1", "192.0.2.01", "192.0.2", "192.0.2.256", "1.2.3.4.5", "::", "::1", "2001:DB8:0:0:1:0:0:1",
            "::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "1.2.3.4::", "1::2::3", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::",
            "1:2:3:4:5:6:7:8:9", ":1::2", "1:::2", "fe80::1%eth0", "12345::", "1:0:0:2:0:0:0:3", "", "ſ::1", "::1 ",
        )
    ),
    *(
        (NETWORK, {"asn": 1, "observedAt": text})
        for text in (
            "2026-01-01T00:00:00Z", "2026-01-01t00:00:00.1239z", "2025-12-31T23:00:00.5-01:00", "2026-01-01T00:00:00",
            "2025-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2025-12-31T24:00:00Z", "2025-12-31T23:59:60Z",
            "2026-01-01 00:00:00Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+24:00", "0001-01-01T00:00:00+01:00",
            "0000-12-31T00:00:00Z", "1969-12-31T23:59:59.999Z", "2026-01-01T00:05:00.000Z", "2026-01-01T00:05:00.001Z",
        )
    ),
    *edges(
        NETWORK,
        (
            {"asn": 0}, {"asn": 4_294_967_295}, {"asn": 4_294_967_296}, {"asn": 1.0}, {"asn": "1"}, {"asn": 10**30},
            {"asn": None}, {"asn": None, "region": "r" * 128}, {"region": "r" * 129}, {"region": "\U0001f600" * 128},
            {"region": "\U0001f600" * 129}, {"region": ""}, {"region": "\ud800"}, {"asn": 1, "unknown": [{"a": 1}]},
            {"asn": 1, "nodeId": "n 1"}, {"asn": 1, "nodeId": None}, {"asn": 1, "observer": ""},
        )
    ),
    *edges(
        TELEMETRY,
        (
            {}, {"lastShutdownClean": "no"}, {"lastShutdownClean": None}, {"kind": "boot"}, {"kind": "reboot"},
            {"uptimeSeconds": 1}, {"uptimeSeconds": "1"}, {"metrics": {"a": 1, "b": 2.5}}, {"metrics": {"a": None}},
            {"metrics": []}, {"fingerprint": "AB" * 16}, {"fingerprint": "short"}, {"agentVersion": "4.2.0-rc.1+7"},
            {"agentVersion": "v" * 65}, {"bootId": ""}, {"eventId": 7},
        )
    ),
)  # fmt: skip
"""Values at the edge of what a topic carries."""

RAW = (
    "{good} ", "{good}x", "\ufeff{good}", "[{good}]", "null", "{good", '{"asn":01,{good', "{{good}}", "{good},",
    "\x00{good}",
)  # fmt: skip
"""Ways to write a good value wrongly, or rightly; one brace off stands for a cut one."""


def test_a_value_at_an_edge_is_judged_alike() -> None:
    values = [
        (topic, {"observedAt": str(START), "nodeId": f"n{number}"} | each) for number, (topic, each) in enumerate(EDGES)
    ]
    good = {"nodeId": "good", "observedAt": str(START), "asn": 1}
    payloads = [(f"n{number}", topic, json.dumps(value)) for number, (topic, value) in enumerate(values)]
    payloads += [
        ("good", NETWORK, raw.replace("{good}", json.dumps(good)).replace("{good", json.dumps(good)[:-1]))
        for raw in RAW
    ]
    lines = [
        json.dumps(
            {"topic": topic, "partition": 0, "offset": offset, "ts": int(START), "key": key, "payload": payload}
        ).encode()
        for offset, (key, topic, payload) in enumerate(payloads)
    ]
    assert folded_by_peer(lines, "--whole") == Expected.of(lines).whole()


def test_the_peer_is_of_the_brokers_version() -> None:
    poms = (ROOT / "bench" / "peers" / "kafka_streams" / "pom.xml", ROOT / "tests" / "brokers" / "pom.xml")
    versions = {found for pom in poms for found in re.findall(r"<kafka.version>(.*?)</", pom.read_text())}
    assert len(versions) == 1


@pytest.mark.apache_kafka_only
@pytest.mark.parametrize("name", ["kafka-streams-eos", "kafka-streams-alo-rocksdb"])
async def test_the_peers_application_gives_the_plain_folds_answer(
    name: str, kafka: KafkaSettings, tmp_path: Path
) -> None:
    kafka = kafka.model_copy(update={"partitions": PARTITIONS})
    engine, plain, letters = ENGINES[name], PlainFold(exact=False), Rules()
    command_of(engine.command)
    create_inputs(kafka, SOURCES)
    await apply_topics(kafka)
    records = list(mixed(RECORDS, PARTITIONS, nodes=NODES))
    for record in records:
        plain.fold(record)
        letters.fold(record)
    await asyncio.to_thread(write, kafka, iter(records), RECORDS)

    with started(engine, kafka, tmp_path / "trust.json") as processes:
        async with Commits(kafka, engine.group, SOURCES) as commits:
            await follow(commits, processes, lambda: 0.0)

    written = await asyncio.to_thread(
        read_answer,
        kafka.bootstrap_servers,
        engine.changelogs(kafka),
        kafka.topic(QUARANTINE),
        [kafka.topic(dlq_of(topic)) for topic in SOURCES],
        exact=False,
    )
    assert differences(written, plain.answer(), exact=False) == []
    assert {topic for topic, _ in letters.broken} == {NETWORK, TELEMETRY}
    for topic in (NETWORK, TELEMETRY):
        wanted = Counter({rule: count for (of, rule), count in letters.broken.items() if of == topic})
        assert await rules_of_letters(kafka, topic, wanted.total()) == wanted


class Rules:
    """The rules that bad records broke, by topic."""

    def __init__(self) -> None:
        self._fleet = Fleet(default_policy())
        self.broken: Counter[tuple[str, str]] = Counter()

    def fold(self, record: BenchRecord) -> None:
        """Fold a record; which of a node's are late does not matter here."""
        outcome = self._fleet.fold(record.topic, record.partition, 0, record.timestamp, record.key, record.value)
        if isinstance(outcome, Rejection):
            self.broken[record.topic, outcome.rule.value] += 1


async def rules_of_letters(kafka: KafkaSettings, topic: str, wanted: int) -> Counter[str]:
    """The rules that a topic's dead letters name, once so many of them are there."""
    found = await seen(kafka, dlq_of(topic), PARTITIONS, lambda letters: len(letters) >= wanted)
    return Counter(cause.exception for letter in found if (cause := cause_of(letter.headers)))
