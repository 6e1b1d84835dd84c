from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.answers import Answer, PlainFold, differences
from bench.workloads import network


@pytest.fixture
def answer() -> Answer:
    fold = PlainFold(exact=True)
    for record in network(20_000, 4, nodes=100):
        fold.fold(record)
    return fold.answer()


def test_an_answer_is_the_same_after_it_was_kept(answer: Answer, tmp_path: Path) -> None:
    answer.save(tmp_path / "answer")
    assert Answer.load(tmp_path / "answer") == answer


def test_the_same_answer_has_no_differences(answer: Answer) -> None:
    assert answer.transitions
    assert differences(answer, answer, exact=True) == []


def test_a_row_with_another_score_is_found(answer: Answer) -> None:
    node_id, row = next(iter(answer.rows.items()))
    wrong = msgspec.structs.replace(answer, rows=answer.rows | {node_id: msgspec.structs.replace(row, score=1)})
    assert differences(wrong, answer, exact=True)[0].startswith("1 of 100 rows differ")


def test_a_row_that_is_missing_is_found(answer: Answer) -> None:
    wrong = msgspec.structs.replace(answer, rows=dict(list(answer.rows.items())[1:]))
    assert differences(wrong, answer, exact=True)


def test_a_transition_that_came_twice_is_found(answer: Answer) -> None:
    first = next(iter(answer.transitions))
    wrong = msgspec.structs.replace(answer, transitions=answer.transitions | {first: 2})
    assert differences(wrong, answer, exact=True) == ["0 transitions are missing and 1 are too many"]


def test_dead_letters_count_where_records_are_bad(answer: Answer) -> None:
    wrong = msgspec.structs.replace(answer, dead_letters=1)
    assert differences(wrong, answer, exact=False) == ["1 dead letters instead of 0"]
