"""The short form of faults 1 to 3; the long one, with every step and many more kills, is `make chaos FAULTS=1,2,3`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.brokers.broker import Broker
from tests.chaos.__main__ import run_in
from tests.chaos.catalogue import all_faults, chosen
from tests.chaos.report import Setting, text_of
from tests.chaos.world import Layout, World

pytestmark = pytest.mark.apache_kafka_only

WORKERS = Layout(
    partitions=3, workers=(True, True, False), issuers=(True,), nodes=100, rate=200, session_timeout_ms=3_000
)
ISSUERS = Layout(partitions=3, workers=(True,), issuers=(True, False), nodes=100, rate=100, session_timeout_ms=3_000)
OF_WORKERS = (
    "kill-worker",
    "kill-dynamic-worker",
    "exit-worker-at-commit",
    "exit-worker-at-takeover",
    "leave",
    "zombie-worker-at-commit",
)
OF_ISSUERS = (
    "kill-issuer",
    "kill-dynamic-issuer",
    "exit-issuer-at-commit",
    "exit-issuer-at-takeover",
    "zombie-issuer-at-commit",
)


@pytest.mark.parametrize(
    ("layout", "names"), [(WORKERS, OF_WORKERS), (ISSUERS, OF_ISSUERS)], ids=["workers", "issuers"]
)
async def test_nothing_is_lost_or_doubled_when_services_are_killed_leave_or_sleep(
    layout: Layout, names: Sequence[str], broker: Broker, prefix: str, tmp_path: Path
) -> None:
    setting = Setting(seed=1, minutes=0, faults=tuple(names), brokers=1, control=None)
    outcome = await run_in(World(broker, tmp_path, layout, prefix=prefix), setting, strikes=len(names))
    assert outcome.passed, text_of(outcome, setting)
    assert {strike.fault for strike in outcome.strikes} == {fault.name for fault in chosen(all_faults(), names)}
    assert outcome.verdict.decided > 0
