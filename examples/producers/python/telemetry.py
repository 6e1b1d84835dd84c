"""Reports a boot and a heartbeat of each node named: python telemetry.py NODE...  (pip install aiokafka)."""

import asyncio
import json
import os
import sys
import uuid
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

BROKERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("KORDON_KAFKA_PREFIX", "kordon.") + "node.telemetry.v1"


def report(node_id: str, boot_id: str, kind: str) -> bytes:
    """Return the value of a record: JSON in UTF-8, its time in RFC 3339 with a zone."""
    telemetry = {
        "nodeId": node_id,
        "observedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "lastShutdownClean": True,
        "bootId": boot_id,
        "kind": kind,
    }
    return json.dumps(telemetry).encode()


async def main(node_ids: list[str]) -> None:
    """Send the reports; each call returns once every in-sync replica has the record."""
    # aiokafka's default partitioner is murmur2, which is right; its default codec is none.
    async with AIOKafkaProducer(
        bootstrap_servers=BROKERS, enable_idempotence=True, compression_type="gzip"
    ) as producer:
        for node_id in node_ids:
            boot_id = str(uuid.uuid4())
            for kind in ("boot", "heartbeat"):
                # The key is the node id, always: a record whose key is another is rejected.
                sent = await producer.send_and_wait(TOPIC, report(node_id, boot_id, kind), key=node_id.encode())
                print(f"{node_id} {kind} partition={sent.partition} offset={sent.offset}")


asyncio.run(main(sys.argv[1:]))
