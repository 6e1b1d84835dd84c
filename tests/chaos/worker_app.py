"""The worker's application with hooks that production code does not have: forced exits and negative controls."""

from __future__ import annotations

from streams.app import app, runtime
from tests.chaos import controls, exits

__all__ = ["app"]

runtime.on_step = exits.arm(exits.WORKER_STEPS)
controls.apply(runtime)
