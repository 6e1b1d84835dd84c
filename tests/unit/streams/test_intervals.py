from __future__ import annotations

import pytest

from streams.runtime.intervals import CommitIntervals

INTERVALS = CommitIntervals(commit=0.075, urgent=0.030, catch_up=1.0, progress=5.0)
LAG = 2_000


def test_a_fold_that_keeps_up_never_waits_for_longer() -> None:
    assert not INTERVALS.may_wait(0.0, 0, uncommitted=100, changed=1)


@pytest.mark.parametrize(("since", "waits"), [(0.0, True), (0.99, True), (1.0, False)])
def test_a_lagging_fold_whose_rows_change_often_waits_for_the_whole_interval(since: float, waits: bool) -> None:
    assert INTERVALS.may_wait(since, LAG, uncommitted=125, changed=100) is waits


@pytest.mark.parametrize(("since", "waits"), [(0.0, True), (0.24, True), (0.25, False)])
def test_a_lagging_fold_whose_rows_change_once_waits_for_a_quarter(since: float, waits: bool) -> None:
    assert INTERVALS.may_wait(since, LAG, uncommitted=124, changed=100) is waits


def test_nothing_waits_for_longer_than_progress_may() -> None:
    intervals = CommitIntervals(commit=0.075, urgent=0.030, catch_up=10.0, progress=1.0)
    assert intervals.may_wait(0.99, LAG, uncommitted=2, changed=1)
    assert not intervals.may_wait(1.0, LAG, uncommitted=2, changed=1)
    assert not intervals.may_wait(1.0, LAG, uncommitted=1, changed=1)


@pytest.mark.parametrize(
    ("took", "rests"), [(0.0, 0.075), (0.030, 0.045), (0.050, 0.025), (0.060, 0.025), (9.0, 0.025)]
)
def test_commits_begin_an_interval_apart_and_a_third_of_it_lies_between_them(took: float, rests: float) -> None:
    assert sum(INTERVALS.pauses(took)) == pytest.approx(rests)


@pytest.mark.parametrize(("took", "rests"), [(0.0, 0.030), (0.015, 0.015), (0.020, 0.010), (9.0, 0.010)])
def test_an_urgent_commit_rests_by_its_own_interval(took: float, rests: float) -> None:
    assert INTERVALS.pauses(took)[0] == pytest.approx(rests)


def test_an_urgent_interval_that_is_longer_makes_nothing_later() -> None:
    intervals = CommitIntervals(commit=0.075, urgent=0.200, catch_up=1.0, progress=5.0)
    assert intervals.pauses(0.0) == (0.075, 0.0)
