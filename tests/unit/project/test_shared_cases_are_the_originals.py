"""tests/cases is a copy; where the originals are at hand, the copy is held against them."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COPY = ROOT / "tests" / "cases"
ORIGINALS = ROOT.parent / "shared" / "cases"


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_file_of_each_kind_is_there() -> None:
    names = set(contents(COPY))
    assert {"README.md", "capsule/runtime-key.json", "risk/first-observation-is-trusted.json"} <= names


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the originals are not beside this checkout")
def test_the_copy_equals_the_originals() -> None:
    assert contents(COPY) == contents(ORIGINALS)
