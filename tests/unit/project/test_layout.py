"""The rooms and which way they look (docs/design.md, section 2)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("schemas", "policy", "transport", "streams", "issuer", "kordon")

ARROWS = "Rooms look one way: kordon > streams, issuer > policy, transport > schemas BROKEN"
PURE = "schemas and policy are pure: no Kafka, clock, environment or randomness BROKEN"
FAUST = "Faust is known to streams alone BROKEN"
LIGHT = "The node's client is light: no Faust, no command line, no key ring BROKEN"


@pytest.mark.parametrize("room", ROOMS)
def test_a_generic_package_name_resolves_inside_the_installed_project(room: str) -> None:
    # Looked up from elsewhere, so that the working directory cannot stand in for the installation.
    program = f"import {room}; print({room}.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd="/", capture_output=True, text=True, check=True
    ).stdout.strip()
    spec = find_spec("kordon")
    assert spec is not None
    assert spec.origin is not None
    assert Path(found) == Path(spec.origin).parents[1] / room / "__init__.py"


def test_the_version_stands_in_one_place() -> None:
    declared = [line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version = ")]
    assert len(declared) == 1
    assert f'"{version("kordon")}"' in declared[0]


@pytest.mark.parametrize("room", ["streams", "issuer"])
def test_importing_a_service_builds_nothing(room: str) -> None:
    body = (ROOT / room / "__init__.py").read_text()
    assert len(compile(body, room, "exec").co_names) <= 1  # __doc__


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_the_import_arrows_hold(copy: Path) -> None:
    linted = lint_imports(copy)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("module", "forbidden", "refusal"),
    [
        ("streams/settings.py", "issuer", ARROWS),
        ("issuer/runtime_key.py", "streams", ARROWS),
        ("schemas/topics.py", "policy", ARROWS),
        ("policy/risk.py", "transport", ARROWS),
        ("transport/settings.py", "policy", ARROWS),
        ("issuer/runtime_key.py", "kordon", ARROWS),
        ("policy/risk.py", "time", PURE),
        ("schemas/codec.py", "random", PURE),
        ("transport/settings.py", "faust", FAUST),
        ("kordon/client/__init__.py", "issuer.key_ring", LIGHT),
        ("kordon/client/__init__.py", "click", LIGHT),
        ("transport/settings.py", "rich", LIGHT),  # at one remove: the client imports transport
    ],
)
def test_a_forbidden_import_is_refused(copy: Path, module: str, forbidden: str, refusal: str) -> None:
    target = copy / module
    target.write_text(f"{target.read_text()}\nimport {forbidden}\n")
    linted = lint_imports(copy)
    assert linted.returncode == 1
    assert refusal in linted.stdout
