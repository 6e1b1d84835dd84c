"""``kordon demo``: plays as written, fails when the rules differ, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.brokers.broker import Broker
from tests.commands.process import kordon, running
from transport.client import admin_arguments
from transport.settings import KafkaSettings

SECONDS = 240

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc")


@pytest.fixture
def own_temporary_directory(tmp_path: Path) -> dict[str, str]:
    """An environment without Kordon's settings, whose temporary files are all in a directory of this test."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KORDON_")}
    return clean | {"TMPDIR": str(tmp_path)}


def processes_of(directory: Path) -> set[int]:
    """Return the processes that were started with this temporary directory, the test's own command among them."""
    found = set()
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and str(directory).encode() in (process / "environ").read_bytes():
                found.add(int(process.name))
        except OSError:
            continue
    return found


def logs_in(directory: Path) -> list[Path]:
    return sorted(directory.glob("kordon-demo-*/*.log"))


def policy_with_threshold_90(directory: Path) -> Path:
    default = files("policy").joinpath("default.toml").read_text(encoding="utf-8")
    policy = directory / "policy.toml"
    policy.write_text(default.replace("threshold = 80", "threshold = 90"), encoding="utf-8")
    assert policy.read_text(encoding="utf-8") != default
    return policy


async def test_the_story_plays_as_written_on_the_embedded_broker(
    own_temporary_directory: dict[str, str], tmp_path: Path
) -> None:
    # Settings of a person's own cluster are none of the embedded broker's.
    elsewhere = {
        "KORDON_KAFKA_SECURITY_PROTOCOL": "SSL",
        "KORDON_KAFKA_PREFIX": "mine.",
        "KORDON_WORKER_POLL_RECORDS": "x",
    }

    ended = await kordon(own_temporary_directory | elsewhere, "demo", seconds=SECONDS)

    assert ended.status == 0, ended.out + ended.err
    assert re.search(r"All \d+ outcomes were as expected", ended.out)
    assert "✗" not in ended.out
    assert "\x1b" not in ended.out
    assert logs_in(tmp_path) == []


async def test_another_threshold_is_noticed(own_temporary_directory: dict[str, str], tmp_path: Path) -> None:
    policy = policy_with_threshold_90(tmp_path)

    ended = await kordon(own_temporary_directory, "demo", "--json", "--policy", str(policy), seconds=SECONDS)

    assert ended.status == 1, ended.err
    assert ended.json["asExpected"] is False
    missed = {outcome["expected"]: outcome["actual"] for outcome in ended.json["outcomes"] if not outcome["asExpected"]}
    assert missed == {
        "quarantined at 80 by policy": "active 80",
        "12 rows, 5 quarantined, 6 dead letters, 33 forwarded": "12 rows, 3 quarantined, 6 dead letters, 33 forwarded",
    }
    logs = logs_in(tmp_path)
    assert {log.name for log in logs} >= {"worker.log", "issuer.log", "fleet.log"}
    assert str(logs[0].parent) in ended.err


@pytest.mark.apache_kafka_only  # the embedded broker has the story played on it as its own
async def test_a_broker_of_ones_own_is_used_under_a_prefix_and_left_as_it_was(
    broker: Broker, own_temporary_directory: dict[str, str]
) -> None:
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    before = await names_on(settings)

    ended = await kordon(
        own_temporary_directory, "demo", "--json", "--broker", broker.bootstrap_servers, seconds=SECONDS
    )

    assert ended.status == 0, ended.out + ended.err
    assert ended.json["asExpected"] is True
    await gone(settings, before)


@pytest.mark.apache_kafka_only  # the embedded broker has the story played on it as its own
async def test_a_demo_on_a_broker_of_ones_own_that_is_stopped_cleans_up_all_the_same(
    broker: Broker, own_temporary_directory: dict[str, str]
) -> None:
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    before = await names_on(settings)

    async with running(own_temporary_directory, "demo", "--broker", broker.bootstrap_servers) as demo:
        await said(demo, demo.stdout, "What happens to a node")
        demo.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            out, _ = await demo.communicate()

    assert demo.returncode == 130
    assert "topics and 2 consumer groups are deleted" in out.decode()
    await gone(settings, before)


async def gone(settings: KafkaSettings, before: set[str]) -> None:
    """Wait until the broker, which deletes at its leisure, has no topics and groups but those of before and its own."""
    async with asyncio.timeout(60):
        while any(not name.startswith("__") for name in await names_on(settings) - before):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.1)


async def names_on(settings: KafkaSettings) -> set[str]:
    """Return the names of all topics and consumer groups."""
    admin = AIOKafkaAdminClient(**admin_arguments(settings))
    try:
        await admin.start()
        groups = {group[0] for group in await admin.list_consumer_groups()}
        return set(await admin.list_topics()) | groups
    finally:
        await admin.close()


async def said(demo: asyncio.subprocess.Process, stream: asyncio.StreamReader | None, words: str) -> str:
    """Read a running demo's output until it says these words; return what it said."""
    assert stream is not None
    text = ""
    async with asyncio.timeout(SECONDS):
        while words not in text:
            line = (await stream.readline()).decode()
            assert line, f"the demo ended after: {text}"
            text += line
    assert demo.returncode is None
    return text


@needs_proc
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_demo_that_is_stopped_leaves_no_process(
    own_temporary_directory: dict[str, str], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    async with running(own_temporary_directory, "demo") as demo:
        await said(demo, demo.stdout, "What happens to a node")
        # The broker, the two supervisors, their services and the demo itself, at the least.
        assert len(processes_of(tmp_path)) >= 6

        demo.send_signal(number)
        await asyncio.wait_for(demo.wait(), 60)

        assert demo.returncode == status
        assert processes_of(tmp_path) == set()


@needs_proc
async def test_a_demo_that_is_killed_takes_its_processes_along(
    own_temporary_directory: dict[str, str], tmp_path: Path
) -> None:
    async with running(own_temporary_directory, "demo") as demo:
        await said(demo, demo.stdout, "What happens to a node")
        demo.kill()
        await demo.wait()
        async with asyncio.timeout(60):
            while processes_of(tmp_path):  # noqa: ASYNC110 - in other processes
                await asyncio.sleep(0.1)


async def test_a_demo_that_is_kept_says_how_to_talk_to_it_and_ends_when_asked(
    own_temporary_directory: dict[str, str],
) -> None:
    async with running(own_temporary_directory, "demo", "--quick", "--keep", "--json") as demo:
        exports = dict(re.findall(r"export (\w+)=(\S*)", await said(demo, demo.stderr, "Ctrl-C ends it")))

        ended = await kordon(
            {**own_temporary_directory, **exports},
            *("quarantine", "watch", "--from-beginning", "--count", "3", "--json"),
        )
        assert ended.status == 0, ended.err
        assert len(ended.out.splitlines()) == 3

        demo.send_signal(signal.SIGINT)
        await asyncio.wait_for(demo.wait(), 60)
        assert demo.returncode == 0


async def test_a_broker_that_is_not_there_is_said_so(own_temporary_directory: dict[str, str]) -> None:
    ended = await kordon(own_temporary_directory, "demo", "--broker", "127.0.0.1:1")

    assert ended.status == 69
    assert "Kafka cannot be reached" in ended.err
    assert "Traceback" not in ended.err
