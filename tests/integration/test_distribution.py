"""What `make dist` builds: it holds everything, and works where nothing else of this repository is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "policy", "transport", "streams", "issuer", "kordon")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SECONDS = 300
UNMISTAKABLE_DATA = {"policy/default.toml", "kordon/py.typed"}

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git tells which files belong to the project")


def run(command: Sequence[str], directory: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KORDON_", "PYTHON"))}
    ran = subprocess.run(
        command, cwd=directory, env=clean, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout[-4_000:]}{ran.stderr[-4_000:]}"
    return ran.stdout


def build(source: Path, target: Path, *arguments: str) -> None:
    run([sys.executable, "-m", "hatchling", "build", "-d", str(target), *arguments], source)


NOT_SHIPPED = "schemas/released/"
"""Contracts of former releases, which later ones are compared with in a checkout."""


def tracked() -> set[str]:
    """The project's files, those that are new and not ignored included."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT)
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sdist and wheel."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return built / f"kordon-{VERSION}-py3-none-any.whl"


def files_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    names = set(files_of(wheel))
    metadata = f"kordon-{VERSION}.dist-info/"
    expected = {name for name in tracked() if name.split("/")[0] in ROOMS and not name.startswith(NOT_SHIPPED)}
    assert expected >= UNMISTAKABLE_DATA
    assert {name for name in names if not name.startswith(metadata)} == expected
    assert {f"{metadata}METADATA", f"{metadata}entry_points.txt"} <= names


def test_the_sdist_is_the_project_and_the_same_wheel_comes_of_it(built: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(built / f"kordon-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / f"kordon-{VERSION}"
    names = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert names - {"PKG-INFO"} == tracked()

    build(unpacked, tmp_path / "again", "-t", "wheel")
    assert files_of(tmp_path / "again" / wheel.name) == files_of(wheel)


def test_the_wheel_in_a_clean_environment_plays_the_demo(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    # The versions that are tested here, and no newer ones of today.
    pins = tmp_path / "constraints.txt"
    lines = (ROOT / "requirements-demo.txt").read_text().splitlines()
    pins.write_text("\n".join(line.rstrip(" \\") for line in lines if not line.lstrip().startswith("--hash")))
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-compile"]
    run([*pip, "--constraint", str(pins), f"kordon[demo] @ {wheel.as_uri()}"], tmp_path)

    kordon = str(environment / "bin" / "kordon")
    assert run([kordon, "--version"], tmp_path).strip().endswith(VERSION)
    played = json.loads(run([kordon, "demo", "--quick", "--json"], tmp_path))
    assert played["asExpected"] is True
    assert {outcome["act"] for outcome in played["outcomes"]} == {
        "Two nodes enrol and get a capsule",
        "What happens to a node is scored",
        "A held node gets nothing, until an operator releases it",
    }
