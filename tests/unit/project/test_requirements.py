"""What is installed is what was pinned, from wherever an installer is told to fetch."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
FILES = ("requirements.txt", "requirements-build.txt", "requirements-demo.txt", "requirements-dev.txt")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = ("schemas", "policy", "transport", "streams", "issuer", "kordon")
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


def pinned(name: str) -> list[tuple[Requirement, list[str]]]:
    """Each requirement of a file with its hashes."""
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        requirement, *hashes = line.split("--hash=")
        found.append((Requirement(requirement.strip()), [each.strip() for each in hashes]))
    return found


def declared(*, demo: bool, groups: tuple[str, ...]) -> list[Requirement]:
    """What pyproject.toml asks for."""
    asked: list[str] = list(PYPROJECT["project"]["dependencies"])
    if demo:
        asked += PYPROJECT["project"]["optional-dependencies"]["demo"]
    for group in groups:
        asked += [each for each in PYPROJECT["dependency-groups"][group] if isinstance(each, str)]
    return [Requirement(each) for each in asked]


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    for requirement, hashes in pinned(name):
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


@pytest.mark.parametrize("name", FILES)
def test_no_requirements_file_names_an_address_or_a_place(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links|-f|-e)\b", text, re.MULTILINE)
    assert not re.search(r"(^|\s)/", text)


@pytest.mark.parametrize("python", SUPPORTED)
@pytest.mark.parametrize(
    ("name", "demo", "groups"),
    [
        ("requirements.txt", False, ()),
        ("requirements-demo.txt", True, ("build",)),
        ("requirements-dev.txt", True, ("build", "docs", "dev")),
    ],
)
def test_the_pins_are_what_pyproject_asks_for(python: str, name: str, demo: bool, groups: tuple[str, ...]) -> None:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    pins = {
        canonicalize_name(requirement.name): requirement
        for requirement, _ in pinned(name)
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }
    for asked in declared(demo=demo, groups=groups):
        pin = pins.get(canonicalize_name(asked.name))
        assert pin is not None, f"{asked} is not in {name}: run make lock"
        version = str(pin.specifier).removeprefix("==")
        assert asked.specifier.contains(version), f"{pin} is not {asked}: run make lock"


def test_the_files_agree_on_every_version() -> None:
    everything = {str(requirement) for requirement, _ in pinned("requirements-dev.txt")}
    for name in ("requirements.txt", "requirements-build.txt", "requirements-demo.txt"):
        assert {str(requirement) for requirement, _ in pinned(name)} <= everything


def test_every_runtime_dependency_is_used_and_explained() -> None:
    imported_as = {"faust-streaming": "faust", "mode-streaming": "mode"}
    sources = [path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    for asked in declared(demo=False, groups=()):
        module = imported_as.get(asked.name, asked.name.replace("-", "_"))
        statement = re.compile(rf"^\s*(import|from) {module}\b", re.MULTILINE)
        assert any(statement.search(source) for source in sources), f"nothing imports {asked.name}"
        assert asked.name in explained, f"docs/dependencies.md does not say why {asked.name} is needed"
