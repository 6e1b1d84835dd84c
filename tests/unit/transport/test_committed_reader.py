"""What a reader says without a broker; what it does is in `tests/integration/test_transport_views.py`."""

from __future__ import annotations

from aiokafka import TopicPartition

from transport.committed_reader import NotCaughtUpError, behind


def test_a_reader_that_is_behind_says_where_it_is_and_where_it_should_be() -> None:
    error = NotCaughtUpError({TopicPartition("b", 1): (3, 5), TopicPartition("a", 0): (0, 1)}, 1.5)
    assert str(error) == "not caught up within 1.5 s: a [0] at 0 of 1, b [1] at 3 of 5"


def test_a_position_at_its_goal_or_beyond_is_not_behind() -> None:
    short, there, beyond, unknown = (TopicPartition("t", partition) for partition in range(4))
    goals = {short: 5, there: 5, beyond: 5, unknown: 5}
    assert behind({short: 4, there: 5, beyond: 6}, goals) == {short: (4, 5), unknown: (0, 5)}
