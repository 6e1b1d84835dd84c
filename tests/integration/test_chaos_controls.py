"""The harness finds workers that are wrong on purpose; one that found nothing would prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brokers.broker import Broker
from tests.chaos.__main__ import run_in
from tests.chaos.catalogue import found_by
from tests.chaos.controls import CONTROLS
from tests.chaos.report import Setting, text_of
from tests.chaos.world import Layout, World

pytestmark = pytest.mark.apache_kafka_only

STRIKES = {"offsets-first": 2, "rows-serialised-late": 1, "no-fencing": 1}
WORKERS = {"no-fencing": (True, True)}
"""One, who owns everything, is the surest to be hit; a zombie needs an heir."""


@pytest.mark.parametrize("control", CONTROLS)
async def test_a_worker_that_is_wrong_is_found(control: str, broker: Broker, prefix: str, tmp_path: Path) -> None:
    layout = Layout(
        partitions=3,
        workers=WORKERS.get(control, (True,)),
        issuers=(True,),
        nodes=100,
        rate=400,
        requests=10,
        session_timeout_ms=3_000,
        control=control,
    )
    setting = Setting(seed=1, minutes=0, faults=(), brokers=1, control=control)
    outcome = await run_in(
        World(broker, tmp_path, layout, prefix=prefix), setting, faults=found_by(control), strikes=STRIKES[control]
    )
    assert not outcome.verdict.clean, text_of(outcome, setting)
    assert len(outcome.strikes) == STRIKES[control]
