"""A program that plays a live fleet: so many records a second, of which some quarantine a node. It prints how many.

    python -m bench.live_load --bootstrap host:port --prefix bench. --partitions 4 --seconds 20 --name load

It is a process of its own so that what writes does not wait for what reads.
"""

from __future__ import annotations

import time

import click
from confluent_kafka import Producer

from schemas.codec import encode
from schemas.network import NetworkObservation
from schemas.telemetry import Telemetry, TelemetryKind
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, TELEMETRY
from transport.partitioner import partition_of

NODES = 10_000
TICK_SECONDS = 0.005
_SOME_TIME = Timestamp(0)


@click.command()
@click.option("--bootstrap", required=True)
@click.option("--prefix", required=True)
@click.option("--partitions", type=int, required=True)
@click.option("--seconds", type=float, required=True)
@click.option("--name", required=True, help="Of the nodes that stop: each play needs its own, they stay quarantined.")
@click.option("--rate", type=int, default=20_000, help="Records a second.")
@click.option("--quarantines", type=int, default=1_000, help="Of them, how many a second stop a new node abruptly.")
def main(bootstrap: str, prefix: str, partitions: int, seconds: float, name: str, rate: int, quarantines: int) -> None:
    """Play the fleet; each record's timestamp is the moment at which it was handed to the producer."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "linger.ms": 5,  # Kafka's default, in Java as in librdkafka
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
            "log_level": 2,  # that the broker has just started is no news
        }
    )
    every = rate // quarantines
    placed = [_placed(number, partitions) for number in range(NODES)]
    network, telemetry = prefix + NETWORK, prefix + TELEMETRY
    sent = stopped = 0
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        for index in range(sent, int(elapsed * rate)):
            now = Timestamp(time.time_ns() // 1_000_000)
            if index % every == 0:
                key = f"{name}-{index:09d}".encode()
                producer.produce(telemetry, _stop(key, now), key, partition_of(key, partitions), timestamp=now)
                stopped += 1
            else:
                key, partition, before, after = placed[index % NODES]
                producer.produce(network, before + str(now).encode() + after, key, partition, timestamp=now)
            sent += 1
        producer.poll(0)
        time.sleep(TICK_SECONDS)
    took = time.monotonic() - began
    left = producer.flush(30)
    print(f'{{"sent": {sent - left}, "quarantines": {stopped}, "seconds": {took:.3f}}}', flush=True)


def _stop(key: bytes, now: Timestamp) -> bytes:
    return encode(
        Telemetry(
            nodeId=key.decode(), observedAt=now, lastShutdownClean=False, bootId="boot-1", kind=TelemetryKind.BOOT
        )
    )


def _placed(number: int, partitions: int) -> tuple[bytes, int, bytes, bytes]:
    """Return a node's key and partition, and what is before and after the instant in an observation of it.

    Encoding each anew took a tenth of a core from what is measured.
    """
    key = f"node-{number:05d}".encode()
    observation = NetworkObservation(
        nodeId=key.decode(),
        observedAt=_SOME_TIME,
        ip=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
        asn=64_512 + number % 100,
        region="eu-central-0",
        observer="gateway-frankfurt-am-main-0001",
    )
    before, after = encode(observation).split(str(_SOME_TIME).encode())
    return key, partition_of(key, partitions), before, after


if __name__ == "__main__":
    main()
