"""The wire form, byte for byte. A test that fails here means: old readers and old records meet new bytes."""

import msgspec
import pytest

from schemas.capsules import CapsuleClaims, CapsuleReply, Confirmation, DenialClaims, RequestClaims
from schemas.codec import decode, encode
from schemas.commands import Action, Command
from schemas.decisions import CapsuleDecision, DenialReason
from schemas.network import Network, NetworkObservation
from schemas.progress import IssuerProgress, StreamsProgress
from schemas.quarantine import QuarantineTransition, transition_id
from schemas.registry import Binding, Credential, CredentialType, NodeRegistryStatus, RegistryRecord
from schemas.risk import Cause, Evidence, LastCapsule, NodeStatus, Quarantine, RiskRow, Signal, SignalKind
from schemas.telemetry import Telemetry, TelemetryKind
from schemas.timestamp import Timestamp

AT = Timestamp.parse("2026-11-23T20:00:10Z")
SIGNALS = (
    Signal(SignalKind.ASN_CHANGED, 40, AT, Evidence("node.network.v1", 3, 17), 64500, 64501),
    Signal(SignalKind.REGION_CHANGED, 50, AT, Evidence("node.network.v1", 3, 17), "eu-west", "us-east"),
)
GOLDEN: list[tuple[msgspec.Struct, bytes]] = [
    (
        Telemetry("n1", AT, False, "e1", "b1", TelemetryKind.BOOT, 1.5, "1.2.3", "ab" * 16, {"load": 0.5}),
        b'{"nodeId":"n1","observedAt":"2026-11-23T20:00:10.000Z","lastShutdownClean":false,"eventId":"e1",'
        b'"bootId":"b1","kind":"boot","uptimeSeconds":1.5,"agentVersion":"1.2.3",'
        b'"fingerprint":"abababababababababababababababab","metrics":{"load":0.5}}',
    ),
    (
        NetworkObservation("n1", AT, "192.0.2.10", 64500, "eu-west", "e1", "gateway-1"),
        b'{"nodeId":"n1","observedAt":"2026-11-23T20:00:10.000Z","ip":"192.0.2.10","asn":64500,"region":"eu-west",'
        b'"eventId":"e1","observer":"gateway-1"}',
    ),
    (
        Command("c1", "n1", Action.EXEMPT, "ops@example.org", "moving racks", AT, Timestamp(AT + 1)),
        b'{"commandId":"c1","nodeId":"n1","action":"exempt","actor":"ops@example.org","reason":"moving racks",'
        b'"issuedAt":"2026-11-23T20:00:10.000Z","expiresAt":"2026-11-23T20:00:10.001Z"}',
    ),
    (
        RiskRow(
            schemaVersion=1,
            nodeId="n1",
            status=NodeStatus.QUARANTINED,
            score=90,
            signals=SIGNALS,
            revision=7,
            policyVersion=1,
            updatedAt=AT,
            baseline=Network(None, 64500, "eu-west"),
            current=Network("192.0.2.10", 64501, "us-east"),
            baselineRevision=2,
            lastNetworkAt=AT,
            lastTelemetryAt=AT,
            lastBootId="b1",
            lastShutdownClean=False,
            lastCommandId="c1",
            lastCommandAt=AT,
            quarantine=Quarantine(transition_id("n1", 7), AT, Cause.POLICY, 90),
            exemptUntil=AT,
            capsulesValidFrom=7,
            lastCapsule=LastCapsule("0" * 32, "2026-11-24T20:00:10Z"),
        ),
        b'{"schemaVersion":1,"nodeId":"n1","status":"quarantined","score":90,"signals":['
        b'{"kind":"asnChanged","points":40,"raisedAt":"2026-11-23T20:00:10.000Z",'
        b'"evidence":{"topic":"node.network.v1","partition":3,"offset":17},"from":64500,"to":64501},'
        b'{"kind":"regionChanged","points":50,"raisedAt":"2026-11-23T20:00:10.000Z",'
        b'"evidence":{"topic":"node.network.v1","partition":3,"offset":17},"from":"eu-west","to":"us-east"}],'
        b'"revision":7,"policyVersion":1,"updatedAt":"2026-11-23T20:00:10.000Z",'
        b'"baseline":{"asn":64500,"region":"eu-west"},'
        b'"current":{"ip":"192.0.2.10","asn":64501,"region":"us-east"},"baselineRevision":2,'
        b'"lastNetworkAt":"2026-11-23T20:00:10.000Z","lastTelemetryAt":"2026-11-23T20:00:10.000Z","lastBootId":"b1",'
        b'"lastShutdownClean":false,"lastCommandId":"c1","lastCommandAt":"2026-11-23T20:00:10.000Z",'
        b'"quarantine":{"transitionId":"586d45153190e3aa03cab5a4b78e9e01","since":"2026-11-23T20:00:10.000Z",'
        b'"cause":"policy","score":90},"exemptUntil":"2026-11-23T20:00:10.000Z","capsulesValidFrom":7,'
        b'"lastCapsule":{"capsuleId":"00000000000000000000000000000000","expiresUtc":"2026-11-24T20:00:10Z"}}',
    ),
    (
        QuarantineTransition(
            transitionId="0" * 32,
            nodeId="n1",
            from_=NodeStatus.ACTIVE,
            to=NodeStatus.QUARANTINED,
            at=AT,
            score=50,
            threshold=80,
            signals=SIGNALS[1:],
            cause=Cause.OPERATOR,
            policyVersion=1,
            revision=7,
            actor="ops@example.org",
            reason="checked on site",
        ),
        b'{"transitionId":"00000000000000000000000000000000","nodeId":"n1","from":"active","to":"quarantined",'
        b'"at":"2026-11-23T20:00:10.000Z","score":50,"threshold":80,"signals":['
        b'{"kind":"regionChanged","points":50,"raisedAt":"2026-11-23T20:00:10.000Z",'
        b'"evidence":{"topic":"node.network.v1","partition":3,"offset":17},"from":"eu-west","to":"us-east"}],'
        b'"cause":"operator","policyVersion":1,"revision":7,"actor":"ops@example.org","reason":"checked on site"}',
    ),
    (
        CapsuleDecision(
            requestId="request-00000000",
            nodeId="n1",
            requestDigest="0" * 64,
            decidedAt=AT,
            denied=True,
            riskRevision=7,
            current=Network("192.0.2.10"),
            claims=Network(region="us-east"),
            reason=DenialReason.NETWORK_POLICY_VIOLATION,
            riskScore=90,
        ),
        b'{"requestId":"request-00000000","nodeId":"n1","requestDigest":"' + b"0" * 64 + b'",'
        b'"decidedAt":"2026-11-23T20:00:10.000Z","denied":true,"riskRevision":7,"current":{"ip":"192.0.2.10"},'
        b'"claims":{"region":"us-east"},"reason":"NETWORK_POLICY_VIOLATION","riskScore":90}',
    ),
    (
        StreamsProgress(1, 3, AT, {"node.network.v1": 18}, 12, ({"node.network.v1": (17, 18)},), 5, 12, 1),
        b'{"schemaVersion":1,"partition":3,"at":"2026-11-23T20:00:10.000Z","offsets":{"node.network.v1":18},'
        b'"partitionCount":12,"batches":[{"node.network.v1":[17,18]}],"riskEnd":5,"lagMillis":12,"policyVersion":1}',
    ),
    (
        RegistryRecord(
            nodeId="n1",
            revision=2,
            status=NodeRegistryStatus.ACTIVE,
            enabled=True,
            credentials=(
                Credential("k1", publicKey="A" * 43),
                Credential("k2", CredentialType.HMAC, sealedVerifier="B" * 100),
            ),
            bindingEpoch=1,
            fingerprint="AB" * 16,
            servicePrincipal="spiffe://example.org/n1",
            runtimeVersion="1.2.3",
            ring="canary",
            architecture="arm64",
            updatedAt=AT,
            updatedBy="ops@example.org",
        ),
        b'{"nodeId":"n1","revision":2,"status":"active","enabled":true,"credentials":['
        b'{"kid":"k1","publicKey":"' + b"A" * 43 + b'"},'
        b'{"kid":"k2","type":"hmac","sealedVerifier":"' + b"B" * 100 + b'"}],"bindingEpoch":1,'
        b'"fingerprint":"abababababababababababababababab","servicePrincipal":"spiffe://example.org/n1",'
        b'"runtimeVersion":"1.2.3","ring":"canary","architecture":"arm64","updatedAt":"2026-11-23T20:00:10.000Z",'
        b'"updatedBy":"ops@example.org"}',
    ),
    (
        Binding("n1", "AB" * 16, 0, AT),
        b'{"nodeId":"n1","fingerprint":"abababababababababababababababab","bindingEpoch":0,'
        b'"boundAt":"2026-11-23T20:00:10.000Z"}',
    ),
    (
        RequestClaims(
            "request-00000000", "n1", 1, "berlin/kordon.", "AB" * 16, "1.2.3", "C" * 43, Network(region="us-east")
        ),
        b'{"requestId":"request-00000000","nodeId":"n1","iat":1,"aud":"berlin/kordon.",'
        b'"fingerprint":"abababababababababababababababab","runtimeVersion":"1.2.3","sealTo":"' + b"C" * 43 + b'",'
        b'"network":{"region":"us-east"}}',
    ),
    (
        CapsuleReply(
            denied=True,
            envelope="e.e.e",
            requestId="request-00000000",
            nodeId="n1",
            riskScore=90,
            reason=DenialReason.NETWORK_POLICY_VIOLATION,
            retryAfterSeconds=5,
            serverTime=AT,
        ),
        b'{"denied":true,"envelope":"e.e.e","requestId":"request-00000000","nodeId":"n1","riskScore":90,'
        b'"reason":"NETWORK_POLICY_VIOLATION","retryAfterSeconds":5,"serverTime":"2026-11-23T20:00:10.000Z"}',
    ),
    (
        CapsuleClaims(
            denied=False,
            requestId="request-00000000",
            nodeId="n1",
            capsuleId="0" * 32,
            expiresUtc="2026-11-24T20:00:10Z",
            riskScore=0,
            sealedRuntimeKey="D",
            iss="kordon-berlin",
            aud="berlin/kordon.",
            iat=1,
            exp=2,
            requestDigest="0" * 64,
            riskRevision=3,
            policyVersion=1,
            masterId="m1",
            runtimeVersion="1.2.3",
            keyConfirmation="1" * 64,
            servicePrincipal="spiffe://example.org/n1",
            cnf=Confirmation("E" * 43),
        ),
        b'{"denied":false,"requestId":"request-00000000","nodeId":"n1","capsuleId":"' + b"0" * 32 + b'",'
        b'"expiresUtc":"2026-11-24T20:00:10Z","riskScore":0,"sealedRuntimeKey":"D","iss":"kordon-berlin",'
        b'"aud":"berlin/kordon.","iat":1,"exp":2,"requestDigest":"' + b"0" * 64 + b'","riskRevision":3,'
        b'"policyVersion":1,"masterId":"m1","runtimeVersion":"1.2.3","keyConfirmation":"' + b"1" * 64 + b'",'
        b'"servicePrincipal":"spiffe://example.org/n1","cnf":{"jkt":"' + b"E" * 43 + b'"}}',
    ),
    (
        DenialClaims(
            denied=True,
            reason=DenialReason.MALFORMED_REQUEST,
            iss="kordon-berlin",
            aud="berlin/kordon.",
            iat=1,
            exp=301,
            requestDigest="0" * 64,
            policyVersion=1,
            nodeId="n1",
        ),
        b'{"denied":true,"reason":"MALFORMED_REQUEST","iss":"kordon-berlin","aud":"berlin/kordon.","iat":1,"exp":301,'
        b'"requestDigest":"' + b"0" * 64 + b'","policyVersion":1,"nodeId":"n1"}',
    ),
    (
        IssuerProgress(1, 3, AT, {"capsule.requests.v1": 2}, 12, {"capsule.requests.v1": "id"}),
        b'{"schemaVersion":1,"partition":3,"at":"2026-11-23T20:00:10.000Z","offsets":{"capsule.requests.v1":2},'
        b'"partitionCount":12,"topicIds":{"capsule.requests.v1":"id"}}',
    ),
]


@pytest.mark.parametrize(("message", "wire"), GOLDEN, ids=lambda value: type(value).__name__)
def test_a_message_has_these_bytes_and_comes_back_from_them(message: msgspec.Struct, wire: bytes) -> None:
    assert encode(message).decode() == wire.decode()
    assert decode(type(message), wire, "t") == message


def test_a_transition_id_is_the_digest_of_node_and_revision() -> None:
    # Origin: printf 'n1:7' | sha256sum
    assert transition_id("n1", 7) == "586d45153190e3aa03cab5a4b78e9e01"
