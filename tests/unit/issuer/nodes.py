"""Nodes that ask and a judge that answers, in memory: the real cryptography, no broker."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from issuer.correlation import ReplyTopics
from issuer.counts import Counts
from issuer.envelopes import EnvelopeBuilder
from issuer.judgement import Judge, Rules
from issuer.key_ring import KeyRing
from issuer.refusal_rate import RefusalRate
from issuer.state import CopartitionState
from policy.issuance import IssuanceLimits
from policy.policy_file import default_policy
from schemas.capsules import CapsuleClaims, CapsuleReply, DenialClaims
from schemas.codec import decode, encode
from schemas.decisions import CapsuleDecision
from schemas.network import Network
from schemas.progress import StreamsProgress
from schemas.registry import Credential, CredentialType, NodeRegistryStatus, RegistryRecord
from schemas.risk import NodeStatus, RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import REGISTRY, RISK, STREAMS_PROGRESS
from schemas.trust import KeyState, Role, TrustedKey
from transport.compact_jws import digest_of, encode_base64url, sign
from transport.envelopes import Expected, verify_reply
from transport.key_files import SigningKey, generate_signing_key
from transport.outgoing import Headers, OutgoingRecord
from transport.sealing import seal_verifier, verifier_of
from transport.settings import KafkaSettings
from transport.signed_records import sign as sign_record
from transport.trust import Trust

NOW = Timestamp(1_800_000_000_000)
SECOND = NOW // 1000
FINGERPRINT = "ab" * 16
HERE = Network(ip="192.0.2.1", asn=64_500, region="eu")
TOKEN = b"a bearer token"


class Record(NamedTuple):
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True)
class Answer:
    """What a request led to. ``decision`` and ``binding`` are there where one was written."""

    records: list[OutgoingRecord]
    claims: CapsuleClaims | DenialClaims
    reply: CapsuleReply
    decision: CapsuleDecision | None


class Desk:
    """One co-partition of one: an issuer's judge with an operator and nodes at hand."""

    def __init__(self, *, refusals_per_second: int = 1000, ring: KeyRing | None = None) -> None:
        self.kafka = KafkaSettings(prefix="k.")
        self.ring = ring or KeyRing.generate("1")
        self.operator = generate_signing_key("operator")
        self.seal_key = X25519PrivateKey.generate()
        self.keys: dict[str, SigningKey] = {}
        roles = (Role.ENROL, Role.REVOKE)
        trusted = TrustedKey(self.operator.kid, self.operator.public_key_text, roles, KeyState.ACTIVE)
        self.trust = Trust(self.ring.trust_document("c", "iss", [trusted]))
        self.audience = self.trust.audience("k.")
        self.counts = Counts()
        self.seconds = 0.0
        self.state = self.new_state()
        self.refusals_per_second = refusals_per_second
        self.judge = self.new_judge()
        self.progress()

    def new_state(self) -> CopartitionState:
        return CopartitionState(0, 1, self.trust, self.ring, self.counts)

    def new_judge(self, **limits: int) -> Judge:
        topics = ReplyTopics("k.capsule.replies.v1", {"k.capsule.replies.v1": 1})
        issuance = IssuanceLimits(**limits)
        builder = EnvelopeBuilder(self.trust, self.ring, self.audience, issuance.lifetime_seconds)
        rules = Rules(self.audience, default_policy(), issuance, self.ring, builder, topics)
        rate = RefusalRate(self.refusals_per_second, lambda: self.seconds)
        return Judge(self.kafka, rules, self.state, rate, self.counts)

    def register(self, record: RegistryRecord, *, signer: SigningKey | None = None, **where: Any) -> None:
        signer = signer or self.operator
        key, value = record.nodeId.encode(), encode(record)
        header = sign_record(
            value, topic=REGISTRY, key=key, kid=signer.kid, private_key=signer.private_key, issued_at=SECOND
        )
        self.state.read_registry(Record("k." + REGISTRY, 0, 0, NOW, key, value, (header,))._replace(**where))

    def enrol(self, node_id: str = "node-1", revision: int = 1, **changes: Any) -> SigningKey:
        key = self.keys.setdefault(node_id, generate_signing_key("1"))
        credentials = (Credential("1", publicKey=key.public_key_text),)
        record = RegistryRecord(node_id, revision, NodeRegistryStatus.ACTIVE, enabled=True, credentials=credentials)
        self.register(msgspec.structs.replace(record, **changes))
        return key

    def enrol_hmac(self, node_id: str = "node-1") -> bytes:
        sealed = seal_verifier(self.trust.sealing_key, TOKEN, cluster_id="c", node_id=node_id, kid="1")
        credential = Credential("1", CredentialType.HMAC, sealedVerifier=sealed)
        self.register(RegistryRecord(node_id, 1, NodeRegistryStatus.ACTIVE, enabled=True, credentials=(credential,)))
        return verifier_of(TOKEN)

    def progress(self, **changes: Any) -> None:
        progress = StreamsProgress(1, 0, NOW, {}, 1, (), 0, lagMillis=0, policyVersion=1)
        value = encode(msgspec.structs.replace(progress, **changes))
        self.state.read_progress(Record("k." + STREAMS_PROGRESS, 0, 0, NOW, None, value))

    def row(self, node_id: str = "node-1", **changes: Any) -> None:
        row = RiskRow(1, node_id, NodeStatus.ACTIVE, 0, (), 7, 1, NOW, baseline=HERE, current=HERE)
        value = encode(msgspec.structs.replace(row, **changes))
        self.state.read_risk(Record("k." + RISK, 0, 0, NOW, node_id.encode(), value))

    def claims(self, node_id: str = "node-1", **changes: Any) -> dict[str, Any]:
        return {
            "requestId": "request-id-1234567",
            "nodeId": node_id,
            "iat": SECOND,
            "aud": self.audience,
            "fingerprint": FINGERPRINT,
            "runtimeVersion": "1.0.0",
            "sealTo": encode_base64url(self.seal_key.public_key().public_bytes_raw()),
            **changes,
        }

    def request(self, node_id: str = "node-1", *, key: SigningKey | bytes | None = None, **changes: Any) -> bytes:
        payload = json.dumps(self.claims(node_id, **changes)).encode()
        key = key or self.keys[node_id]
        secret = key.private_key if isinstance(key, SigningKey) else key
        return sign(payload, {"typ": "kordon-request+jwt", "kid": "1"}, secret)

    def records_of(
        self,
        value: bytes | None,
        *,
        key: bytes | None = b"node-1",
        headers: Headers = (),
        now: int = NOW,
        caught_up: bool = True,
    ) -> list[OutgoingRecord]:
        record = Record("k.capsule.requests.v1", 0, 3, now, key, value, headers)
        return list(self.judge.judge(record, caught_up=caught_up, now=Timestamp(now)))

    def ask(self, value: bytes | None, *, node_id: str | None = "node-1", now: int = NOW, **how: Any) -> Answer:
        """Judge a request and return its answer, verified as its node would."""
        records = self.records_of(value, now=now, **how)
        by_topic = {record.topic: record for record in records}
        reply = by_topic["k.capsule.replies.v1"].value
        expected = Expected(self.audience, now, digest_of(value or b""), node_id, skew_seconds=0)
        decided = by_topic.get("k.capsule.decisions.v1")
        return Answer(
            records,
            verify_reply(reply, self.trust, expected),
            decode(CapsuleReply, reply, "reply"),
            None if decided is None else decode(CapsuleDecision, decided.value, "decision"),
        )


def segment(content: object) -> bytes:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).rstrip(b"=")
