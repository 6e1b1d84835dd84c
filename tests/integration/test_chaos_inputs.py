"""The short form of fault 6, what lies in the input topics; the long one is `make chaos FAULTS=6`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brokers.broker import Broker
from tests.chaos.__main__ import run_in
from tests.chaos.fault import BOTH, STREAMS
from tests.chaos.faults_of_inputs import Backlog, LargeRecords, OpenTransactions, Poison, WrongClocks
from tests.chaos.report import Setting, text_of
from tests.chaos.world import Layout, World

pytestmark = pytest.mark.apache_kafka_only

SMALL = Layout(partitions=3, workers=(True,), issuers=(True,), nodes=100, rate=200)


async def test_nothing_in_an_input_topic_stops_a_partition_or_counts_twice(
    broker: Broker, prefix: str, tmp_path: Path
) -> None:
    faults = [
        OpenTransactions("open-transactions", 6, BOTH, timeout_ms=3_000),
        Backlog("backlog", 6, frozenset({STREAMS}), records=150_000),
        Poison("poison-batch", 6, BOTH),
        LargeRecords("large-record", 6, BOTH),
        WrongClocks("wrong-clocks", 6, BOTH),
    ]
    setting = Setting(seed=1, minutes=0, faults=("6",), brokers=1, control=None)
    outcome = await run_in(World(broker, tmp_path, SMALL, prefix=prefix), setting, faults=faults, strikes=len(faults))
    assert outcome.passed, text_of(outcome, setting)
    assert len(outcome.strikes) == len(faults)
    assert outcome.counts["records a day ahead that the broker refused"] == SMALL.partitions
