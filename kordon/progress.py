"""Progress for what takes long: on stderr, on a terminal only, and only once it took two seconds."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_QUIET_SECONDS: Final = 2.0


@contextmanager
def progress_on_stderr(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function to be told how many more are done; ``total`` is None where no end is known."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from kordon.output import console  # noqa: PLC0415

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console(stderr=True),
        transient=True,
    )
    task = progress.add_task(what, total=total)
    began = time.monotonic()
    shown = False

    def advance(count: int) -> None:
        nonlocal shown
        progress.advance(task, count)
        if not shown and time.monotonic() - began >= _QUIET_SECONDS:
            shown = True
            progress.start()

    try:
        yield advance
    finally:
        progress.stop()


@asynccontextmanager
async def waiting_on_stderr(what: str) -> AsyncIterator[None]:
    """Show that something is awaited, for work without steps to count."""
    if not sys.stderr.isatty():
        yield
        return
    from kordon.output import console  # noqa: PLC0415 - only a terminal pays for rich

    status = console(stderr=True).status(what)
    showing = asyncio.get_running_loop().call_later(_QUIET_SECONDS, status.start)
    try:
        yield
    finally:
        showing.cancel()
        status.stop()
