"""A node or verifier believes an envelope only if everything about it is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.capsules import CAPSULE_TYP, DENIAL_TYP, CapsuleClaims, CapsuleReply
from schemas.codec import encode
from schemas.risk import NodeStatus, RiskRow
from schemas.timestamp import Timestamp
from schemas.trust import KeyState
from tests.unit.transport.envelopes import (
    CAPSULE_ID,
    DIGEST,
    EXPECTED,
    EXPIRES,
    NODE,
    NOW,
    OPERATOR,
    RUNTIME_KEY,
    SEAL_KEY,
    TRUST,
    capsule_claims,
    denial_claims,
    signed,
    trust_with,
)
from transport.envelopes import (
    FAULT_TEXTS,
    EnvelopeError,
    EnvelopeFault,
    Expected,
    is_void,
    open_capsule,
    prove_possession,
    utc_second,
    verify_capsule,
    verify_denial,
    verify_possession,
    verify_reply,
)
from transport.sealing import seal
from transport.trust import Trust


def fault_of(act: Callable[[], object]) -> EnvelopeFault:
    with pytest.raises(EnvelopeError) as caught:
        act()
    return caught.value.fault


def capsule_fault(envelope: str, trust: Trust = TRUST, expected: Expected = EXPECTED) -> EnvelopeFault:
    return fault_of(lambda: verify_capsule(envelope, trust, expected))


def test_a_genuine_capsule_is_believed_and_opens() -> None:
    claims = verify_capsule(signed(capsule_claims()), TRUST, EXPECTED)
    assert claims == capsule_claims(sealedRuntimeKey=claims.sealedRuntimeKey)
    assert open_capsule(claims, SEAL_KEY, NODE.public_key()) == RUNTIME_KEY


def test_a_genuine_denial_is_believed() -> None:
    assert verify_denial(signed(denial_claims()), TRUST, EXPECTED) == denial_claims()


def test_each_verifier_accepts_exactly_one_typ() -> None:
    assert capsule_fault(signed(capsule_claims(), typ=DENIAL_TYP)) is EnvelopeFault.MALFORMED
    assert capsule_fault(signed(capsule_claims(), typ="JWT")) is EnvelopeFault.MALFORMED
    denial = signed(denial_claims(), typ=CAPSULE_TYP)
    assert fault_of(lambda: verify_denial(denial, TRUST, EXPECTED)) is EnvelopeFault.MALFORMED
    assert capsule_fault(denial) is EnvelopeFault.MALFORMED_CLAIMS


def test_only_an_issuers_key_signs_envelopes() -> None:
    assert capsule_fault(signed(capsule_claims(), kid="operator", key=OPERATOR)) is EnvelopeFault.NOT_AN_ISSUER
    assert capsule_fault(signed(capsule_claims(), kid="nobody")) is EnvelopeFault.UNKNOWN_SIGNER
    assert capsule_fault(signed(capsule_claims(), key=OPERATOR)) is EnvelopeFault.BAD_SIGNATURE
    assert capsule_fault(signed(capsule_claims(), key=bytes(32))) is EnvelopeFault.MALFORMED
    assert capsule_fault(signed(capsule_claims()), trust_with(KeyState.REVOKED)) is EnvelopeFault.SIGNER_REVOKED


def test_a_retired_key_still_verifies_and_its_validity_must_cover_the_whole_capsule() -> None:
    envelope = signed(capsule_claims())
    assert verify_capsule(envelope, trust_with(KeyState.RETIRED), EXPECTED).capsuleId == CAPSULE_ID
    assert verify_capsule(envelope, trust_with(before=NOW, after=EXPIRES), EXPECTED).capsuleId == CAPSULE_ID
    for short in (trust_with(before=NOW + 1), trust_with(after=EXPIRES - 1)):
        assert capsule_fault(envelope, short) is EnvelopeFault.SIGNER_NOT_VALID_THEN


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"iss": "other"}, EnvelopeFault.OTHER_ISSUER),
        ({"aud": "c/"}, EnvelopeFault.OTHER_AUDIENCE),
        ({"iat": NOW + 301}, EnvelopeFault.ISSUED_IN_THE_FUTURE),
        ({"requestDigest": "e" * 64}, EnvelopeFault.OTHER_REQUEST),
        ({"nodeId": "node-2"}, EnvelopeFault.OTHER_NODE),
        ({"exp": EXPIRES - 1}, EnvelopeFault.LIFETIME),
        ({"exp": EXPIRES + 301, "expiresUtc": utc_second(EXPIRES + 301)}, EnvelopeFault.LIFETIME),
        ({"iat": NOW - 301}, EnvelopeFault.LIFETIME),
        ({"exp": NOW, "expiresUtc": utc_second(NOW)}, EnvelopeFault.EXPIRED),
        ({"expiresUtc": "2026-99-99T99:99:99Z"}, EnvelopeFault.LIFETIME),
        ({"keyConfirmation": "zz"}, EnvelopeFault.MALFORMED_CLAIMS),
        ({"denied": True}, EnvelopeFault.MALFORMED_CLAIMS),
        ({"capsuleId": "C" * 32}, EnvelopeFault.MALFORMED_CLAIMS),
    ],
)
def test_a_capsule_with_a_wrong_claim_is_not_believed(changes: dict[str, Any], fault: EnvelopeFault) -> None:
    claims = msgspec.to_builtins(capsule_claims()) | changes
    assert capsule_fault(signed(msgspec.json.encode(claims))) is fault


def test_a_claim_that_comes_twice_is_malformed() -> None:
    text = encode(capsule_claims())
    assert capsule_fault(signed(text[:-1] + b',"nodeId":"node-1"}')) is EnvelopeFault.MALFORMED_CLAIMS


def test_a_capsule_expires_at_its_exp_to_the_millisecond() -> None:
    envelope = signed(capsule_claims())
    last = Expected("c/kordon.", EXPIRES * 1000 - 1, DIGEST, "node-1")
    assert verify_capsule(envelope, TRUST, last).capsuleId == CAPSULE_ID
    assert capsule_fault(envelope, expected=Expected("c/kordon.", EXPIRES * 1000)) is EnvelopeFault.EXPIRED


def test_a_verifier_that_did_not_ask_needs_neither_digest_nor_node() -> None:
    assert verify_capsule(signed(capsule_claims()), TRUST, Expected("c/kordon.", NOW * 1000)).capsuleId == CAPSULE_ID


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"exp": NOW + 301}, EnvelopeFault.LIFETIME),
        ({"iat": NOW - 600, "exp": NOW - 300}, EnvelopeFault.EXPIRED),
        ({"reason": "BECAUSE"}, EnvelopeFault.MALFORMED_CLAIMS),
        ({"denied": False}, EnvelopeFault.MALFORMED_CLAIMS),
        ({"aud": "c/"}, EnvelopeFault.OTHER_AUDIENCE),
        ({"requestDigest": "e" * 64}, EnvelopeFault.OTHER_REQUEST),
    ],
)
def test_a_denial_with_a_wrong_claim_is_not_believed(changes: dict[str, Any], fault: EnvelopeFault) -> None:
    envelope = signed(msgspec.json.encode(msgspec.to_builtins(denial_claims()) | changes), typ=DENIAL_TYP)
    assert fault_of(lambda: verify_denial(envelope, TRUST, EXPECTED)) is fault


def test_what_stands_outside_the_envelope_counts_for_nothing() -> None:
    def reply(envelope: str, **outer: Any) -> bytes:
        return encode(CapsuleReply(envelope=envelope, **outer))

    genuine = signed(capsule_claims())
    lying = reply(genuine, denied=False, nodeId="node-2", capsuleId="0" * 32, riskScore=99)
    claims = verify_reply(lying, TRUST, EXPECTED)
    assert isinstance(claims, CapsuleClaims)
    assert claims.capsuleId == CAPSULE_ID
    assert fault_of(lambda: verify_reply(reply(genuine, denied=True), TRUST, EXPECTED)) is EnvelopeFault.MALFORMED
    denial = signed(denial_claims())
    assert fault_of(lambda: verify_reply(reply(denial, denied=False), TRUST, EXPECTED)) is EnvelopeFault.MALFORMED


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"denied":false}', b'{"denied":true,"envelope":"\xc3\xa9"}'])
def test_what_is_no_reply_is_malformed(value: bytes | None) -> None:
    assert fault_of(lambda: verify_reply(value, TRUST, EXPECTED)) is EnvelopeFault.MALFORMED


def test_a_capsule_opens_only_for_the_key_it_is_bound_to() -> None:
    claims = capsule_claims()
    assert fault_of(lambda: open_capsule(claims, SEAL_KEY, OPERATOR.public_key())) is EnvelopeFault.OTHER_HOLDER
    assert fault_of(lambda: open_capsule(claims, SEAL_KEY)) is EnvelopeFault.OTHER_HOLDER
    unbound = capsule_claims(cnf=None)
    assert open_capsule(unbound, SEAL_KEY) == RUNTIME_KEY
    assert fault_of(lambda: open_capsule(unbound, SEAL_KEY, NODE.public_key())) is EnvelopeFault.OTHER_HOLDER


def test_a_runtime_key_that_is_not_the_confirmed_one_is_not_used() -> None:
    for claims in (
        capsule_claims(keyConfirmation="0" * 64),
        capsule_claims(sealedRuntimeKey=seal(SEAL_KEY.public_key(), RUNTIME_KEY, b"another purpose")),
        capsule_claims(runtimeVersion="1.0", capsuleId="e" * 32),
    ):
        opening = lambda claims=claims: open_capsule(claims, SEAL_KEY, NODE.public_key())  # noqa: E731
        assert fault_of(opening) is EnvelopeFault.KEY_NOT_CONFIRMED
    other = X25519PrivateKey.generate()
    assert fault_of(lambda: open_capsule(capsule_claims(), other, NODE.public_key())) is EnvelopeFault.KEY_NOT_CONFIRMED


def test_a_quarantine_voids_the_capsules_judged_before_it() -> None:
    row = RiskRow(1, "node-1", NodeStatus.ACTIVE, 0, (), 9, 1, Timestamp(0))
    assert not is_void(capsule_claims(), None)
    assert not is_void(capsule_claims(), row)
    for valid_from, void in ((4, False), (5, False), (6, True)):
        assert is_void(capsule_claims(), msgspec.structs.replace(row, capsulesValidFrom=valid_from)) == void


def test_possession_is_proved_by_the_bound_key_for_one_challenge_and_capsule() -> None:
    claims, challenge = capsule_claims(), b"sixteen bytes of"
    proof = prove_possession(NODE, CAPSULE_ID, challenge)
    assert verify_possession(claims, NODE.public_key(), challenge, proof)
    assert not verify_possession(claims, NODE.public_key(), challenge + b"!", proof)
    assert not verify_possession(
        claims, OPERATOR.public_key(), challenge, prove_possession(OPERATOR, CAPSULE_ID, challenge)
    )
    assert not verify_possession(claims, NODE.public_key(), challenge, prove_possession(NODE, "e" * 32, challenge))
    assert not verify_possession(capsule_claims(cnf=None), NODE.public_key(), challenge, proof)
    assert not verify_possession(claims, NODE.public_key(), challenge, b"no proof")
    with pytest.raises(ValueError, match="16 random bytes"):
        prove_possession(NODE, CAPSULE_ID, b"short")
    with pytest.raises(ValueError, match="16 random bytes"):
        verify_possession(claims, NODE.public_key(), b"short", proof)


def test_every_fault_has_its_text() -> None:
    assert set(FAULT_TEXTS) == set(EnvelopeFault)
