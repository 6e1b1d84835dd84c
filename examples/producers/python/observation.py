"""Says where a node was seen: python observation.py NODE IP ASN REGION  (pip install aiokafka)."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

BROKERS = os.environ.get("KORDON_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("KORDON_KAFKA_PREFIX", "kordon.") + "node.network.v1"


async def main(node_id: str, ip: str, asn: str, region: str) -> None:
    """Send one observation; this returns once every in-sync replica has it."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    observation = {"nodeId": node_id, "observedAt": now, "ip": ip, "asn": int(asn), "region": region}
    async with AIOKafkaProducer(bootstrap_servers=BROKERS, enable_idempotence=True) as producer:
        # The key is the node id, always; aiokafka's default partitioner is murmur2, which is right.
        sent = await producer.send_and_wait(TOPIC, json.dumps(observation).encode(), key=node_id.encode())
    print(f"{node_id} seen in {region}: partition={sent.partition} offset={sent.offset}")


asyncio.run(main(*sys.argv[1:]))
