"""How far behind is too far."""

from __future__ import annotations

import pytest

from kordon.operations.lag import ISSUER, WORKER, Limits, TopicLag, ledger_lag, progress_lag, seconds
from schemas.progress import IssuerProgress, StreamsProgress
from schemas.timestamp import Timestamp

NOW = 1_800_000_000_000
LIMITS = Limits(30_000, 30_000)


def of_worker(age: int = 0, lag: int = 0) -> StreamsProgress:
    return StreamsProgress(1, 3, Timestamp(NOW - age), {"a": 5, "b": 7}, 12, (), 0, lag, 1)


@pytest.mark.parametrize(
    ("age", "lag", "stale"),
    [
        (0, 0, None),
        (30_000, 30_000, None),
        (-30_000, 0, None),
        (30_001, 0, "its last progress is 30 s old, more than 30 s"),
        (3_600_000, 90_000, "its last progress is 60 min old, more than 30 s"),
        (-30_001, 0, "its last progress is 30 s ahead of our clock"),
        (0, 30_001, "it lags by 30 s, more than 30 s"),
    ],
)
def test_a_worker_is_stale_beyond_the_issuers_limits_and_not_at_them(age: int, lag: int, stale: str | None) -> None:
    assert progress_lag(WORKER, 3, of_worker(age, lag), {}, {}, NOW, LIMITS).stale == stale


def test_without_a_progress_record_a_copartition_is_stale() -> None:
    assert progress_lag(ISSUER, 0, None, {}, {}, NOW, LIMITS).stale == "there is no progress record"


def test_what_is_behind_is_counted_by_topic_and_never_negative() -> None:
    lag = progress_lag(WORKER, 3, of_worker(), {"a": 9, "b": 6}, {}, NOW, LIMITS)

    assert lag.topics == {"a": TopicLag(5, 9), "b": TopicLag(7, 6)}
    assert lag.behind == 4
    assert progress_lag(WORKER, 3, of_worker(), {}, {}, NOW, LIMITS).behind == 0


def test_the_issuer_lags_by_its_oldest_unanswered_request() -> None:
    progress = IssuerProgress(1, 3, Timestamp(NOW), {"requests": 5}, 12)
    lag = progress_lag(ISSUER, 3, progress, {"requests": 8}, {"requests": NOW - 31_000, "x": NOW - 5}, NOW, LIMITS)

    assert (lag.lag_millis, lag.stale) == (31_000, "it lags by 31 s, more than 30 s")
    assert progress_lag(ISSUER, 3, progress, {}, {}, NOW, LIMITS).lag_millis == 0


def test_a_record_whose_producers_clock_is_ahead_is_no_negative_lag() -> None:
    assert ledger_lag(0, {"a": 1}, {"a": 2}, {"a": NOW + 50_000}, NOW, LIMITS).lag_millis == 0


def test_the_ledger_is_stale_by_its_oldest_unread_record_alone() -> None:
    assert ledger_lag(0, {"a": 1}, {"a": 900}, {"a": NOW - 10}, NOW, LIMITS).stale is None
    assert ledger_lag(0, {"a": 1}, {"a": 2}, {"a": NOW - 40_000}, NOW, LIMITS).stale is not None


@pytest.mark.parametrize(
    ("millis", "text"), [(0, "0.0 s"), (1_234, "1.2 s"), (12_345, "12 s"), (600_000, "10 min"), (36_000_000, "10 h")]
)
def test_spans_are_told_as_finely_as_is_of_use(millis: int, text: str) -> None:
    assert seconds(millis) == text
