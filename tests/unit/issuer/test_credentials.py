"""Proof follows from the registry's credentials alone, and failing costs the same work whatever the reason."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from issuer import credentials
from issuer.credentials import verify_proof
from issuer.requests import REQUEST_ALGORITHMS
from transport.compact_jws import CompactJws, VerificationKey, parse, sign, thumbprint, verifies

KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
SECRET = bytes([2]) * 32
TYP = "kordon-request+jwt"


def token(key: Ed25519PrivateKey | bytes, kid: str = "1") -> CompactJws:
    return parse(sign(b"{}", {"typ": TYP, "kid": kid}, key), typ=TYP, algorithms=REQUEST_ALGORITHMS)


def test_the_right_key_proves_and_names_its_thumbprint() -> None:
    proof = verify_proof(token(KEY), {"1": KEY.public_key()})
    assert (proof.verified, proof.jkt) == (True, thumbprint(KEY.public_key()))
    proof = verify_proof(token(SECRET), {"1": SECRET})
    assert (proof.verified, proof.jkt) == (True, None)


FAILURES: list[tuple[str, Ed25519PrivateKey | bytes, dict[str, VerificationKey] | None]] = [
    ("an unknown node", KEY, None),
    ("an unknown node, by token", SECRET, None),
    ("no credentials", KEY, {}),
    ("another kid", KEY, {"2": KEY.public_key()}),
    ("another key", KEY, {"1": Ed25519PrivateKey.generate().public_key()}),
    ("another token", SECRET, {"1": bytes(32)}),
    ("a token for a key", SECRET, {"1": KEY.public_key()}),
    ("the public key as a token", KEY.public_key().public_bytes_raw(), {"1": KEY.public_key()}),
    ("a key for a token", KEY, {"1": SECRET}),
]


@pytest.mark.parametrize(("signer", "known"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES])
def test_every_failure_verifies_one_signature_of_the_same_kind(
    monkeypatch: pytest.MonkeyPatch, signer: Ed25519PrivateKey | bytes, known: dict[str, VerificationKey] | None
) -> None:
    work: list[type] = []

    def counted(checked: CompactJws, key: VerificationKey) -> bool:
        work.append(bytes if isinstance(key, bytes) else Ed25519PrivateKey)
        return verifies(checked, key)

    monkeypatch.setattr(credentials, "verifies", counted)
    proof = verify_proof(token(signer), known)
    assert (proof.verified, proof.jkt) == (False, None)
    assert work == [bytes if isinstance(signer, bytes) else Ed25519PrivateKey]
