"""docs/ledger.md: every question is asked as it stands there, and has the answer that stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kordon.ledger.reading import ask
from kordon.ledger.tables import CONTENT
from kordon.ledger.views import VIEWS
from kordon.output import print_table
from tests.ledgers.made import a_days_ledger

PAGE = (Path(__file__).parents[4] / "docs" / "ledger.md").read_text()
QUESTIONS = re.findall(r"^### (.+?)\n\n```sql\n(.+?)\n```\n\n```text\n(.+?)```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_days_ledger(tmp_path_factory.mktemp("ledger"))


def test_there_are_a_dozen_questions_and_each_was_found() -> None:
    assert len(QUESTIONS) == PAGE.count("\n### ") >= 12


@pytest.mark.parametrize(("question", "sql", "answer"), QUESTIONS, ids=[question for question, _, _ in QUESTIONS])
def test_a_question_has_the_answer_that_the_page_gives(
    ledger: Path, capsys: pytest.CaptureFixture[str], question: str, sql: str, answer: str
) -> None:
    found = ask(ledger, sql)
    print_table(found.columns, found.rows)
    assert capsys.readouterr().out == answer


def test_the_page_names_every_table_and_view() -> None:
    missing = [name for name in (*(table.name for table in CONTENT), *VIEWS) if f"`{name}`" not in PAGE]
    assert missing == []


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_can_be_read(ledger: Path, view: str) -> None:
    assert ask(ledger, f"SELECT * FROM {view}").rows
