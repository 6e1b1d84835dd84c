"""Claims about kordon/client/requests.py and credentials.py: what a node sends."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kordon.client.credentials import Ed25519Credential, HmacCredential, NodeCredential
from kordon.client.requests import SignedRequest, sign_request
from schemas.capsules import REQUEST_TYP
from schemas.codec import DecodeError
from schemas.network import Network
from transport.compact_jws import ED25519_ALGORITHMS, HMAC_ALGORITHMS, parse, verifies
from transport.public_keys import ed25519_public_key, x25519_public_key

KEY = Ed25519PrivateKey.generate()
OWN_KEY = Ed25519Credential("k1", KEY)
TOKEN = HmacCredential("t1", b"a token")
FINGERPRINT = "9f86d081884c7d659a2feaa0c55ad015"


def request(credential: NodeCredential = OWN_KEY, **changes: object) -> SignedRequest:
    arguments: dict[str, object] = {
        "node_id": "node-1",
        "audience": "berlin/kordon.",
        "fingerprint": FINGERPRINT,
        "runtime_version": "1.2.3",
        "issued_at": 1_790_000_000,
    }
    return sign_request(credential, **(arguments | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("credential", "key"),
    [(OWN_KEY, ed25519_public_key(OWN_KEY.public_key)), (TOKEN, sha256(b"a token").digest())],
    ids=["ed25519", "hmac"],
)
def test_a_request_is_a_compact_jws_that_the_enrolled_credential_verifies(
    credential: NodeCredential, key: object
) -> None:
    signed = request(credential)

    token = parse(signed.value, typ=REQUEST_TYP, algorithms=ED25519_ALGORITHMS + HMAC_ALGORITHMS)
    assert token.kid == credential.kid
    assert verifies(token, key)  # type: ignore[arg-type]
    assert msgspec.json.decode(token.payload) == {
        "requestId": signed.claims.requestId,
        "nodeId": "node-1",
        "iat": 1_790_000_000,
        "aud": "berlin/kordon.",
        "fingerprint": FINGERPRINT,
        "runtimeVersion": "1.2.3",
        "sealTo": signed.claims.sealTo,
    }


def test_the_digest_is_that_of_the_bytes_sent() -> None:
    signed = request()

    assert signed.digest == sha256(signed.value).hexdigest()


def test_every_request_has_an_id_and_a_sealing_key_of_its_own() -> None:
    requests = [request() for _ in range(50)]

    assert len({each.claims.requestId for each in requests}) == 50
    assert len({each.claims.sealTo for each in requests}) == 50


def test_the_sealing_key_is_the_public_half_of_the_one_that_stays() -> None:
    signed = request()

    assert x25519_public_key(signed.claims.sealTo) == signed.seal_key.public_key()


def test_what_the_node_says_of_its_network_is_canonical() -> None:
    signed = request(network=Network("::ffff:198.51.100.1", 64500))

    token = parse(signed.value, typ=REQUEST_TYP, algorithms=ED25519_ALGORITHMS)
    assert msgspec.json.decode(token.payload)["network"] == {"ip": "198.51.100.1", "asn": 64500}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("fingerprint", {"fingerprint": "not hex"}),
        ("nodeId", {"node_id": "a node"}),
        ("runtimeVersion", {"runtime_version": ""}),
        ("requestId", {"request_id": "short"}),
    ],
)
def test_what_no_issuer_would_read_is_not_signed(field: str, changes: dict[str, object]) -> None:
    with pytest.raises(DecodeError) as error:
        request(OWN_KEY, **changes)
    assert error.value.field == field


def test_no_secret_is_in_a_repr() -> None:
    shown = repr(OWN_KEY) + repr(TOKEN) + repr(request(TOKEN))

    assert "a token" not in shown
    assert "PrivateKey" not in shown
