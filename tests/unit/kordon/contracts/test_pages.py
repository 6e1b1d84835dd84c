"""What docs/producers.md shows is what the programs and commands are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from kordon.command_line import kordon
from kordon.contracts.examples import examples_of
from schemas.topics import NETWORK, TELEMETRY

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "producers.md").read_text()


@pytest.mark.parametrize("path", ["python/telemetry.py", "go/main.go", "java/Telemetry.java", "kcat/telemetry.sh"])
def test_a_program_stands_in_the_page_whole(path: str) -> None:
    program = (ROOT / "examples" / "producers" / path).read_text()
    assert f"\n{program.rstrip()}\n```\n" in PAGE


def test_the_fold_in_the_page_prints_that(tmp_path: Path) -> None:
    shown = re.search(r"\$ kordon policy fold records.jsonl\n(.*)\n```", PAGE)
    assert shown is not None
    records = [*examples_of(TELEMETRY), *examples_of(NETWORK)]
    lines = [
        json.dumps({"topic": each.topic, "ts": each.timestamp, "key": each.key, "payload": each.value.decode()})
        for each in sorted(records, key=lambda record: record.timestamp)
    ]
    assert lines[0] in PAGE
    (tmp_path / "records.jsonl").write_text("\n".join(lines))
    printed = CliRunner().invoke(kordon, ["policy", "fold", str(tmp_path / "records.jsonl")])
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.strip() == shown[1]
