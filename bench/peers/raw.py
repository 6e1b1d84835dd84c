"""The raw limit: aiokafka's ``getmany`` and msgspec's decoding, nothing kept and nothing written.

What an engine in Python on aiokafka could reach at most if deciding cost nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

PREFIX = os.environ["BENCH_PREFIX"]
PARTITIONS = int(os.environ["BENCH_PARTITIONS"])
COMMIT_SECONDS = int(os.environ["BENCH_COMMIT_MS"]) / 1000
TOPICS = ("node.telemetry.v1", "node.network.v1", "node.commands.v1")


class Telemetry(msgspec.Struct, gc=False):
    """The fields the policy needs, as JSON has them."""

    nodeId: str
    observedAt: str
    lastShutdownClean: bool
    bootId: str | None = None


class Network(msgspec.Struct, gc=False):
    """As above."""

    nodeId: str
    observedAt: str
    ip: str | None = None
    asn: int | None = None
    region: str | None = None


class Command(msgspec.Struct, gc=False):
    """As above."""

    commandId: str
    nodeId: str
    action: str
    issuedAt: str


DECODERS = {
    PREFIX + topic: msgspec.json.Decoder(message).decode
    for topic, message in zip(TOPICS, (Telemetry, Network, Command), strict=True)
}


async def main() -> None:
    """Read, decode and commit until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=os.environ["BENCH_BOOTSTRAP"],
        group_id=f"{PREFIX}raw",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=52_428_800,
        max_partition_fetch_bytes=4_194_304,
    )
    await consumer.start()
    available = await consumer.topics()
    partitions = [
        TopicPartition(topic, number) for topic in DECODERS if topic in available for number in range(PARTITIONS)
    ]
    consumer.assign(partitions)
    print("READY", flush=True)
    loop = asyncio.get_running_loop()
    due = loop.time() + COMMIT_SECONDS
    bad = 0
    uncommitted = False
    while not ended.is_set():
        for tp, records in (await consumer.getmany(timeout_ms=100, max_records=10_000)).items():
            decode = DECODERS[tp.topic]
            uncommitted = True
            for record in records:
                try:
                    decode(record.value)
                except msgspec.DecodeError:
                    bad += 1
        if uncommitted and loop.time() >= due:
            await consumer.commit()
            due = loop.time() + COMMIT_SECONDS
            uncommitted = False
    await consumer.stop()


asyncio.run(main())
