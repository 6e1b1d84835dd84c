"""The application as Faust imports it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("KORDON_KAFKA_PREFIX", "no dot", "InvalidSettingsError"),
        ("KORDON_WORKER_SESSION_TIMEOUT_MS", "ten seconds", "InvalidSettingsError"),
        ("KORDON_WORKER_POLICY_FILE", "/does/not/exist.toml", "PolicyError"),
        ("KORDON_WORKER_TRUST_FILE", "/does/not/exist.json", "TrustFileError"),
    ],
)
def test_what_only_a_person_can_mend_ends_the_worker_with_78_and_no_traceback(
    name: str, value: str, error: str, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "faust", "-A", "streams.app", "worker"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 78, ended.stderr
    assert ended.stderr.startswith(f"{error}: ")
    assert "Traceback" not in ended.stderr
