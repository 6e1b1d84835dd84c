"""The process's end: a crash always ends it, in bounded time, with a status that says whether a restart helps."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import faust

from streams.runtime.errors import RefusedError

if TYPE_CHECKING:
    from streams.runtime.application import CopartitionedApp

EX_CONFIG = 78
"""Of sysexits.h: a person has to decide first. A supervisor does not restart after it."""

GC_THRESHOLDS = (50_000, 20, 50)
"""A batch makes thousands of short-lived objects and no cycles. With Python's default of 700 the collector took a third
of the worker's time looking for them; cycles of the clients are still found, only later."""

CANCELLED_TASKS_SECONDS = 1.0
"""How long the process's end waits for tasks that mode has cancelled."""

EX_CRASH = 70
"""Of sysexits.h (EX_SOFTWARE): a crash; a restart resumes at the checkpoint."""


@contextlib.contextmanager
def refusing(*errors: type[Exception]) -> Iterator[None]:
    """End the process with :data:`EX_CONFIG` at one of these ``errors``: a person has to mend something first."""
    try:
        yield
    except errors as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(EX_CONFIG) from None


class CopartitionWorker(faust.Worker):
    """Faust's worker."""

    app: CopartitionedApp

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        # `faust worker` switches the web server on; it is not started here, so the banner should not show it.
        app.conf.web_enabled = False
        gc.set_threshold(*GC_THRESHOLDS)
        gc.freeze()  # what was imported stays
        super().__init__(app, *args, **kwargs)
        # It turns at each message of any client, so Faust makes all of them, even those of a level nobody asked for.
        self.spinner = None

    def _crash(self, reason: BaseException) -> None:
        """Note the crash (mode calls this on every service) and bound the time its orderly end may take."""
        if not self._crashed.is_set():
            self.app.runtime.crashed = True
            seconds = self.app.runtime.worker.shutdown_timeout_ms / 1000
            deadline = threading.Timer(seconds, _end, (status_of(reason),))
            deadline.daemon = True
            deadline.start()
        super()._crash(reason)

    async def _sentinel_task(self) -> None:
        """Wait for the tasks that were cancelled, the last thing before the loop is closed.

        mode sleeps a second for that, which every planned restart would take longer.
        """
        if cancelled := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(cancelled, timeout=CANCELLED_TASKS_SECONDS)

    def execute_from_commandline(self) -> NoReturn:
        """Run until the end and exit the process."""
        try:
            super().execute_from_commandline()
        except SystemExit as end:
            if self.crash_reason is not None:
                sys.stderr.write(f"{type(self.crash_reason).__name__}: {self.crash_reason}\n")
                raise SystemExit(status_of(self.crash_reason)) from end
            raise


def status_of(reason: BaseException) -> int:
    """Return the process's exit status after a crash of this reason."""
    return EX_CONFIG if isinstance(reason, RefusedError) else EX_CRASH


def _end(status: int) -> None:
    sys.stderr.write("the worker did not end in time after its crash\n")
    sys.stderr.flush()
    os._exit(status)
