"""``python -m tests.issuers.exiting``: the issuer, which ends its process at a given step of a commit with records.

The hook is the writer's own; production code has no switch for it. Commits of progress alone end with COMMITTED too,
so the test counts commits from when it is told to by the presence of a file.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from issuer.__main__ import configure_logs, run
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from transport.settings import KafkaSettings
from transport.writer import Step

_STEP = Step[os.environ["KORDON_TEST_EXIT_STEP"]]
_ARMED = Path(os.environ["KORDON_TEST_EXIT_WHEN"])
_commits_left = int(os.environ["KORDON_TEST_EXIT_COMMIT"])


def _exit_there(step: Step) -> None:
    global _commits_left  # noqa: PLW0603 - a process-wide count
    if step is _STEP and _ARMED.exists():
        _commits_left -= 1
        if _commits_left == 0:
            os._exit(99)


if __name__ == "__main__":
    configure_logs()
    asyncio.run(run(Issuer(KafkaSettings.load(), IssuerSettings.load(), on_step=_exit_there)))
