"""Claims about kordon/output.py and progress.py: results for a pipe, nothing else."""

from __future__ import annotations

import pytest

from kordon.output import print_json, print_table, remark
from kordon.progress import progress_on_stderr, waiting_on_stderr
from schemas.timestamp import Timestamp


def test_a_table_in_a_pipe_is_aligned_columns_without_rules(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("node", "score"), [("node-1", 90), ("a-longer-name", None), ("x" * 300, 0)])

    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["node", "score"],
        ["node-1", "90"],
        ["a-longer-name"],
        ["x" * 300, "0"],
    ]
    assert len({line.index("score" if number == 0 else "90") for number, line in enumerate(lines[:2])}) == 1


def test_json_is_one_line_with_times_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": Timestamp.parse("2026-11-24T00:00:00Z"), "name": "ä"})

    assert capsys.readouterr().out == '{"at":"2026-11-24T00:00:00.000Z","name":"ä"}\n'


def test_remarks_are_no_results(capsys: pytest.CaptureFixture[str]) -> None:
    remark("just so you know")

    assert capsys.readouterr() == ("", "just so you know\n")


async def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_on_stderr("counting", 10) as advance:
        advance(10)
    async with waiting_on_stderr("waiting"):
        pass

    assert capsys.readouterr() == ("", "")
