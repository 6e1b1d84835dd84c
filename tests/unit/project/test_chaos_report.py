"""Where the report of a chaos run goes in a document."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.report import Setting, write_into

DOCUMENT = "# Runs\n\n<!-- report: 1 -->\nold\n<!-- end -->\n\nbetween\n\n<!-- report -->\nold\n<!-- end -->\n"


def mark_of(*faults: str) -> str:
    return Setting(1, 10, faults, 3, None).mark


@pytest.mark.parametrize(("faults", "written"), [(("1",), DOCUMENT.index("old")), ((), DOCUMENT.rindex("old"))])
def test_a_run_of_some_faults_leaves_the_report_of_all_faults_alone(
    tmp_path: Path, faults: tuple[str, ...], written: int
) -> None:
    document = tmp_path / "reliability.md"
    document.write_text(DOCUMENT)
    write_into(document, mark_of(*faults), "new\\1")
    assert document.read_text() == f"{DOCUMENT[:written]}\nnew\\1\n\n{DOCUMENT[written + 4 :]}"


def test_a_document_without_the_mark_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    document = tmp_path / "reliability.md"
    document.write_text(DOCUMENT)
    with pytest.raises(ValueError, match="<!-- report: 2,kill-leader -->"):
        write_into(document, mark_of("2", "kill-leader"), "new")
    assert document.read_text() == DOCUMENT
