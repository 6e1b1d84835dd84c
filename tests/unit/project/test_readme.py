"""The README's example is what the code does: an observation, the transition it causes, the denial that follows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from issuer.envelopes import EnvelopeBuilder, Judged
from issuer.key_ring import KeyRing, SealingKeyPair, Secret, SigningKey
from kordon.client import Ed25519Credential
from kordon.demo.narration import sentence_of
from kordon.demo.scenario import SCENARIO
from policy.fleet import Fleet
from policy.issuance import Denial, IssuanceLimits, Request, View, decide
from policy.policy_file import default_policy
from policy.risk import Folded
from schemas.capsules import RequestClaims
from schemas.codec import encode
from schemas.progress import StreamsProgress
from schemas.quarantine import QuarantineTransition
from schemas.registry import Credential, NodeRegistryStatus, RegistryRecord
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK
from schemas.trust import KeyState
from transport.compact_jws import digest_of, encode_base64url, thumbprint
from transport.envelopes import Expected, verify_denial
from transport.partitioner import partition_of
from transport.trust import Trust

README = Path(__file__).parents[3] / "README.md"
NODE = "cobalt"
FINGERPRINT = "5f" * 16
DELIVERY_MILLIS = 40
FIRST_OFFSET = 41
ASKED_AT = Timestamp.parse("2026-03-02T09:31:00Z")
POLICY = default_policy()


def example(name: str) -> list[dict[str, Any]]:
    """The JSON of the block under ``<!-- example: name -->``: one document, or one a line."""
    found = re.search(rf"<!-- example: {name} -->\n```json\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None, f"the README has no example {name}"
    text = found[1]
    return [json.loads(text)] if text.startswith("{\n") else [json.loads(line) for line in text.splitlines()]


def folded() -> tuple[RiskRow, list[int], list[QuarantineTransition]]:
    """The row, the scores on the way and the transitions of the README's observations."""
    fleet = Fleet(POLICY)
    scores, transitions = [], []
    for offset, observation in enumerate(example("observations"), FIRST_OFFSET):
        written_at = Timestamp.parse(observation["observedAt"]) + DELIVERY_MILLIS
        value = json.dumps(observation).encode()
        outcome = fleet.fold(NETWORK, partition_of(NODE.encode(), 12), offset, written_at, NODE, value)
        assert isinstance(outcome, Folded)
        scores.append(outcome.row.score)
        transitions += [outcome.transition] if outcome.transition else []
    return fleet.rows[NODE], scores, transitions


def denied() -> dict[str, Any]:
    """The verified claims of the denial that the node gets."""
    node_key = Ed25519Credential("1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    signing_key = SigningKey("issuer-1", KeyState.ACTIVE, Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
    ring = KeyRing(
        (signing_key,),
        (Secret("master-1", KeyState.ACTIVE, bytes(32)),),
        (Secret("capsule-id-1", KeyState.ACTIVE, bytes(32)),),
        (SealingKeyPair("sealing-1", KeyState.ACTIVE, X25519PrivateKey.from_private_bytes(bytes(range(2, 34)))),),
    )
    trust = Trust(ring.trust_document("prod", "kordon-prod", ()))
    audience = trust.audience("kordon.")
    seal_key = X25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
    claims = RequestClaims(
        requestId="Zk2vJ8q0TzS4mYw7Xc1bLg",
        nodeId=NODE,
        iat=ASKED_AT // 1000,
        aud=audience,
        fingerprint=FINGERPRINT,
        runtimeVersion="4.2.0",
        sealTo=encode_base64url(seal_key.public_key().public_bytes_raw()),
    )
    digest = digest_of(node_key.sign(encode(claims)))
    enrolled = RegistryRecord(
        nodeId=NODE,
        revision=1,
        status=NodeRegistryStatus.ACTIVE,
        enabled=True,
        credentials=(Credential(kid="1", publicKey=node_key.public_key),),
        fingerprint=FINGERPRINT,
    )
    row, _, _ = folded()
    progress = StreamsProgress(
        schemaVersion=1,
        partition=partition_of(NODE.encode(), 12),
        at=ASKED_AT,
        offsets={},
        partitionCount=12,
        batches=(),
        riskEnd=0,
        lagMillis=0,
        policyVersion=POLICY.version,
    )
    request = Request(claims, digest, enrolled, None, proof_verified=True, remembered_digest=None)
    view = View(caught_up=True, progress=progress, row=row)
    decision = decide(request, view, ASKED_AT, audience, POLICY, IssuanceLimits())
    assert isinstance(decision, Denial)
    judged = Judged(ASKED_AT, row.revision, POLICY.version, thumbprint(node_key.private_key.public_key()))
    reply = EnvelopeBuilder(trust, ring, audience, 86_400).denial(
        decision, digest=digest, node_id=NODE, request_id=claims.requestId, judged=judged
    )
    verified = verify_denial(reply.envelope, trust, Expected(audience, ASKED_AT, digest, NODE))
    found: dict[str, Any] = json.loads(encode(verified))
    return found


def test_the_example_goes_from_20_to_90() -> None:
    row, scores, _ = folded()
    assert scores == [0, 20, 90]
    assert row.status == "quarantined"


def test_the_transition_in_the_readme_is_the_one_it_causes() -> None:
    _, _, transitions = folded()
    assert example("transition") == [json.loads(encode(each)) for each in transitions]


def test_the_denial_in_the_readme_is_the_one_that_follows() -> None:
    assert example("denial") == [denied()]


def test_the_demo_in_the_readme_is_the_one_that_is_played() -> None:
    played = {(sentence_of(step), step.expect) for act in SCENARIO for step in act.steps}
    steps = sum(len(act.steps) for act in SCENARIO)
    output = README.read_text().partition("$ make demo\n")[2].partition("```")[0]
    shown = [
        (sentence.strip(), actual.strip())
        for sentence, actual in re.findall(r"^   ✓ (.+?)   +(\S.*)$", output, re.MULTILINE)
        if "simulated nodes" not in sentence
    ]
    assert len(shown) > 20
    assert set(shown) <= played
    assert f"All {steps + 1} outcomes were as expected" in output
    titles = re.findall(r"^\d  (.+)$", output, re.MULTILINE)
    assert titles == [act.title for act in SCENARIO]
