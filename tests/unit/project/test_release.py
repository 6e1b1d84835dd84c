"""Version and changelog belong together: docs/releasing.md."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FIRST = "0.1.0"


def fault(changelog: str, version: str) -> str | None:
    """What is wrong with a changelog at this version, None if nothing is."""
    first, *released = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    if first != "Unreleased":
        return "the first section is not Unreleased"
    sections = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - \d{4}-\d{2}-\d{2}", each) for each in released]
    if not all(sections):
        return "a section is not headed by a version and a date"
    versions = [tuple(map(int, each.groups())) for each in sections if each]
    if versions != sorted(set(versions), reverse=True):
        return "the newest version is not the first"
    newest = ".".join(map(str, versions[0])) if versions else FIRST
    return None if newest == version else f"{version} is in pyproject.toml, {newest} in CHANGELOG.md"


def test_the_changelog_is_that_of_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert fault((ROOT / "CHANGELOG.md").read_text(), version) is None


@pytest.mark.parametrize(
    ("headings", "version", "said"),
    [
        (("Unreleased", "0.2.0 - 2027-01-31", "0.1.0 - 2026-12-01"), "0.2.0", None),
        (("Unreleased", "0.2.0 - 2027-01-31"), "0.1.0", "0.1.0 is in pyproject.toml, 0.2.0"),
        (("Unreleased",), "0.2.0", "0.2.0 is in pyproject.toml, 0.1.0"),
        (("Unreleased", "0.9.0 - 2027-01-31", "0.10.0 - 2027-02-28"), "0.10.0", "the newest"),
        (("Unreleased", "0.2.0"), "0.2.0", "a date"),
        (("0.2.0 - 2027-01-31",), "0.2.0", "not Unreleased"),
    ],
)
def test_a_changelog_of_another_version_is_noticed(headings: tuple[str, ...], version: str, said: str | None) -> None:
    found = fault("# Changelog\n" + "".join(f"\n## {each}\n" for each in headings), version)
    assert (found is None) if said is None else (found is not None and said in found)
