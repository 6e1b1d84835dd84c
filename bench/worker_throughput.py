"""How many observations a second the worker folds, exactly-once, from a backlog.

Writes observations (209 bytes of JSON, lz4, over a number of nodes) to a fresh prefix, starts ``faust -A streams.app
worker`` as a process, follows its progress records, and prints records per second between the first commit that holds
records and the last, with the worker's CPU time per record. Against a broker that runs already::

    python bench/worker_throughput.py --bootstrap 127.0.0.1:9092
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.codec import decode
from schemas.progress import StreamsProgress
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, STREAMS_PROGRESS, TOPICS
from transport.client import admin_arguments, consumer_arguments, producer_arguments
from transport.partitioner import partition_of
from transport.settings import KafkaSettings

VALUE_BYTES = 209


@dataclass(frozen=True)
class Load:
    """What is folded."""

    records: int
    nodes: int
    partitions: int


def observations(load: Load) -> list[tuple[int, bytes, bytes]]:
    """Return (partition, key, value), nodes in turn; every 1,000th record is a node that moved."""
    now = Timestamp(time.time_ns() // 1_000_000 - 60_000)
    placed = []
    for index in range(load.nodes):
        key = f"node-{index:06d}".encode()
        placed.append((partition_of(key, load.partitions), key))
    made = []
    for index in range(load.records):
        number = index % load.nodes
        partition, key = placed[number]
        moved = index % 1000 == 999
        message = {
            "nodeId": key.decode(),
            "observedAt": str(Timestamp(now + index // 100)),
            "ip": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" if not moved else "192.0.2.7",
            "asn": 64512 + number % 100,
            "region": f"eu-central-{number % 3}",
            "eventId": f"event-{index:012d}",
            "observer": "",
        }
        text = json.dumps(message, separators=(",", ":"))
        message["observer"] = "gateway-0001".ljust(VALUE_BYTES - len(text), "x")
        made.append((partition, key, json.dumps(message, separators=(",", ":")).encode()))
    return made


async def prepare(kafka: KafkaSettings, load: Load) -> None:
    """Create the topics and write the backlog."""
    admin = AIOKafkaAdminClient(**admin_arguments(kafka))
    await admin.start()
    await admin.create_topics(
        [
            NewTopic(kafka.topic(spec.name), load.partitions, 1, topic_configs={"cleanup.policy": spec.cleanup.value})
            for spec in TOPICS.values()
        ]
    )
    await admin.close()
    producer = AIOKafkaProducer(**producer_arguments(kafka) | {"max_batch_size": 262_144, "linger_ms": 20})
    await producer.start()
    topic = kafka.topic(NETWORK)
    batches: dict[int, list[tuple[bytes, bytes]]] = {}
    for partition, key, value in observations(load):
        batches.setdefault(partition, []).append((key, value))
    sent = []
    for partition, records in batches.items():
        builder = producer.create_batch()
        for key, value in records:
            if builder.append(key=key, value=value, timestamp=None) is None:
                sent.append(await producer.send_batch(builder, topic, partition=partition))
                builder = producer.create_batch()
                builder.append(key=key, value=value, timestamp=None)
        sent.append(await producer.send_batch(builder, topic, partition=partition))
    await asyncio.gather(*sent)
    await producer.stop()


async def follow(kafka: KafkaSettings, load: Load) -> tuple[float, int]:
    """Return seconds from the first progress record with batches to the last, and the records between them."""
    consumer = AIOKafkaConsumer(**consumer_arguments(kafka))
    await consumer.start()
    topic = kafka.topic(STREAMS_PROGRESS)
    partitions = [TopicPartition(topic, partition) for partition in range(load.partitions)]
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, 0)
    folded, first, last, before = 0, None, 0, 0
    while folded < load.records:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                progress = decode(StreamsProgress, record.value, topic)
                count = sum(stop - start for batch in progress.batches for start, stop in batch.values())
                if count:
                    folded += count
                    if first is None:
                        first, before = int(progress.at), count
                    last = max(last, int(progress.at))
    await consumer.stop()
    assert first is not None
    return (last - first) / 1000, folded - before


def most_megabytes(process: int) -> int | None:
    """Return the most memory a process has had resident (Linux; getrusage would count what its parent had)."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    found = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(found["VmHWM"].split()[0]) // 1024


async def main() -> None:
    """Run once and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bootstrap", required=True, help="host:port of a running broker")
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--partitions", type=int, default=4)
    arguments = parser.parse_args()
    load = Load(arguments.records, arguments.nodes, arguments.partitions)
    kafka = KafkaSettings.load(bootstrap_servers=arguments.bootstrap, prefix=f"bench-{secrets.token_hex(4)}.")
    await prepare(kafka, load)
    environment = os.environ | {
        "KORDON_KAFKA_BOOTSTRAP_SERVERS": arguments.bootstrap,
        "KORDON_KAFKA_PREFIX": kafka.prefix,
    }
    with Path(f"/tmp/{kafka.prefix}log").open("w") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "faust", "-A", "streams.app", "worker", "-l", "warn"],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            following = asyncio.create_task(follow(kafka, load))
            while not following.done():
                await asyncio.sleep(0.2)
                if worker.poll() is not None:
                    sys.exit(f"the worker ended with status {worker.returncode}; see {log.name}")
            seconds, records = await following
            most = most_megabytes(worker.pid)
        finally:
            worker.terminate()
    _, _, usage = os.wait4(worker.pid, 0)
    cpu = usage.ru_utime + usage.ru_stime
    print(
        msgspec.json.encode(
            {
                "records": load.records,
                "nodes": load.nodes,
                "partitions": load.partitions,
                "recordsPerSecond": round(records / seconds),
                "cpuMicrosecondsPerRecord": round(cpu / load.records * 1e6, 2),
                "seconds": round(seconds, 2),
                "mostMegabytes": most,
            }
        ).decode()
    )


if __name__ == "__main__":
    asyncio.run(main())
