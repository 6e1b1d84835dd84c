from __future__ import annotations

import pytest

from bench.musts import LARGE, MUSTS, ONE_PROCESS, SMALL, STREAMS, judge, told
from bench.results import Latency, Run

OURS = ("kordon", ONE_PROCESS)
OTHERS = ("raw", STREAMS, "json.loads")
EVERYBODY = (*OURS, *OTHERS)


def rated(workload: str, engine: str, rate: float) -> Run:
    return Run(workload, engine, records_per_second=rate)


@pytest.mark.parametrize(
    ("ours", "met", "aim_met"),
    [(149_999, False, False), (150_000, True, False), (249_999, True, False), (250_000, True, True)],
)
def test_a_ratio_is_met_from_its_bound_on(ours: float, met: bool, aim_met: bool) -> None:
    (verdict,) = judge([rated("network", "kordon", ours), rated("network", STREAMS, 100_000)], ["network"], EVERYBODY)
    assert (verdict.met, verdict.aim_met) == (met, aim_met)
    assert verdict.measured == pytest.approx(ours / 100_000)


@pytest.mark.parametrize(
    ("bytes_per_row", "met", "aim_met"), [(1_000, True, False), (1_001, False, False), (500, True, True)]
)
def test_a_most_is_met_up_to_its_bound(bytes_per_row: float, met: bool, aim_met: bool) -> None:
    (verdict,) = judge([Run("memory", "kordon", bytes_per_row=bytes_per_row)], ["memory"], EVERYBODY)
    assert (verdict.met, verdict.aim_met) == (met, aim_met)


def test_a_large_fleet_is_judged_by_what_a_record_costs_more() -> None:
    runs = [rated(SMALL, ONE_PROCESS, 120_000), rated(LARGE, ONE_PROCESS, 100_000)]
    slower, _ = judge(runs, ["scale"], EVERYBODY)
    assert slower.measured == pytest.approx(20)
    assert slower.met is True


def test_the_median_of_all_rounds_decides() -> None:
    runs = [Run("latency", "kordon-one-process", latency_millis=Latency(40, p99)) for p99 in (90.0, 900.0, 190.0)]
    (verdict,) = judge(runs, ["latency"], EVERYBODY)
    assert verdict.measured == 190
    assert verdict.met is True


def test_a_figure_of_an_engine_that_failed_is_a_must_missed() -> None:
    (verdict,) = judge([rated("network", "kordon", 1_000_000)], ["network"], EVERYBODY)
    assert verdict.met is False
    assert told(verdict).startswith("MISSED")


def test_what_was_not_asked_for_is_not_judged() -> None:
    (verdict,) = judge([rated("network", "kordon", 1_000_000)], ["network"], ["kordon"])
    assert verdict.met is None
    assert told(verdict).startswith("not judged")


def test_every_must_can_be_met_and_missed() -> None:
    best = [
        *(Run(must.workload, one, 1, 0.1, 1e9, 1.0, 1.0, Latency(1, 1), 1, 1.0) for must in MUSTS for one in OURS),
        *(rated(workload, other, 1.0) for workload in ("network", "heartbeats", "mixed", "fold") for other in OTHERS),
        rated(SMALL, ONE_PROCESS, 1.0),
        Run(LARGE, ONE_PROCESS, records_per_second=1.0, bytes_per_row=1.0),
    ]
    worst = [
        *(
            Run(must.workload, one, 1, 1e9, 0.001, 1.0, 1.0, Latency(1e9, 1e9), 1, 1e9)
            for must in MUSTS
            for one in OURS
        ),
        *(rated(workload, other, 1.0) for workload in ("network", "heartbeats", "mixed", "fold") for other in OTHERS),
        rated(SMALL, ONE_PROCESS, 2.0),
        Run(LARGE, ONE_PROCESS, records_per_second=1.0, bytes_per_row=1e9),
    ]
    workloads = [must.workload for must in MUSTS]
    assert all(verdict.met and verdict.aim_met for verdict in judge(best, workloads, EVERYBODY))
    assert not any(verdict.met for verdict in judge(worst, workloads, EVERYBODY))
