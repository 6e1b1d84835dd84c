from __future__ import annotations

from streams.runtime.lag import SETTLED_MILLIS, Lag


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000
        self.mark: tuple[int, int] | None = None

    def lag(self, since: int = 0) -> Lag:
        return Lag(("a",), since, lambda _: self.mark, lambda: self.now)


def test_without_any_knowledge_the_lag_is_as_long_as_can_be() -> None:
    clock = Clock()
    assert clock.lag().millis({"a": 0}) == clock.now


def test_a_successor_starts_from_the_last_owners_word() -> None:
    clock = Clock()
    assert clock.lag(clock.now - 90_000).millis({"a": 0}) == 90_000


def test_a_partition_read_to_its_end_has_no_lag_as_long_as_the_broker_answers() -> None:
    clock = Clock()
    lag = clock.lag()
    clock.mark = (clock.now, 10)
    clock.now += SETTLED_MILLIS - 1
    assert lag.millis({"a": 10}) == 0
    clock.now += 1
    assert lag.millis({"a": 10}) == SETTLED_MILLIS


def test_the_lag_grows_while_the_fold_stands_short_of_the_end_and_ends_when_it_arrives() -> None:
    clock = Clock()
    lag = clock.lag()
    clock.mark = (clock.now, 10)
    assert lag.millis({"a": 10}) == 0
    arrived = clock.now + 500
    clock.mark = (arrived, 20)
    clock.now += 5_000
    assert lag.millis({"a": 10}) == 5_000
    # The end moves on meanwhile; what was there at `arrived` is folded.
    clock.mark = (clock.now, 30)
    assert lag.millis({"a": 20}) == 4_500


def test_a_folded_record_says_that_what_is_left_is_not_much_older() -> None:
    clock = Clock()
    lag = clock.lag()
    lag.folded("a", clock.now - 7_000)
    lag.folded("a", clock.now - 9_000)
    assert lag.millis({"a": 1}) == 7_000


def test_a_record_from_the_future_does_not_hide_lag() -> None:
    clock = Clock()
    lag = clock.lag(clock.now - 60_000)
    lag.folded("a", clock.now + 1)
    assert lag.millis({"a": 1}) == 60_000


def test_the_slowest_topic_counts() -> None:
    clock = Clock()
    marks = {"a": (clock.now, 1), "b": (clock.now, 5)}
    lag = Lag(("a", "b"), clock.now - 40_000, marks.get, lambda: clock.now)
    assert lag.millis({"a": 1, "b": 4}) == 40_000
