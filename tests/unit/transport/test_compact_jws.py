"""Only one spelling of a compact JWS is accepted, and its signature is verified over the bytes carried."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from transport.compact_jws import (
    ED25519_ALGORITHMS,
    CompactJws,
    MalformedJwsError,
    decode_base64url,
    detach,
    encode_base64url,
    parse,
    sign,
    strict_json_object,
    thumbprint,
    verifies,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
TYP = "kordon-test+jwt"
ALGORITHMS = (*ED25519_ALGORITHMS, "HS256")


def segment(content: object) -> bytes:
    raw = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
    return urlsafe_b64encode(raw).rstrip(b"=")


def token(header: object = None, payload: object = b"{}", signature: bytes = b"x" * 64) -> bytes:
    members = {"alg": "EdDSA", "typ": TYP, "kid": "k"} if header is None else header
    return b".".join([segment(members), segment(payload), segment(signature)])


def refused(encoded: bytes) -> str:
    with pytest.raises(MalformedJwsError) as caught:
        parse(encoded, typ=TYP, algorithms=ALGORITHMS)
    return str(caught.value)


def test_what_was_signed_verifies_and_keeps_its_bytes() -> None:
    encoded = sign(b'{"a" : 1}', {"typ": TYP, "kid": "k"}, KEY)
    parsed = parse(encoded, typ=TYP, algorithms=ALGORITHMS)
    assert parsed.payload == b'{"a" : 1}'
    assert (parsed.algorithm, parsed.kid) == ("EdDSA", "k")
    assert verifies(parsed, PUBLIC)


@pytest.mark.parametrize("algorithm", ED25519_ALGORITHMS)
def test_both_names_of_ed25519_verify(algorithm: str) -> None:
    registry = jws.JWSRegistry(algorithms=[algorithm])
    header = {"alg": algorithm, "typ": TYP, "kid": "k"}
    if algorithm == "EdDSA":
        encoded = sign(b"{}", {"typ": TYP, "kid": "k"}, KEY)
    else:
        encoded = jws.serialize_compact(header, b"{}", OKPKey.import_key(KEY), registry=registry).encode()
    assert verifies(parse(encoded, typ=TYP, algorithms=ALGORITHMS), PUBLIC)


def test_rfc_8037_appendix_a_verifies() -> None:
    """The signature of RFC 8037 appendix A.4 under the key of A.1; only its header lacks what we require."""
    public = decode_base64url(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    encoded = (
        b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    key = Ed25519PublicKey.from_public_bytes(public)
    assert verifies(CompactJws({"alg": "EdDSA"}, b"Example of Ed25519 signing", encoded), key)
    # RFC 8037 appendix A.3: the RFC 7638 thumbprint of that key.
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_one_changed_bit_anywhere_does_not_verify() -> None:
    encoded = sign(b'{"n":1}', {"typ": TYP, "kid": "k"}, KEY)
    for position in range(len(encoded)):
        changed = bytearray(encoded)
        changed[position] ^= 1
        try:
            parsed = parse(bytes(changed), typ=TYP, algorithms=ALGORITHMS)
        except MalformedJwsError:
            continue
        assert not verifies(parsed, PUBLIC), position


def test_a_signature_whose_s_is_not_reduced_is_refused() -> None:
    """RFC 8032 section 5.1.7: S and S + L would both verify in a careless library, making two proofs of one."""
    order = 2**252 + 27742317777372353535851937790883648493
    encoded = sign(b"{}", {"typ": TYP, "kid": "k"}, KEY)
    signing_input, signature = encoded.rsplit(b".", 1)
    raw = decode_base64url(signature)
    s = int.from_bytes(raw[32:], "little")
    assert s < order
    malleated = raw[:32] + (s + order).to_bytes(32, "little")
    forged = signing_input + b"." + encode_base64url(malleated).encode()
    assert not verifies(parse(forged, typ=TYP, algorithms=ALGORITHMS), PUBLIC)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_does_not_verify(length: int) -> None:
    parsed = parse(token(signature=b"s" * length), typ=TYP, algorithms=ALGORITHMS)
    assert not verifies(parsed, PUBLIC)


def test_the_algorithm_is_the_keys_and_never_the_messages() -> None:
    """The classic confusion: HS256 with the public key's bytes as the secret."""
    forged = sign(b"{}", {"typ": TYP, "kid": "k"}, PUBLIC.public_bytes_raw())
    parsed = parse(forged, typ=TYP, algorithms=ALGORITHMS)
    assert parsed.algorithm == "HS256"
    assert verifies(parsed, PUBLIC.public_bytes_raw())
    assert not verifies(parsed, PUBLIC)
    honest = parse(sign(b"{}", {"typ": TYP, "kid": "k"}, KEY), typ=TYP, algorithms=ALGORITHMS)
    assert not verifies(honest, PUBLIC.public_bytes_raw())


