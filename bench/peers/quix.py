"""Quix Streams with its own state: RocksDB, rows in its changelog, one record after the other.

As its documentation advises: bytes in and out without its JSON, checkpoints as often as Kordon's. Each topic has a
state of its own, as only one of them holds records: one state for both (``concat``) would align them by time, which
costs more.
"""

from __future__ import annotations

import os
from typing import Any

from quixstreams import Application, State, message_context
from quixstreams.models import TopicConfig
from quixstreams.models.serializers import BytesSerializer

from bench.peers.judging import judge
from schemas.codec import decode, encode
from schemas.risk import RiskRow
from schemas.topics import NETWORK, QUARANTINE, RISK, TELEMETRY, dlq_of

PREFIX = os.environ["BENCH_PREFIX"]
GUARANTEE = {"at_least_once": "at-least-once", "exactly_once_v2": "exactly-once"}[os.environ["BENCH_GUARANTEE"]]


class _Second(BytesSerializer):
    """Writes the second item of a pair (topic, bytes)."""

    def __call__(self, value: Any, ctx: Any) -> bytes:
        return bytes(value[1])


def main() -> None:
    """Run until SIGTERM."""
    application = Application(
        broker_address=os.environ["BENCH_BOOTSTRAP"],
        consumer_group=f"{PREFIX}quix",
        auto_offset_reset="earliest",
        commit_interval=int(os.environ["BENCH_COMMIT_MS"]) / 1000,
        state_dir=os.environ["BENCH_STATE_DIR"],
        processing_guarantee=GUARANTEE,
        producer_extra_config={"compression.type": "lz4"},
        loglevel="WARNING",
    )
    config = TopicConfig(num_partitions=int(os.environ["BENCH_PARTITIONS"]), replication_factor=1)

    def topic(name: str, **more: Any) -> Any:
        return application.topic(PREFIX + name, value_deserializer="bytes", config=config, **more)

    outputs = {
        name: topic(name, value_serializer=_Second()) for name in (QUARANTINE, dlq_of(NETWORK), dlq_of(TELEMETRY))
    }

    def assess(value: bytes, key: bytes, timestamp: int, _headers: Any, state: State) -> list[tuple[str, bytes]]:
        place = message_context()
        stored = state.get_bytes("row")
        row = None if stored is None else decode(RiskRow, stored, RISK)
        name = place.topic.removeprefix(PREFIX)
        judged = judge(row, name, place.partition, place.offset, timestamp, key, value)
        if judged.row is not None:
            state.set_bytes("row", encode(judged.row))
        if judged.transition is not None:
            return [(QUARANTINE, judged.transition)]
        return [] if judged.rejected is None else [(dlq_of(name), value)]

    for name in (NETWORK, TELEMETRY):
        records = application.dataframe(topic(name)).apply(assess, stateful=True, expand=True, metadata=True)
        records.to_topic(lambda value, *_: outputs[value[0]])
    print("READY", flush=True)
    application.run()


main()
