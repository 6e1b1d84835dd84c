"""Private keys rest in files of mode 0600, encrypted where there is a passphrase, and show themselves nowhere."""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from transport.key_files import (
    KeyFileError,
    generate_signing_key,
    load_signing_key,
    read_key_set,
    save_signing_key,
    stored_secret,
    write_key_set,
)
from transport.private_files import PrivateFileError, read_private_file, write_private_file

PASSPHRASE = b"a passphrase of a test"


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_saved_key_loads_as_it_was_and_only_its_owner_may_read_it(tmp_path: Path, passphrase: bytes | None) -> None:
    key, file = generate_signing_key("anna"), tmp_path / "keys" / "anna.json"
    save_signing_key(file, key, passphrase)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0
    loaded = load_signing_key(file, passphrase)
    assert loaded.kid == "anna"
    assert loaded.private_key.private_bytes_raw() == key.private_key.private_bytes_raw()


def test_an_encrypted_file_tells_nothing_and_opens_for_one_passphrase(tmp_path: Path) -> None:
    file, secret = tmp_path / "masters.jwe", bytes(range(32))
    write_key_set(file, [stored_secret("master-1", secret)], PASSPHRASE)
    content = file.read_bytes()
    assert b"master-1" not in content
    header = content.split(b".")[0]
    assert header.startswith(b"eyJ")
    assert read_key_set(file, PASSPHRASE)[0].secret == secret
    for wrong in (b"another passphrase!", None):
        with pytest.raises(KeyFileError):
            read_key_set(file, wrong)
    file.write_bytes(content[:-5] + b"AAAA\n")
    with pytest.raises(KeyFileError, match="damaged"):
        read_key_set(file, PASSPHRASE)


def test_the_file_is_a_jwe_of_a_jwk_set_with_a_costly_passphrase(tmp_path: Path) -> None:
    file = tmp_path / "keys.jwe"
    write_key_set(file, [stored_secret("k", bytes(32))], PASSPHRASE)
    segment = file.read_bytes().split(b".")[0]
    header = json.loads(urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    assert header["alg"] == "PBES2-HS512+A256KW"
    assert header["enc"] == "A256GCM"
    assert header["cty"] == "jwk-set+json"
    assert header["p2c"] >= 210_000


def test_secrets_are_in_no_repr_and_no_error(tmp_path: Path) -> None:
    key = generate_signing_key("anna")
    secret = key.private_key.private_bytes_raw()
    stored = stored_secret("m", secret)
    assert stored.k is not None
    assert stored.k not in repr(stored)
    assert "private" not in repr(key)
    file = tmp_path / "k.json"
    save_signing_key(file, key)
    text = file.read_text()
    file.write_text(text.replace('"kty":"OKP"', '"kty":7'))
    with pytest.raises(KeyFileError) as caught:
        load_signing_key(file)
    assert json.loads(text)["keys"][0]["d"] not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"), [("d", "A" * 43), ("x", "A" * 43), ("crv", "Ed448"), ("kty", "oct"), ("d", None)]
)
def test_a_key_that_is_not_whole_is_refused(tmp_path: Path, field: str, value: str | None) -> None:
    file = tmp_path / "k.json"
    save_signing_key(file, generate_signing_key("anna"))
    members = json.loads(file.read_text())
    members["keys"][0][field] = value
    file.write_text(json.dumps(members))
    with pytest.raises(KeyFileError):
        load_signing_key(file)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="12 bytes"):
        save_signing_key(tmp_path / "k", generate_signing_key("a"), b"short")
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "k.json"
    save_signing_key(file, generate_signing_key("a"))
    file.chmod(mode)
    with pytest.raises(PrivateFileError, match="chmod 600"):
        load_signing_key(file)


def test_a_private_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_private_file(file, b"one")
    with pytest.raises(PrivateFileError, match="move it away"):
        write_private_file(file, b"two")
    assert read_private_file(file) == b"one"
    write_private_file(file, b"two", replace=True)
    assert read_private_file(file) == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_loose_umask_does_not_loosen_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private_file(tmp_path / "secret", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
