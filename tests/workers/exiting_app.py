"""The worker's application, which ends its process at a given step of a given commit.

The hook is the writer's own; production code has no switch for it.
"""

from __future__ import annotations

import os

from streams.app import app, runtime
from transport.writer import Step

__all__ = ["app"]

_STEP = Step[os.environ["KORDON_TEST_EXIT_STEP"]]
_commits_left = int(os.environ["KORDON_TEST_EXIT_COMMIT"])


def _exit_there(step: Step) -> None:
    global _commits_left  # noqa: PLW0603 - a process-wide count
    if step is _STEP:
        _commits_left -= 1
        if _commits_left == 0:
            os._exit(99)


runtime.on_step = _exit_there
