"""What the issuer signs, anybody can verify with stock tools, and what would not verify never leaves."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from issuer.envelopes import EnvelopeBuilder, Judged, SignedWrongError, is_authenticated
from issuer.key_ring import KeyRing, KeyRingError
from policy.issuance import Denial
from schemas.capsules import CapsuleReply
from schemas.decisions import DenialReason
from schemas.timestamp import Timestamp
from tests.unit.issuer.nodes import NOW, SECOND, Desk
from transport.trust import Trust

JUDGED = Judged(NOW, 7, 1, None)
DIGEST = "d" * 64


def decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def denial_of(builder: EnvelopeBuilder, judged: Judged = JUDGED) -> CapsuleReply:
    denial = Denial(DenialReason.NODE_REVOKED, "revoked")
    return builder.denial(denial, digest=DIGEST, node_id="node-1", request_id="r" * 16, judged=judged)


def test_an_envelope_verifies_without_any_of_our_code() -> None:
    desk = Desk()
    desk.enrol()
    reply = desk.ask(desk.request()).reply
    header, payload, signature = reply.envelope.split(".")
    public = Ed25519PublicKey.from_public_bytes(decoded(desk.trust.document.keys[0].publicKey))
    public.verify(decoded(signature), f"{header}.{payload}".encode())
    assert json.loads(decoded(header)) == {"alg": "EdDSA", "typ": "kordon-capsule+jwt", "kid": "issuer-1"}
    claims = json.loads(decoded(payload))
    assert claims["denied"] is False
    assert claims["nodeId"] == "node-1"
    assert claims["exp"] - SECOND == 86_400
    assert "." in reply.envelope
    assert reply.envelope.isascii()


def test_a_key_that_nobody_trusts_signs_nothing_that_leaves() -> None:
    ring = KeyRing.generate("1")
    stranger = Trust(KeyRing.generate("1").trust_document("c", "iss", ()))
    with pytest.raises(SignedWrongError, match="signature"):
        denial_of(EnvelopeBuilder(stranger, ring, "c/k.", 86_400))


def test_a_key_whose_validity_trust_does_not_share_signs_nothing_that_leaves() -> None:
    ring = KeyRing.generate("1")
    shorter = replace(ring, signing=(replace(ring.signing[0], not_after=Timestamp(NOW + 10_000)),))
    trust = Trust(shorter.trust_document("c", "iss", ()))
    with pytest.raises(SignedWrongError, match="not valid"):
        denial_of(EnvelopeBuilder(trust, ring, "c/k.", 86_400))


def test_an_ended_key_signs_nothing() -> None:
    ring = KeyRing.generate("1", not_after=NOW)
    trust = Trust(ring.trust_document("c", "iss", ()))
    with pytest.raises(KeyRingError):
        denial_of(EnvelopeBuilder(trust, ring, "c/k.", 86_400))


@pytest.mark.parametrize("left_millis", [1_001, 1_999, 2_000, 299_999, 300_000, 10**9])
def test_a_denial_lives_300_seconds_or_to_the_end_of_its_key(left_millis: int) -> None:
    ring = KeyRing.generate("1", not_after=Timestamp(NOW + left_millis))
    trust = Trust(ring.trust_document("c", "iss", ()))
    claims = json.loads(decoded(denial_of(EnvelopeBuilder(trust, ring, "c/k.", 86_400)).envelope.split(".")[1]))
    assert claims["exp"] == SECOND + min(300, left_millis // 1000)


def test_only_failures_of_the_first_two_checks_are_of_nobody() -> None:
    assert {reason for reason in DenialReason if not is_authenticated(reason)} == {
        DenialReason.MALFORMED_REQUEST,
        DenialReason.AUTHENTICATION_FAILED,
    }
