"""The documents say what the code says, and what they point at is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("scripts", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "schemas" / "generated", tmp_path / "schemas" / "generated")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def check(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(directory / "scripts" / "documents.py"), *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_the_tables_are_what_the_code_says(copy: Path) -> None:
    checked = check(copy, "--check")
    assert checked.returncode == 0, checked.stderr


def test_a_document_that_says_otherwise_is_noticed_and_can_be_written_anew(copy: Path) -> None:
    page = copy / "docs" / "settings.md"
    assert check(copy).returncode == 0
    right = page.read_text()
    page.write_text(right.replace("| `kordon.` |", "| `another.` |"))
    checked = check(copy, "--check")
    assert checked.returncode == 1
    assert "another." in checked.stderr
    assert page.read_text() != right
    assert check(copy).returncode == 0
    assert page.read_text() == right


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    missing = [each for each in targets if "://" not in each and not (page.parent / each).exists()]
    assert not missing
