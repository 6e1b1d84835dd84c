"""A node shows its capsule to a service named "payments", which lets it prove to be the holder."""

from pathlib import Path

from kordon.client import Capsule, CapsuleVerifier, Ed25519Credential, KafkaSettings, Trust
from kordon.client.blocking import CapsuleClient, RiskRows

settings, trust = KafkaSettings.load(), Trust.load(Path(".kordon/trust.json"))
credential = Ed25519Credential.load(Path("node-1.json"))
with CapsuleClient(settings, trust, "node-1", credential) as node, RiskRows(settings) as rows:
    capsule = node.request("9f86d081884c7d659a2feaa0c55ad015", "1.0.0", patience_seconds=60)
    assert isinstance(capsule, Capsule), capsule.reason
    service = CapsuleVerifier(trust, settings.prefix, service="payments", row_of=rows.row_of)
    challenge = service.new_challenge()  # sent to the node, which answers:
    possession = credential.prove_possession(capsule.capsule_id, challenge, service="payments")
    claims = service.verify(capsule.envelope, challenge, possession)
    print(f"{claims.nodeId} may come in until {claims.expiresUtc}")
