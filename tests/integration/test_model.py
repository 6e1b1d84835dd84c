"""TLC's verdict on the model of a co-partition (docs/model): what is sound holds, and each bug put back is found."""

from __future__ import annotations

import os

import pytest

from tests.conftest import NOT_RUN
from tests.model.configurations import FIRST_BROKEN, QUICK, UNSEEN, Configuration
from tests.model.tlc import CheckerUnavailable, Verdict, check


def verdict_on(configuration: Configuration, request: pytest.FixtureRequest) -> Verdict:
    """TLC's verdict; where this machine lacks what TLC needs, skip (in CI: fail) and have it said at the end."""
    try:
        return check(configuration)
    except CheckerUnavailable as missing:
        request.config.stash.setdefault(NOT_RUN, {})["the model checker TLC"] = str(missing)
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(f"TLC is required in CI: {missing}", pytrace=False)
        pytest.skip(f"TLC is not available: {missing}")


def test_a_crash_at_any_step_keeps_every_promise_and_everything_is_folded_in_the_end(
    request: pytest.FixtureRequest,
) -> None:
    verdict = verdict_on(QUICK, request)
    assert verdict.broken is None
    assert verdict.states > 10_000


@pytest.mark.parametrize("bug", FIRST_BROKEN, ids=lambda bug: bug.name)
def test_a_bug_put_back_into_the_model_is_found(bug: Configuration, request: pytest.FixtureRequest) -> None:
    assert verdict_on(bug, request).broken == bug.breaks


def test_rows_serialised_late_lose_transitions_with_every_row_equal(request: pytest.FixtureRequest) -> None:
    assert verdict_on(UNSEEN, request).broken is None
