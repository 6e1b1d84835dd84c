"""What is kept of a benchmark that was run in parts."""

from __future__ import annotations

import json
from pathlib import Path

from bench.kept import keep
from bench.musts import Verdict
from bench.report import DETAILS, LATEST
from bench.results import Failure, Run


def measured(folder: Path, workload: str, rate: float, *, names: tuple[str, ...] = (), failed: bool = False) -> None:
    runs = [Run(name, "kordon", records_per_second=rate) for name in names or (workload,)]
    verdict = Verdict(workload, "fast", "times", 1.5, 2.5, rate, rate > 1, None)
    failures = [Failure(workload, "quix", "it failed")] if failed else []
    keep(folder, workload, runs, [verdict], failures, {"load": [rate]})


def test_a_workload_replaces_its_own_figures_and_leaves_those_of_others(tmp_path: Path) -> None:
    measured(tmp_path, "network", 1, failed=True)
    measured(tmp_path, "scale", 2, names=("scale-10,000", "scale-1,000,000"))
    measured(tmp_path, "network", 3)
    results = json.loads((tmp_path / LATEST).read_text())
    assert [(each["workload"], each["recordsPerSecond"]) for each in results] == [
        ("scale-10,000", 2),
        ("scale-1,000,000", 2),
        ("network", 3),
    ]
    details = json.loads((tmp_path / DETAILS).read_text())
    assert [(each["workload"], each["measured"]) for each in details["musts"]] == [("scale", 2), ("network", 3)]
    assert details["failures"] == []
    assert details["conditions"] == {"network": {"load": [3]}, "scale": {"load": [2]}}
