"""A flood of refusals is answered at a rate, and an idle minute saves up no more than a second's worth."""

from __future__ import annotations

from issuer.refusal_rate import RefusalRate


def test_a_burst_is_answered_up_to_the_rate_and_then_as_time_passes() -> None:
    now = 0.0
    rate = RefusalRate(10, lambda: now)
    assert sum(rate.allows() for _ in range(100)) == 10
    now = 0.25
    assert sum(rate.allows() for _ in range(100)) == 2
    now = 60.0
    assert sum(rate.allows() for _ in range(100)) == 10
    now = 59.0
    assert not rate.allows()
