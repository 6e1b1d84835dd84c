from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from bench.latency import percentiles
from bench.results import Latency, Run, commit_of, grouped, median_of, summed_up


def run(rate: float, engine: str = "kordon", workload: str = "network") -> Run:
    return Run(workload, engine, records_per_second=rate, cpu_micros_per_record=8.0, rss_bytes=100)


def test_a_result_is_the_median_of_its_runs_and_not_their_mean() -> None:
    assert summed_up([run(100), run(1_000), run(120)]).records_per_second == 120


def test_a_result_has_exactly_the_published_fields() -> None:
    result = summed_up([Run("latency", "kordon", latency_millis=Latency(41.24, 99.96))])
    assert json.loads(msgspec.json.encode([result])) == [
        {
            "workload": "latency",
            "engine": "kordon",
            "recordsPerSecond": None,
            "cpuMicrosPerRecord": None,
            "latencyMillis": {"p50": 41.2, "p99": 100.0},
            "rssBytes": None,
        }
    ]


def test_a_figure_that_no_run_has_is_absent_and_not_zero() -> None:
    assert median_of([run(100)], lambda each: each.bytes_per_row) is None


def test_a_run_without_a_figure_does_not_count_for_its_median() -> None:
    runs = [run(100), Run("network", "kordon"), run(300)]
    assert median_of(runs, lambda each: each.records_per_second) == 200


def test_runs_in_turns_are_grouped_by_workload_and_engine() -> None:
    runs = [run(1), run(2, "raw"), run(3), run(4, "raw"), run(5, workload="heartbeats")]
    assert [[each.records_per_second for each in group] for group in grouped(runs)] == [[1, 3], [2, 4], [5]]


def test_percentiles_lie_between_the_observations() -> None:
    latency = percentiles([float(value) for value in range(101)])
    assert latency.p50 == pytest.approx(50)
    assert latency.p99 == pytest.approx(99)


def test_figures_of_an_earlier_call_do_not_make_a_commit_dirty_and_code_does(tmp_path: Path) -> None:
    figures, code = tmp_path / "bench" / "results" / "latest.json", tmp_path / "worker.py"
    figures.parent.mkdir(parents=True)
    for file in (figures, code):
        file.write_text("1")
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    clean = commit_of(tmp_path)
    assert clean
    figures.write_text("2")
    assert commit_of(tmp_path) == clean
    code.write_text("2")
    assert commit_of(tmp_path) == f"{clean}-dirty"
