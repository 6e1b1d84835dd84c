"""A node gets its capsule."""

import asyncio
from pathlib import Path

from kordon.client import CapsuleClient, Denial, Ed25519Credential, KafkaSettings, Trust


async def main() -> None:
    """Ask, and say what came of it."""
    trust, credential = Trust.load(Path(".kordon/trust.json")), Ed25519Credential.load(Path("node-1.json"))
    async with CapsuleClient(KafkaSettings.load(), trust, "node-1", credential) as client:
        answer = await client.request("9f86d081884c7d659a2feaa0c55ad015", "1.0.0", patience_seconds=60)
    print(f"denied: {answer.reason}" if isinstance(answer, Denial) else f"granted until {answer.expires_at}")


asyncio.run(main())
