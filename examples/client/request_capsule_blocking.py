"""A node without an event loop gets its capsule."""

from pathlib import Path

from kordon.client import Denial, Ed25519Credential, KafkaSettings, Trust
from kordon.client.blocking import CapsuleClient

trust, credential = Trust.load(Path(".kordon/trust.json")), Ed25519Credential.load(Path("node-1.json"))
with CapsuleClient(KafkaSettings.load(), trust, "node-1", credential) as client:
    answer = client.request("9f86d081884c7d659a2feaa0c55ad015", "1.0.0", patience_seconds=60)
print(f"denied: {answer.reason}" if isinstance(answer, Denial) else f"granted until {answer.expires_at}")
