"""Compilers and programs of other languages, which a machine may lack."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import NOT_RUN


def required(request: pytest.FixtureRequest, *programs: str) -> None:
    """Skip the test where one of these programs is missing, and remember it for the last lines of the run."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        reason = f"not on PATH: {', '.join(missing)}"
        request.config.stash.setdefault(NOT_RUN, {})[request.node.name] = reason
        pytest.skip(reason)