@pytest.mark.parametrize("algorithm", ["none", "None", "RS256", "ES256", "HS512", "Ed448", "eddsa", ""])
def test_another_alg_is_malformed(algorithm: str) -> None:
    refused(token({"alg": algorithm, "typ": TYP, "kid": "k"}))
    refused(token({"alg": algorithm, "typ": TYP, "kid": "k"}, signature=b""))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "EdDSA", "typ": TYP},
        {"alg": "EdDSA", "kid": "k"},
        {"typ": TYP, "kid": "k"},
        {"alg": "EdDSA", "typ": TYP, "kid": "k", "jwk": {}},
        {"alg": "EdDSA", "typ": TYP, "kid": "k", "crit": ["b64"], "b64": False},
        {"alg": "EdDSA", "typ": TYP, "kid": "k", "jku": "https://example.org"},
        {"alg": "EdDSA", "typ": "JWT", "kid": "k"},
        {"alg": "EdDSA", "typ": TYP.upper(), "kid": "k"},
        {"alg": "EdDSA", "typ": TYP, "kid": ""},
        {"alg": "EdDSA", "typ": TYP, "kid": "k" * 257},
        {"alg": "EdDSA", "typ": TYP, "kid": 1},
        {"alg": "EdDSA", "typ": TYP, "kid": None},
        {"alg": ["EdDSA"], "typ": TYP, "kid": "k"},
        ["alg", "typ", "kid"],
        "EdDSA",
        b"",
        b"{",
        b'{"alg":"EdDSA","alg":"EdDSA","typ":"kordon-test+jwt","kid":"k"}',
        b'{"alg":"EdDSA","\\u0061lg":"none","typ":"kordon-test+jwt","kid":"k"}',
        b'\xef\xbb\xbf{"alg":"EdDSA","typ":"kordon-test+jwt","kid":"k"}',
        b'{"alg":"EdDSA","typ":"kordon-test+jwt","kid":"\xff"}',
        '{"alg":"EdDSA","typ":"kordon-test+jwt","kid":"k"}'.encode("utf-16"),
        b"[" * 9_000,
        b'{"a":' * 1_500,
        b'{"alg":"EdDSA","typ":"kordon-test+jwt","kid":NaN}',
        b'{"alg":"EdDSA","typ":"kordon-test+jwt","kid":' + b"9" * 5_000 + b"}",
    ],
)
def test_another_header_is_malformed(header: object) -> None:
    refused(token(header))


@pytest.mark.parametrize(
    "mangle",
    [
        lambda t: t + b"=",
        lambda t: t + b"\n",
        lambda t: b" " + t,
        lambda t: t.replace(b".", b"..", 1),
        lambda t: t + b".e30",
        lambda t: t.rsplit(b".", 1)[0],
        lambda t: t.replace(b".", b",", 1),
        lambda t: t + b"+",
        lambda t: t + b"/",
        lambda t: t + "é".encode(),
        lambda t: t + b"\x00",
        lambda t: t[:0],
        lambda t: t[:0] + b"..",
        lambda t: t[:0] + b'{"payload":"e30","protected":"e30","signature":""}',
    ],
)
def test_another_spelling_is_malformed(mangle: object) -> None:
    assert callable(mangle)
    refused(mangle(token()))


def test_trailing_bits_that_are_not_zero_are_malformed() -> None:
    assert decode_base64url(b"eA") == b"x"
    for other in (b"eB", b"eC", b"eP"):
        with pytest.raises(MalformedJwsError):
            decode_base64url(other)
    header, payload, _ = token().split(b".")
    refused(b".".join([header, payload, b"eB"]))


def test_sixteen_kibibytes_are_accepted_and_one_byte_more_is_not() -> None:
    empty = len(token(payload=b""))
    fitting = token(payload=b"p" * ((16 * 1024 - empty) * 3 // 4))
    padding = 16 * 1024 - len(fitting)
    assert 0 <= padding <= 2
    assert parse(fitting, typ=TYP, algorithms=ALGORITHMS).payload
    refused(token(payload=b"p" * ((16 * 1024 - empty) * 3 // 4 + 2)))


def test_a_detached_payload_is_what_is_verified() -> None:
    encoded = detach(sign(b"the value", {"typ": TYP, "kid": "k"}, KEY))
    assert b".." in encoded

    def read(value: bytes) -> bool:
        return verifies(parse(encoded, typ=TYP, algorithms=ALGORITHMS, detached_payload=value), PUBLIC)

    assert read(b"the value")
    assert not read(b"the valuE")
    assert not read(b"")


def test_a_payload_that_is_not_detached_is_malformed_where_it_should_be() -> None:
    with pytest.raises(MalformedJwsError):
        parse(token(payload=b"x"), typ=TYP, algorithms=ALGORITHMS, detached_payload=b"x")


def test_an_empty_detached_payload_is_a_payload() -> None:
    encoded = detach(sign(b"", {"typ": TYP, "kid": "k"}, KEY))
    assert verifies(parse(encoded, typ=TYP, algorithms=ALGORITHMS, detached_payload=b""), PUBLIC)
    assert not verifies(parse(encoded, typ=TYP, algorithms=ALGORITHMS, detached_payload=b"x"), PUBLIC)


def test_a_large_detached_payload_verifies() -> None:
    value = b"v" * 1_000_000
    encoded = detach(sign(value, {"typ": TYP, "kid": "k"}, KEY))
    assert verifies(parse(encoded, typ=TYP, algorithms=ALGORITHMS, detached_payload=value), PUBLIC)


def test_an_hs256_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        sign(b"{}", {"typ": TYP, "kid": "k"}, b"short")


def test_a_name_that_comes_twice_is_refused_at_any_depth() -> None:
    for text in (b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":[{"b":1,"b":2}]}', b'{"a":1,"\\u0061":2}'):
        with pytest.raises(MalformedJwsError):
            strict_json_object(text)
    assert strict_json_object(b'{"a":{"b":1},"b":{"b":1}}') == {"a": {"b": 1}, "b": {"b": 1}}


@given(st.binary(max_size=400))
def test_any_bytes_are_a_token_or_malformed(encoded: bytes) -> None:
    try:
        parsed = parse(encoded, typ=TYP, algorithms=ALGORITHMS)
    except MalformedJwsError:
        return
    assert not verifies(parsed, PUBLIC)


@given(st.binary(max_size=100))
def test_base64url_has_one_spelling(data: bytes) -> None:
    assert decode_base64url(encode_base64url(data).encode()) == data
