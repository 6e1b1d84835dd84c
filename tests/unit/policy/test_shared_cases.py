"""Every case of tests/cases/risk, through the fold itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from kordon.policy_fold import LineFold
from policy.policy_file import default_policy

CASES = sorted((Path(__file__).parents[2] / "cases" / "risk").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_case_comes_out_as_expected(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text())
    line_fold = LineFold(default_policy())
    line_fold.fold(json.dumps(record).encode() for record in case["records"])
    summary = line_fold.summary()
    assert {
        "rows": {node: list(row) for node, row in summary.rows.items()},
        "transitions": [list(transition) for transition in summary.transitions],
        "rejected": summary.rejected,
        "late": summary.late,
    } == case["expect"]


def test_the_cases_are_there() -> None:
    assert len(CASES) >= 60
