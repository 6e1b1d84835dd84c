"""Claims about kordon/client/risk_rows.py: a row that nobody can read, or that may be old, is no answer."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from kordon.client import NotOpenError, RiskRows, StaleRowsError
from schemas.codec import encode
from schemas.risk import RISK_SCHEMA_VERSION, NodeStatus, RiskRow
from schemas.timestamp import Timestamp
from transport.settings import KafkaSettings

PLACE = TopicPartition("kordon.node.risk.v1", 0)
ROW = RiskRow(RISK_SCHEMA_VERSION, "node-1", NodeStatus.ACTIVE, 0, (), 9, 1, Timestamp(0))


def record(value: bytes | None, key: bytes | None = b"node-1") -> Any:
    return ConsumerRecord(PLACE.topic, PLACE.partition, 0, 0, 0, key, value, None, 0, 0, ())


def rows_of(*values: bytes | None) -> RiskRows:
    rows = RiskRows(KafkaSettings(), most_stale_seconds=1000)
    rows._fresh_at = time.monotonic()
    rows._read(PLACE, [record(value) for value in values])
    return rows


def test_the_latest_row_counts_and_a_node_without_one_has_none() -> None:
    newer = msgspec.structs.replace(ROW, capsulesValidFrom=9)
    rows = rows_of(encode(ROW), encode(newer))

    assert rows.row_of("node-1") == newer
    assert rows.row_of("node-2") is None


@pytest.mark.parametrize(
    "value", [None, b"{}", encode(msgspec.structs.replace(ROW, schemaVersion=RISK_SCHEMA_VERSION + 1))]
)
def test_a_row_that_cannot_be_read_is_not_taken_for_none(value: bytes | None) -> None:
    with pytest.raises(StaleRowsError, match="cannot be read"):
        rows_of(encode(ROW), value).row_of("node-1")


def test_rows_that_were_not_up_to_date_for_too_long_are_no_answer() -> None:
    rows = rows_of(encode(ROW))
    rows._fresh_at = time.monotonic() - 1001

    with pytest.raises(StaleRowsError, match="1001 s ago"):
        rows.row_of("node-1")


def test_before_it_is_open_there_is_no_answer() -> None:
    with pytest.raises(NotOpenError, match="not open"):
        RiskRows(KafkaSettings()).row_of("node-1")
