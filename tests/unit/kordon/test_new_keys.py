"""Claims about kordon/new_keys.py and ``kordon keys``: the keys of a cluster belong together and stay private."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import msgspec
import pytest

from issuer.key_ring import KeyRing
from issuer.settings import IssuerSettings
from kordon.command_line import run
from kordon.failures import ExitStatus
from kordon.new_keys import OPERATOR_ROLES, NewKeys, make_keys
from schemas.trust import Role
from transport.key_files import KeyFileError, load_signing_key
from transport.private_files import PrivateFileError
from transport.public_keys import ed25519_public_key
from transport.trust import Trust


def made(directory: Path, **changes: object) -> NewKeys:
    arguments: dict[str, object] = {"cluster_id": "berlin", "issuer": "kordon-berlin", "label": "1", "iterations": 1000}
    return make_keys(directory, **(arguments | changes))  # type: ignore[arg-type]


def files_of(directory: Path) -> dict[str, Path]:
    return {str(file.relative_to(directory)): file for file in directory.rglob("*") if file.is_file()}


def test_what_is_made_fits_together(tmp_path: Path) -> None:
    keys = made(tmp_path, operators=("alice", "bob"))

    passphrase = keys.passphrase_file.read_bytes().rstrip()
    trust = Trust.load(keys.trust_file)
    KeyRing.load(keys.keys_folder, passphrase).check_against(trust, int(time.time() * 1000))
    for name in ("alice", "bob"):
        signer = trust.signer(name)
        assert signer is not None
        assert set(OPERATOR_ROLES) == set(signer.key.roles) == set(Role) - {Role.ISSUE}
        key = load_signing_key(tmp_path / f"{name}.json")
        assert key.kid == name
        assert ed25519_public_key(key.public_key_text) == signer.public_key


def test_every_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    made(tmp_path)

    for name, file in files_of(tmp_path).items():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, name


def test_nothing_is_overwritten_and_a_second_attempt_leaves_nothing_new(tmp_path: Path) -> None:
    made(tmp_path)
    before = {name: file.read_bytes() for name, file in files_of(tmp_path).items()}

    with pytest.raises(PrivateFileError, match="exists"):
        made(tmp_path, operators=("somebody-else",))

    assert {name: file.read_bytes() for name, file in files_of(tmp_path).items()} == before


def test_a_name_that_trust_json_cannot_hold_leaves_nothing_behind(tmp_path: Path) -> None:
    status = run(["keys", "init", "--cluster-id", "a b", "--directory", str(tmp_path / "new")])

    assert status == ExitStatus.USAGE
    assert not (tmp_path / "new").exists()


def test_an_operator_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    status = run(["keys", "init", "--cluster-id", "a", "--directory", str(tmp_path / "new"), "--operator", "../x"])

    assert status == ExitStatus.USAGE
    assert files_of(tmp_path) == {}


def test_a_passphrase_of_ones_own_encrypts_the_ring(tmp_path: Path) -> None:
    passphrase_file = tmp_path / "passphrase"
    passphrase_file.write_text("correct horse battery staple\n")
    passphrase_file.chmod(0o600)

    keys = made(tmp_path / "keys", passphrase_file=passphrase_file)

    KeyRing.load(keys.keys_folder, b"correct horse battery staple")
    assert "passphrase" not in files_of(tmp_path / "keys")
    with pytest.raises(KeyFileError):
        KeyRing.load(keys.keys_folder, b"another passphrase")


def test_a_nodes_key_is_made_and_only_its_public_half_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "node-1.json"

    assert run(["keys", "node", "--output", str(file)]) == ExitStatus.OK

    key = load_signing_key(file)
    assert capsys.readouterr().out.strip() == key.public_key_text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_tells_programs_where_the_files_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "init", "--cluster-id", "berlin", "--directory", str(tmp_path / "k"), "--json"]) == 0

    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["issuer"] == "kordon-berlin"
    assert all(Path(told[name]).exists() for name in ("keysFolder", "passphraseFile", "trustFile"))
    assert load_signing_key(Path(told["operatorKeys"]["operator"])).kid == "operator"


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n"])
def test_the_issuer_opens_what_was_made_however_the_passphrase_file_ends(tmp_path: Path, ending: bytes) -> None:
    passphrase_file = tmp_path / "given"
    passphrase_file.write_bytes(b"correct horse battery staple" + ending)
    passphrase_file.chmod(0o600)
    keys = made(tmp_path / "keys", passphrase_file=passphrase_file)

    settings = IssuerSettings(keys_folder=keys.keys_folder, passphrase_file=passphrase_file)
    KeyRing.load(settings.keys_folder, settings.read_passphrase())
