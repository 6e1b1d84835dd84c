"""``kordon capsule request`` beside ``kordon worker`` and ``kordon issuer``: a node's life at the command line."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.commands.process import Ended, environment_of, kordon, running
from transport.envelopes import Expected, verify_capsule, verify_denial
from transport.private_files import read_private_file, write_private_file
from transport.settings import KafkaSettings
from transport.trust import Trust

FINGERPRINT = "9f86d081884c7d659a2feaa0c55ad015"
PATIENTLY = ("--attempts", "6", "--patience", "60")


class Shell:
    """A directory with a cluster's files in ``.kordon``, where every command and service finds them by default."""

    def __init__(self, kafka: KafkaSettings, directory: Path) -> None:
        self.directory = directory
        self.environment = environment_of(kafka)

    async def run(self, *arguments: str) -> Ended:
        """Run a command that must succeed."""
        ended = await self.ask(*arguments)
        assert ended.status == 0, ended.err
        return ended

    async def ask(self, *arguments: str) -> Ended:
        """Run a command, however it ends."""
        return await kordon(self.environment, *arguments, directory=self.directory)

    async def request(self, node_id: str, *arguments: str) -> Ended:
        """Request a capsule as this node."""
        return await self.ask("capsule", "request", node_id, "--fingerprint", FINGERPRINT, *arguments)

    @asynccontextmanager
    async def services(self) -> AsyncIterator[None]:
        """Run worker and issuer."""
        async with (
            running(self.environment, "worker", directory=self.directory),
            running(self.environment, "issuer", directory=self.directory),
        ):
            yield


def here(kafka: KafkaSettings) -> Expected:
    """What a verifier of this cluster expects of an envelope now."""
    return Expected(f"test/{kafka.prefix}", time.time_ns() // 1_000_000)


@pytest.fixture
async def shell(kafka: KafkaSettings, tmp_path: Path) -> Shell:
    shell = Shell(kafka, tmp_path)
    await shell.run("keys", "init", "--cluster-id", "test")
    await shell.run("topics", "apply")
    return shell


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
async def test_a_nodes_life_at_the_command_line(shell: Shell, kafka: KafkaSettings, tmp_path: Path) -> None:
    key, token, runtime_key = (str(tmp_path / name) for name in ("node.json", "token", "runtime.key"))
    public_key = (await shell.run("keys", "node", "--output", key)).out.strip()
    write_private_file(Path(token), b"a bearer token\n")
    await shell.run("node", "enroll", "node-1", "--public-key", public_key, "--service-principal", "till")
    await shell.run("node", "enroll", "node-2", "--token-file", token, "--fingerprint", FINGERPRINT)
    own_key, own_token = ("--key", key, "--json", *PATIENTLY), ("--token-file", token, *PATIENTLY)

    async with shell.services():
        granted = await shell.request("node-1", *own_key, "--runtime-key-file", runtime_key)
        assert granted.status == 0, granted.err
        claims = verify_capsule(granted.json["envelope"], Trust.load(tmp_path / ".kordon/trust.json"), here(kafka))
        assert (claims.nodeId, claims.capsuleId) == ("node-1", granted.json["capsuleId"])
        assert granted.json["servicePrincipal"] == "till"
        assert granted.json["expiresUtc"] == claims.expiresUtc
        assert len(read_private_file(Path(runtime_key))) == 32

        with_token = await shell.request("node-2", *own_token)
        assert with_token.status == 0, with_token.err
        assert with_token.out.startswith("granted\n  capsuleId ")

        claiming = await shell.request("node-1", *own_key, "--asn", "64511", "--region", "us-east-1", "--ip", "::1")
        assert claiming.status == 0, claiming.err

        await shell.run("quarantine", "add", "node-1", "--reason", "ticket 1")
        held = await shell.run("quarantine", "watch", "--from-beginning", "--count", "1", "--json")
        assert (held.json["nodeId"], held.json["to"], held.json["reason"]) == ("node-1", "quarantined", "ticket 1")
        denied = await shell.request("node-1", *own_key)
        assert (denied.status, denied.json["reason"]) == (3, "NODE_QUARANTINED"), denied.err
        verify_denial(denied.json["envelope"], Trust.load(tmp_path / ".kordon/trust.json"), here(kafka))

        await shell.run("quarantine", "release", "node-1", "--reason", "ticket 2")
        await shell.run("quarantine", "watch", "--from-beginning", "--count", "2")
        assert (await shell.request("node-1", *own_key)).status == 0

        await shell.run("node", "disable", "node-2")
        disabled = await shell.request("node-2", *own_token)
        assert disabled.status == 3
        assert disabled.out.startswith("denied\n  reason ")
        assert "NODE_DISABLED" in disabled.out


async def test_a_node_that_nobody_answers_is_told_so_and_may_try_again(shell: Shell, tmp_path: Path) -> None:
    await shell.run("keys", "node", "--output", str(tmp_path / "node.json"))

    ended = await shell.request("node-1", "--key", str(tmp_path / "node.json"), "--timeout", "0.5", "--attempts", "2")

    assert ended.status == 75
    assert "no reply to 2 attempts of 0.5 s each" in ended.err
    assert "Is an issuer running" in ended.err


async def test_arguments_that_no_request_may_hold_are_refused_before_anything_is_sent(
    shell: Shell, tmp_path: Path
) -> None:
    await shell.run("keys", "node", "--output", str(tmp_path / "node.json"))
    key = ("--key", str(tmp_path / "node.json"))

    for arguments, named in (
        (("node-1", *key, "--fingerprint", "not hex"), "fingerprint"),
        (("node 1", *key, "--fingerprint", FINGERPRINT), "nodeId"),
        (("node-1", *key, "--fingerprint", FINGERPRINT, "--ip", "256.1.1.1"), "--ip"),
        (("node-1", *key, "--fingerprint", FINGERPRINT, "--asn", "0"), "--asn"),
        (("node-1", "--fingerprint", FINGERPRINT), "--key or --token-file"),
    ):
        ended = await shell.ask("capsule", "request", *arguments)
        assert ended.status == 2
        assert named in ended.err
        assert "Traceback" not in ended.err
