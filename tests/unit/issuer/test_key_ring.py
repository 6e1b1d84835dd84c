"""The key ring keeps each kind of secret apart, knows which key is for what, and shows none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from issuer.key_ring import (
    CAPSULE_IDS_FILE,
    MASTERS_FILE,
    SEALING_FILE,
    SIGNING_FILE,
    KeyRing,
    KeyRingError,
    Secret,
    SigningKey,
)
from schemas.timestamp import Timestamp
from schemas.trust import KeyState
from transport.compact_jws import decode_base64url
from transport.key_files import KeyFileError, stored_secret, write_key_set
from transport.private_files import PrivateFileError
from transport.trust import Trust

PASSPHRASE = b"a passphrase of a test"
NOW = Timestamp(1_800_000_000_000)


def save(ring: KeyRing, folder: Path) -> None:
    ring.save(folder, PASSPHRASE, iterations=1000)


def secrets_of(ring: KeyRing) -> list[bytes]:
    return [
        *(key.private_key.private_bytes_raw() for key in ring.signing),
        *(key.content for key in (*ring.masters, *ring.capsule_ids)),
        *(key.private_key.private_bytes_raw() for key in ring.sealing),
    ]


def test_a_saved_ring_loads_as_it_was(tmp_path: Path) -> None:
    ring = KeyRing.generate("1", not_before=NOW, not_after=Timestamp(NOW + 1000))
    save(ring, tmp_path / "keys")
    loaded = KeyRing.load(tmp_path / "keys", PASSPHRASE)
    assert secrets_of(loaded) == secrets_of(ring)
    assert (loaded.signing[0].not_before, loaded.signing[0].not_after) == (NOW, NOW + 1000)
    assert [loaded.signing[0].kid, loaded.masters[0].kid, loaded.capsule_ids[0].kid, loaded.sealing[0].kid] == [
        "issuer-1",
        "master-1",
        "capsule-id-1",
        "sealing-1",
    ]


def test_each_kind_has_an_encrypted_file_of_its_own(tmp_path: Path) -> None:
    save(KeyRing.generate("1"), tmp_path)
    files = {file.name: file for file in tmp_path.iterdir()}
    assert set(files) == {SIGNING_FILE, MASTERS_FILE, CAPSULE_IDS_FILE, SEALING_FILE}
    for file in files.values():
        assert file.stat().st_mode & 0o777 == 0o600
        # A compact JWE, which has no quotation mark: what a key set would show is in none of its five parts, either.
        # (Three letters alone stand in one of some hundreds of such files by chance.)
        assert b'"kid"' not in file.read_bytes()
        parts = [decode_base64url(part) for part in file.read_bytes().strip().split(b".")]
        assert len(parts) == 5
        assert not any(b'"kid"' in part for part in parts)
    # Every file has a salt of its own, so no two share a key.
    assert len({file.read_bytes().split(b".")[0] for file in files.values()}) == 4


def test_all_secrets_of_a_ring_differ() -> None:
    assert len(set(secrets_of(KeyRing.generate("1")) + secrets_of(KeyRing.generate("1")))) == 8


def test_a_ring_shows_no_secret() -> None:
    ring = KeyRing.generate("1")
    shown = f"{ring!r} {ring}"
    for secret in secrets_of(ring):
        assert secret.hex() not in shown
        assert repr(secret) not in shown


@pytest.mark.parametrize("name", [SIGNING_FILE, MASTERS_FILE, CAPSULE_IDS_FILE, SEALING_FILE])
def test_a_ring_that_is_not_whole_does_not_load(tmp_path: Path, name: str) -> None:
    save(KeyRing.generate("1"), tmp_path)
    (tmp_path / name).chmod(0o640)
    with pytest.raises(PrivateFileError):
        KeyRing.load(tmp_path, PASSPHRASE)
    (tmp_path / name).unlink()
    with pytest.raises(PrivateFileError):
        KeyRing.load(tmp_path, PASSPHRASE)


def test_a_file_in_anothers_place_is_refused(tmp_path: Path) -> None:
    save(KeyRing.generate("1"), tmp_path)
    (tmp_path / SIGNING_FILE).write_bytes((tmp_path / SEALING_FILE).read_bytes())
    with pytest.raises(KeyFileError, match="another kind"):
        KeyRing.load(tmp_path, PASSPHRASE)


def test_another_passphrase_opens_nothing(tmp_path: Path) -> None:
    save(KeyRing.generate("1"), tmp_path)
    with pytest.raises(KeyFileError):
        KeyRing.load(tmp_path, b"another passphrase!")


def signing(kid: str, state: KeyState, before: int | None = None, after: int | None = None) -> SigningKey:
    return SigningKey(
        kid,
        state,
        Ed25519PrivateKey.generate(),
        None if before is None else Timestamp(before),
        None if after is None else Timestamp(after),
    )


def test_the_newest_active_and_valid_key_signs() -> None:
    ring = replace(
        KeyRing.generate("1"),
        signing=(
            signing("old", KeyState.ACTIVE, after=NOW + 60_000),
            signing("current", KeyState.ACTIVE, before=NOW),
            signing("next", KeyState.ACTIVE, before=NOW + 1_000),
            signing("retired", KeyState.RETIRED),
            signing("revoked", KeyState.REVOKED),
        ),
    )
    assert ring.signing_key(NOW - 1).kid == "old"
    assert ring.signing_key(NOW).kid == "current"
    assert ring.signing_key(NOW + 1_000).kid == "next"


def test_without_a_valid_key_nothing_is_signed() -> None:
    ring = replace(KeyRing.generate("1"), signing=(signing("old", KeyState.ACTIVE, after=NOW + 1_000),))
    assert ring.signing_key(NOW - 1).kid == "old"
    for at in (NOW, NOW + 999, NOW + 1_000):
        with pytest.raises(KeyRingError):
            ring.signing_key(at)


def test_no_exp_outlives_its_signing_key() -> None:
    key = signing("k", KeyState.ACTIVE, after=NOW + 1_999)
    assert key.last_exp(NOW // 1000) == NOW // 1000
    assert key.last_exp(NOW // 1000 + 86_400) == NOW // 1000 + 1


def test_retired_masters_derive_again_and_revoked_ones_nothing() -> None:
    ring = replace(
        KeyRing.generate("1"),
        masters=(
            Secret("a", KeyState.RETIRED, bytes(32)),
            Secret("b", KeyState.ACTIVE, bytes(32)),
            Secret("c", KeyState.REVOKED, bytes(32)),
        ),
    )
    for kid, found in (("a", True), ("b", True), ("c", False), ("d", False)):
        assert (ring.master(kid) is not None) == found
    newest = ring.master()
    assert newest is not None
    assert newest.kid == "b"
    with pytest.raises(KeyRingError, match="no master secret"):
        replace(ring, masters=ring.masters[::2]).master()


def test_a_ring_belongs_to_its_trust() -> None:
    ring, other = KeyRing.generate("1"), KeyRing.generate("1")
    trust = Trust(ring.trust_document("c", "iss", ()))
    ring.check_against(trust, NOW)
    with pytest.raises(KeyRingError, match="signing key"):
        other.check_against(trust, NOW)
    with pytest.raises(KeyRingError, match="sealing key"):
        replace(ring, sealing=other.sealing).check_against(trust, NOW)
    longer = replace(ring.signing[0], not_after=Timestamp(NOW + 100_000))
    with pytest.raises(KeyRingError, match="signing key"):
        replace(ring, signing=(longer,)).check_against(trust, NOW)
    retired = replace(ring, signing=(replace(ring.signing[0], state=KeyState.RETIRED),))
    with pytest.raises(KeyRingError):
        ring.check_against(Trust(retired.trust_document("c", "iss", ())), NOW)


def test_a_file_that_is_not_encrypted_is_refused(tmp_path: Path) -> None:
    """Whoever may write to the folder but lacks the passphrase must not be able to plant a secret that he knows."""
    save(KeyRing.generate("1"), tmp_path)
    write_key_set(tmp_path / MASTERS_FILE, [stored_secret("master-1", bytes(32))], None, replace=True)
    with pytest.raises(KeyFileError, match=f"{MASTERS_FILE} is not encrypted"):
        KeyRing.load(tmp_path, PASSPHRASE)
