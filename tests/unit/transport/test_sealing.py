"""A seal is RFC 9180's ``enc || ct`` and opens for one key and one purpose only.

The other side is an implementation of RFC 9180's base mode written here from the RFC's text, pinned to the RFC's own
vector (appendix A.1.1) before it is used to judge ours.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transport.compact_jws import decode_base64url, encode_base64url
from transport.sealing import (
    SealBrokenError,
    capsule_info,
    open_seal,
    open_verifier,
    seal,
    seal_verifier,
    verifier_info,
    verifier_of,
)


@dataclass(frozen=True)
class IndependentHpke:
    """RFC 9180 base mode, single shot, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-GCM."""

    aead_id: int
    key_bytes: int

    def open(self, private: X25519PrivateKey, sealed: bytes, info: bytes, aad: bytes = b"") -> bytes:
        enc, ct = sealed[:32], sealed[32:]
        shared = self.decapsulate(private, enc)
        key, nonce = self.schedule(shared, info)
        return AESGCM(key).decrypt(nonce, ct, aad)

    def seal(self, ephemeral: X25519PrivateKey, public: X25519PublicKey, text: bytes, info: bytes, aad: bytes) -> bytes:
        enc = ephemeral.public_key().public_bytes_raw()
        shared = self._shared(ephemeral.exchange(public), enc + public.public_bytes_raw())
        key, nonce = self.schedule(shared, info)
        return enc + AESGCM(key).encrypt(nonce, text, aad)

    def decapsulate(self, private: X25519PrivateKey, enc: bytes) -> bytes:
        exchanged = private.exchange(X25519PublicKey.from_public_bytes(enc))
        return self._shared(exchanged, enc + private.public_key().public_bytes_raw())

    def schedule(self, shared: bytes, info: bytes) -> tuple[bytes, bytes]:
        suite = b"HPKE" + bytes([0x00, 0x20, 0x00, 0x01, 0x00, self.aead_id])
        context = b"\x00" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
        secret = extract(suite, shared, b"secret", b"")
        return expand(suite, secret, b"key", context, self.key_bytes), expand(suite, secret, b"base_nonce", context, 12)

    @staticmethod
    def _shared(exchanged: bytes, kem_context: bytes) -> bytes:
        suite = b"KEM\x00\x20"
        return expand(suite, extract(suite, b"", b"eae_prk", exchanged), b"shared_secret", kem_context, 32)


def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    block = hmac.digest(prk, labelled + b"\x01", "sha256")
    return (block + hmac.digest(prk, block + labelled + b"\x02", "sha256"))[:length]


OURS = IndependentHpke(aead_id=2, key_bytes=32)


def test_the_independent_implementation_gives_the_rfcs_vector() -> None:
    """RFC 9180 appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode, sequence number 0."""
    rfc = IndependentHpke(aead_id=1, key_bytes=16)
    recipient = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
    )
    ephemeral = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
    )
    enc = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
    info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    text = bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")
    aad = bytes.fromhex("436f756e742d30")
    ct = bytes.fromhex("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a")
    assert rfc.decapsulate(recipient, enc).hex() == "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc"
    assert rfc.seal(ephemeral, recipient.public_key(), text, info, aad) == enc + ct
    assert rfc.open(recipient, enc + ct, info, aad) == text


def test_what_we_seal_opens_by_the_independent_implementation() -> None:
    private, secret = X25519PrivateKey.generate(), bytes(range(32))
    sealed = decode_base64url(seal(private.public_key(), secret, b"info").encode())
    assert len(sealed) == 32 + 32 + 16
    assert OURS.open(private, sealed, b"info") == secret


def test_what_the_independent_implementation_seals_we_open() -> None:
    private, secret = X25519PrivateKey.generate(), bytes(range(32))
    sealed = OURS.seal(X25519PrivateKey.generate(), private.public_key(), secret, b"info", b"")
    assert open_seal(private, encode_base64url(sealed), b"info") == secret


def test_two_seals_of_one_secret_have_nothing_in_common() -> None:
    private = X25519PrivateKey.generate()
    first, second = (decode_base64url(seal(private.public_key(), bytes(32), b"i").encode()) for _ in range(2))
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]


def test_a_seal_opens_for_no_other_key_purpose_or_bytes() -> None:
    private = X25519PrivateKey.generate()
    sealed = seal(private.public_key(), bytes(32), b"info")
    with pytest.raises(SealBrokenError):
        open_seal(X25519PrivateKey.generate(), sealed, b"info")
    with pytest.raises(SealBrokenError):
        open_seal(private, sealed, b"other")
    raw = decode_base64url(sealed.encode())
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises(SealBrokenError):
            open_seal(private, encode_base64url(bytes(changed)), b"info")


@pytest.mark.parametrize("sealed", ["", "A", "AAAA", "A" * 43, "é", "=" * 10, encode_base64url(bytes(80)), "A" * 107])
def test_what_is_no_seal_does_not_open(sealed: str) -> None:
    with pytest.raises(SealBrokenError):
        open_seal(X25519PrivateKey.generate(), sealed, b"info")


def test_a_seal_of_another_length_does_not_open() -> None:
    private = X25519PrivateKey.generate()
    with pytest.raises(SealBrokenError):
        open_seal(private, seal(private.public_key(), bytes(31), b"i"), b"i")


def test_the_infos_are_those_of_the_design() -> None:
    assert (
        capsule_info("iss", "node-1", "0" * 32, "2026-11-24T00:00:00Z", "f" * 64)
        == b"kordon.capsule-seal.v1|iss|node-1|" + b"0" * 32 + b"|2026-11-24T00:00:00Z|" + b"f" * 64
    )
    assert verifier_info("c", "node-1", "k") == b"kordon.hmac-verifier.v1|c|node-1|k"


def test_a_verifier_opens_only_for_its_cluster_node_and_kid() -> None:
    old, new = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    sealed = seal_verifier(old.public_key(), b"token", cluster_id="c", node_id="n", kid="k")
    assert open_verifier([new, old], sealed, cluster_id="c", node_id="n", kid="k") == verifier_of(b"token")
    for other in ({"cluster_id": "d"}, {"node_id": "m"}, {"kid": "l"}):
        with pytest.raises(SealBrokenError):
            open_verifier([new, old], sealed, **{"cluster_id": "c", "node_id": "n", "kid": "k", **other})
    with pytest.raises(SealBrokenError):
        open_verifier([new], sealed, cluster_id="c", node_id="n", kid="k")
    with pytest.raises(SealBrokenError):
        open_verifier([], sealed, cluster_id="c", node_id="n", kid="k")
