"""A node reports its boots, and an observer where it saw the node: as many at once as there are."""

import asyncio

from kordon.client import KafkaSettings, NetworkObservation, Publisher, Telemetry, now


async def main() -> None:
    """Write all of it, with at most 100 records that are not acknowledged."""
    async with Publisher(KafkaSettings.load(), max_in_flight=100, timeout_seconds=20) as publisher:
        boots = [Telemetry(f"node-{n}", now(), lastShutdownClean=True, bootId="1") for n in range(1, 200)]
        await asyncio.gather(*(publisher.telemetry(boot) for boot in boots))
        seen = await publisher.observation(NetworkObservation("node-1", now(), ip="192.0.2.1", asn=64500))
    print(f"{len(boots)} boots are written, and an observation in partition {seen.partition}")


asyncio.run(main())
