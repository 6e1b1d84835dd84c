"""The short form of fault 4; the long one is `make chaos FAULTS=4`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.faults_of_brokers import FullDisk, KillTransactionCoordinator
from tests.chaos.report import Setting, text_of
from tests.chaos.world import Layout

pytestmark = pytest.mark.usefixtures("apache_kafka_jars")

SMALL = Layout(partitions=3, workers=(True, True), issuers=(True,), nodes=100, rate=200, session_timeout_ms=6_000)


async def test_nothing_is_lost_or_doubled_when_a_coordinator_is_killed_and_a_disk_is_full(tmp_path: Path) -> None:
    faults = [
        KillTransactionCoordinator("kill-transaction-coordinator"),
        FullDisk("full-disk"),
    ]
    setting = Setting(seed=1, minutes=0, faults=("4",), brokers=3, control=None)
    outcome = await run(setting, tmp_path, SMALL, faults=faults, strikes=len(faults))
    assert outcome.passed, text_of(outcome, setting)
    assert len(outcome.strikes) == len(faults)
    assert outcome.verdict.folded > 0
