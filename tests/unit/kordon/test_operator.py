"""What an operator enrols is fit for use, or is refused before anything is written."""

from __future__ import annotations

import pytest

from issuer.key_ring import KeyRing
from kordon.failures import CommandFailed
from kordon.operator import Operator
from schemas.trust import KeyState, Role, TrustedKey
from transport.compact_jws import encode_base64url
from transport.key_files import generate_signing_key
from transport.settings import KafkaSettings
from transport.trust import Trust


@pytest.fixture
async def operator() -> Operator:
    key = generate_signing_key("operator")
    trusted = TrustedKey(key.kid, key.public_key_text, (Role.ENROL,), KeyState.ACTIVE)
    trust = Trust(KeyRing.generate("1").trust_document("c", "iss", [trusted]))
    return Operator(KafkaSettings(), trust, key, "anna")


async def test_a_nodes_public_key_becomes_its_credential(operator: Operator) -> None:
    text = generate_signing_key("1").public_key_text
    assert operator.ed25519_credential("1", text).publicKey == text


@pytest.mark.parametrize(
    ("public_key", "why"),
    [
        (bytes(32), "small order"),
        (b"\xff" * 31 + b"\x7f", "not the canonical encoding"),
        (b"\x02" + bytes(31), "not a point of the Ed25519 curve"),
        (bytes(31), "not 32 bytes"),
    ],
)
async def test_a_public_key_that_verifies_nothing_or_anything_is_refused(
    operator: Operator, public_key: bytes, why: str
) -> None:
    with pytest.raises(CommandFailed, match=why):
        operator.ed25519_credential("1", encode_base64url(public_key))
