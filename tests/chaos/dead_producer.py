"""``python -m tests.chaos.dead_producer TIMEOUT_MS``: writes into every input topic in a transaction, and dies.

It kills itself (SIGKILL), so the transaction stays open until the broker gives it up. What it wrote was never
committed, so nobody may ever act on it: each record would quarantine its node.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time

from aiokafka import AIOKafkaProducer

from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, DECISIONS, NETWORK, REGISTRY, REQUESTS, TELEMETRY, repartition_of
from transport.client import transactional_producer_arguments
from transport.settings import KafkaSettings

INPUTS = (
    *(TELEMETRY, NETWORK, COMMANDS, REGISTRY, DECISIONS, REQUESTS),
    *map(repartition_of, (TELEMETRY, NETWORK, REQUESTS)),
)


async def write_and_die(kafka: KafkaSettings, timeout_ms: int) -> None:
    """Write to every partition of every input topic, wait until the broker has it all, and end."""
    arguments = transactional_producer_arguments(kafka, f"{kafka.prefix}dead-producer-{os.getpid()}")
    producer = AIOKafkaProducer(**arguments | {"transaction_timeout_ms": timeout_ms})
    await producer.start()
    # Asked before: the broker counts the time from the transaction's beginning.
    for topic in INPUTS:
        await producer.partitions_for(kafka.topic(topic))
    await producer.begin_transaction()
    value = json.dumps(
        {
            "nodeId": "node-00000",
            "observedAt": str(Timestamp(time.time_ns() // 1_000_000)),
            "lastShutdownClean": False,
            "bootId": "never-committed",
            "ip": "203.0.113.1",
            "asn": 1,
            "region": "nowhere",
        }
    ).encode()
    sent = [
        await producer.send(kafka.topic(topic), value, key=b"node-00000", partition=partition)
        for topic in INPUTS
        for partition in range(kafka.partitions)
    ]
    await asyncio.gather(*sent)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(write_and_die(KafkaSettings.load(), int(sys.argv[1])))
