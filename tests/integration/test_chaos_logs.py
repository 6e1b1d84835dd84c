"""What retention, compaction or an operator does to topics stops services with the loss named, never in silence."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.brokers.broker import Broker
from tests.chaos.faults_of_logs import LOAD_SECONDS, SIDE, LogFault, faults
from tests.chaos.world import World

FAULTS = [fault for fault in faults() if isinstance(fault, LogFault) and fault.name != "recreated-topic"]
"""What happens while services are away is in test_worker_takeover.py and test_issuer_checkpoint.py."""


@pytest.mark.apache_kafka_only
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
async def test_a_log_that_changes_under_a_service_is_survived_or_refused_by_name(
    fault: LogFault, broker: Broker, prefix: str, tmp_path: Path
) -> None:
    layout = replace(SIDE, settings=fault.settings(tmp_path))
    async with World(broker, tmp_path, layout, prefix=prefix) as world:
        await asyncio.sleep(LOAD_SECONDS)
        await fault.happen(world, world)
        assert [verdict.details for verdict in world.verdicts if not verdict.clean] == []
