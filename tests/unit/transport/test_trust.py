"""Trust comes from a file that only its owner can write, and every key in it is fit for use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.codec import encode
from schemas.timestamp import Timestamp
from schemas.trust import KeyState, Role, SealingKey, TrustDocument, TrustedKey, json_schema
from transport.compact_jws import encode_base64url
from transport.trust import Trust, TrustFileError

DOCS = Path(__file__).parents[3] / "docs"


def public(number: int) -> str:
    return encode_base64url(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key().public_bytes_raw())


def document() -> TrustDocument:
    sealing = X25519PrivateKey.from_private_bytes(bytes([9]) * 32).public_key().public_bytes_raw()
    return TrustDocument(
        1,
        "berlin",
        "kordon-berlin",
        (
            TrustedKey("issuer-1", public(1), (Role.ISSUE,), KeyState.ACTIVE, Timestamp(1_000), Timestamp(2_000)),
            TrustedKey("anna", public(2), (Role.ENROL, Role.REVOKE), KeyState.ACTIVE, owner="Anna"),
            TrustedKey("ben", public(3), (Role.QUARANTINE,), KeyState.REVOKED),
        ),
        SealingKey("sealing-1", encode_base64url(sealing)),
    )


def write(path: Path, change: Callable[[Any], object] = lambda _: None, mode: int = 0o600) -> Path:
    members = json.loads(encode(document()))
    change(members)
    file = path / "trust.json"
    file.write_text(json.dumps(members))
    file.chmod(mode)
    return file


def test_a_saved_trust_loads_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "trust.json"
    Trust(document()).save(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Trust.load(file).document == document()


def test_keys_are_found_by_kid_state_and_validity(tmp_path: Path) -> None:
    trust = Trust.load(write(tmp_path))
    assert trust.signer("nobody") is None
    assert trust.signer("ben") is not None
    assert trust.signer_at("ben", 1_500) is None
    assert trust.signer_at("issuer-1", 999) is None
    assert trust.signer_at("issuer-1", 1_000) is not None
    assert trust.signer_at("issuer-1", 1_999) is not None
    assert trust.signer_at("issuer-1", 2_000) is None
    anna = trust.signer_at("anna", 0)
    assert anna is not None
    assert anna.has_role(Role.ENROL)
    assert not anna.has_role(Role.RELEASE)


def test_the_audience_has_the_prefix_verbatim(tmp_path: Path) -> None:
    trust = Trust.load(write(tmp_path))
    assert trust.audience("kordon.") == "berlin/kordon."
    assert trust.audience("") == "berlin/"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o644, 0o610, 0o777])
def test_a_file_that_others_may_use_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path, mode=mode)
    with pytest.raises(TrustFileError, match=f"chmod 600 {file}"):
        Trust.load(file)


def test_a_stricter_mode_is_accepted(tmp_path: Path) -> None:
    assert Trust.load(write(tmp_path, mode=0o400)).issuer == "kordon-berlin"


def test_a_missing_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(TrustFileError, match="kordon keys init"):
        Trust.load(tmp_path / "trust.json")


def test_a_folder_is_no_trust(tmp_path: Path) -> None:
    with pytest.raises(TrustFileError):
        Trust.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: m.pop("clusterId"), "clusterId"),
        (lambda m: m.update(clusterId="a/b"), "clusterId"),
        (lambda m: m.update(clusterId="a|b"), "clusterId"),
        (lambda m: m.update(issuer="a|b"), "issuer"),
        (lambda m: m.update(issuer=""), "issuer"),
        (lambda m: m.update(schemaVersion=2), "upgrade"),
        (lambda m: m.pop("sealingKey"), "sealingKey"),
        (lambda m: m["keys"][1].update(kid="issuer-1"), "same kid"),
        (lambda m: m["keys"][0].update(roles=[]), "roles"),
        (lambda m: m["keys"][0].update(roles=["issue", "enrol"]), "issue"),
        (lambda m: m["keys"][0].update(roles=["king"]), "roles"),
        (lambda m: m["keys"][0].update(state="maybe"), "state"),
        (lambda m: m["keys"][0].update(notBefore="1970-01-01T00:00:02Z"), "notBefore"),
        (lambda m: m["keys"][0].update(notAfter="tomorrow"), "notAfter"),
        (lambda m: m["keys"][0].update(publicKey="AA"), "publicKey"),
        (lambda m: m["keys"][0].update(publicKey="A" * 43), "small order"),
        (lambda m: m["keys"][0].update(publicKey=encode_base64url(b"\xff" * 32)), "canonical"),
        (lambda m: m["sealingKey"].update(publicKey="A" * 43), "low order"),
    ],
)
def test_a_document_that_is_not_as_it_should_be_is_refused(
    tmp_path: Path, change: Callable[[Any], object], text: str
) -> None:
    with pytest.raises(TrustFileError, match=text):
        Trust.load(write(tmp_path, change))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"clusterId":"a","clusterId":"b"}', b"\xff", b"null"])
def test_what_is_no_document_is_refused(tmp_path: Path, content: bytes) -> None:
    file = write(tmp_path)
    file.write_bytes(content)
    with pytest.raises(TrustFileError):
        Trust.load(file)


def test_an_existing_trust_is_not_overwritten_unasked(tmp_path: Path) -> None:
    file = write(tmp_path)
    before = file.read_bytes()
    with pytest.raises(Exception, match="move it away"):
        Trust(document()).save(file)
    assert file.read_bytes() == before
    Trust(document()).save(file, replace=True)
    assert Trust.load(file).document == document()


def test_the_committed_schema_is_the_structs() -> None:
    """Drift: `make documents` writes it anew."""
    assert json.loads((DOCS / "trust.schema.json").read_text()) == json_schema()


def test_the_example_in_the_docs_loads(tmp_path: Path) -> None:
    text = (DOCS / "trust.md").read_text()
    example = text.split("```json\n", 1)[1].split("```", 1)[0]
    file = tmp_path / "trust.json"
    file.write_text(example)
    file.chmod(0o600)
    trust = Trust.load(file)
    assert {role for key in trust.document.keys for role in key.roles} == set(Role)
