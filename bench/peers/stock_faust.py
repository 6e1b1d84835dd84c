"""Stock Faust: an agent over a stream, a table in memory with its changelog, at-least-once.

As a Faust user writes it, but that values are taken as bytes and decoded by Kordon's own rules, which is faster than
Faust's models.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import faust
from faust.serializers import codecs

from bench.peers.judging import judge
from schemas.codec import decode, encode
from schemas.risk import RiskRow
from schemas.topics import NETWORK, QUARANTINE, RISK, TELEMETRY, dlq_of

PREFIX = os.environ["BENCH_PREFIX"]
PARTITIONS = int(os.environ["BENCH_PARTITIONS"])


class _RowCodec(codecs.Codec):
    def _loads(self, s: bytes) -> Any:
        return decode(RiskRow, s, RISK)

    def _dumps(self, obj: Any) -> bytes:
        return encode(obj)


codecs.register("risk-row", _RowCodec())

app = faust.App(
    f"{PREFIX}faust",
    broker=f"kafka://{os.environ['BENCH_BOOTSTRAP']}",
    store="memory://",
    datadir=os.environ["BENCH_STATE_DIR"],
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    topic_disable_leader=True,
    broker_commit_interval=int(os.environ["BENCH_COMMIT_MS"]) / 1000,
    producer_compression_type="lz4",
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
rows = app.Table(
    "rows",
    schema=faust.Schema(key_type=bytes, key_serializer="raw", value_serializer="risk-row"),
    partitions=PARTITIONS,
)


def _topic(*names: str) -> Any:
    return app.topic(
        *(PREFIX + name for name in names),
        key_type=bytes,
        key_serializer="raw",
        value_type=bytes,
        value_serializer="raw",
    )


quarantine = _topic(QUARANTINE)
dead_letters = {topic: _topic(dlq_of(topic)) for topic in (NETWORK, TELEMETRY)}


@app.agent(_topic(NETWORK, TELEMETRY))
async def assess(stream: Any) -> None:
    """Judge record by record."""
    async for event in stream.events():
        message = event.message
        name = message.topic.removeprefix(PREFIX)
        row = rows.get(message.key)
        judged = judge(
            row, name, message.partition, message.offset, int(message.timestamp * 1000), message.key, event.value
        )
        if judged.row is not None:
            rows[message.key] = judged.row
        if judged.transition is not None:
            await quarantine.send(key=message.key, value=judged.transition)
        if judged.rejected is not None:
            await dead_letters[name].send(key=message.key, value=event.value)


sys.argv = [sys.argv[0], "worker", "-l", "warn", "--without-web"]
app.main()
