"""The AsyncAPI document, read by AsyncAPI's official parser."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from kordon.contracts.asyncapi import ADDRESSED_REPLY
from kordon.contracts.files import ASYNCAPI, installed
from schemas.topics import TOPICS
from tests.toolchains import required

HERE = Path(__file__).parents[1] / "asyncapi"
LOCK = HERE / "npm-shrinkwrap.json"
WARNING = 1
INSTALL_SECONDS = 300.0
PARSE_SECONDS = 120.0


def parser_directory() -> Path:
    """Where the parser is installed for this user: once for each version of the lock file."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kordon"
    return cache / f"asyncapi-parser-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"


@pytest.fixture(scope="module")
def parser(request: pytest.FixtureRequest) -> Path:
    """The folder of the installed parser, with the program that calls it."""
    required(request, "node", "npm")
    directory = parser_directory()
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        # Filled beside its final place, then renamed: an interrupted installation is never taken for a whole one.
        with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
            for name in ("package.json", "npm-shrinkwrap.json"):
                shutil.copy(HERE / name, scratch)
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=scratch,
                check=True,
                capture_output=True,
                timeout=INSTALL_SECONDS,
            )
            Path(scratch).rename(directory)
            Path(scratch).mkdir()  # for its own removal
    shutil.copy(HERE / "validate.mjs", directory)
    return directory


def parsed(parser: Path, document: dict[str, Any]) -> dict[str, Any]:
    ended = subprocess.run(
        ["node", "validate.mjs"],
        cwd=parser,
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=False,
        timeout=PARSE_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def faults(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in found["diagnostics"] if each["severity"] <= WARNING]


def test_the_official_parser_finds_no_fault_and_every_topic_and_the_reply(parser: Path) -> None:
    found = parsed(parser, json.loads((installed() / ASYNCAPI).read_text()))
    assert not faults(found)
    assert found["parsed"]
    assert set(found["channels"]) == {*TOPICS, ADDRESSED_REPLY}
    assert found["replies"] == {
        "receive-capsule-requests": {"address": "$message.header#/reply-to", "channel": ADDRESSED_REPLY}
    }


def test_the_official_parser_would_find_a_wrong_schema_binding_reply_or_reference(parser: Path) -> None:
    # It does not hold version 3 examples against their schemas: tests/unit/kordon/contracts/test_asyncapi.py does.
    document = json.loads((installed() / ASYNCAPI).read_text())
    document["components"]["schemas"]["Telemetry"]["properties"]["nodeId"]["type"] = "text"
    document["channels"]["node.risk.v1"]["bindings"]["kafka"]["partitions"] = "twelve"
    document["operations"]["receive-capsule-requests"]["reply"]["address"]["location"] = "nowhere"
    found = {fault["path"] for fault in faults(parsed(parser, document))}
    assert "channels/node.telemetry.v1/messages/node-telemetry/payload/properties/nodeId/type" in found
    assert "channels/node.risk.v1/bindings/kafka/partitions" in found
    assert "operations/receive-capsule-requests/reply/address/location" in found
    document = json.loads((installed() / ASYNCAPI).read_text())
    document["operations"]["receive-node-telemetry"]["channel"]["$ref"] = "#/channels/nowhere"
    assert faults(parsed(parser, document))
