"""Keeps one child process running: a service may crash at any time, so something has to start it again.

Kordon's worker and issuer answer every fault they cannot name with a crash (their state is in Kafka, a
restart resumes it). The supervisor is the other half of that bargain::

    run ──► child ends ──► asked to stop?            ──yes──► return the child's status
                           exit status 0?            ──yes──► return 0
                           exit status 78 or 2?      ──yes──► return it: a restart cannot mend a setting
                           otherwise, wait the backoff, report the reason, run again

78 is ``EX_CONFIG`` of sysexits.h: the service says that its settings, keys or checkpoint need a person. 2 is
what command-line parsers return for a wrong option.

SIGTERM, SIGINT and SIGHUP are passed on to the child, which lives in a process group of its own so that
Ctrl-C in a terminal reaches it exactly once. A child that is still there after the grace period, or at a
second signal, is killed with its whole group. On Linux the child also gets SIGTERM when the supervisor itself
is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EX_USAGE: Final = 2
EX_CONFIG: Final = 78
FINAL_STATUSES: Final = frozenset({EX_USAGE, EX_CONFIG})
"""Exit statuses after which a restart is pointless: only a person can change the outcome."""

_PASSED_ON: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class Backoff:
    """Waiting times between restarts: exponential, capped, jittered so that a fleet does not restart in step.

    All times are seconds. The n-th consecutive crash (counted from 0) waits between half and the whole of
    ``min(maximum, initial * 2**n)``. A child that ran for at least ``settled_after`` resets the count.
    """

    initial: float = 0.5
    maximum: float = 30.0
    settled_after: float = 60.0

    def delay(self, crashes: int, jitter: float) -> float:
        """Return the seconds to wait after ``crashes`` (>= 0) earlier crashes; ``jitter`` is in [0, 1)."""
        exponent = min(crashes, 30)
        return min(self.maximum, self.initial * 2.0**exponent) * (0.5 + jitter / 2)


@dataclass(frozen=True)
class Restart:
    """One restart: why the child ended, how often in a row (from 1), the seconds until it is back."""

    reason: str
    crashes: int
    delay: float


def reason_of(status: int) -> str:
    """Return in words how a child ended, from a ``returncode`` (negative: minus the signal's number)."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _report(name: str, restart: Restart) -> None:
    structlog.get_logger("kordon.supervisor").warning(
        "child.restart",
        child=name,
        reason=restart.reason,
        crashes=restart.crashes,
        delay_seconds=round(restart.delay, 3),
    )


@dataclass
class Supervisor:
    """Runs ``command`` until it ends by itself with status 0, is asked to stop, or needs a person.

    ``grace`` is the time in seconds that the child has to end after a signal was passed on. ``on_restart``
    hears of every restart before its delay; by default it is logged. ``jitter`` and ``clock`` (monotonic
    seconds) are arguments so that a test decides them.
    """

    command: Sequence[str]
    name: str
    environment: Mapping[str, str] | None = None
    backoff: Backoff = field(default_factory=Backoff)
    grace: float = 20.0
    on_restart: Callable[[str, Restart], None] = _report
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic

    def run(self) -> int:
        """Supervise until the end; return the child's exit status, or 128 + signal if one killed it."""
        return asyncio.run(self.supervise())

    async def supervise(self) -> int:
        """Do the work of :meth:`run` inside a running event loop (of the main thread: it handles signals)."""
        return await supervise_all([self])

    async def keep_running(self, signals: asyncio.Queue[signal.Signals]) -> int:
        """Do the work of :meth:`run`; ``signals`` are those that the process gets."""
        crashes = 0
        while True:
            started = self.clock()
            status, stopped = await self._run_once(signals)
            if stopped or status == 0 or status in FINAL_STATUSES:
                return status if status >= 0 else 128 - status
            if self.clock() - started >= self.backoff.settled_after:
                crashes = 0
            delay = self.backoff.delay(crashes, self.jitter())
            crashes += 1
            self.on_restart(self.name, Restart(reason_of(status), crashes, delay))
            if await _signal_within(signals, delay) is not None:
                return status if status >= 0 else 128 - status

    async def _run_once(self, signals: asyncio.Queue[signal.Signals]) -> tuple[int, bool]:
        """Run the child once; return its status and whether a signal asked it to stop."""
        child = await asyncio.create_subprocess_exec(
            *tethered(self.command),
            env=None if self.environment is None else dict(self.environment),
            process_group=0,
        )
        ended = asyncio.ensure_future(child.wait())
        asked = asyncio.ensure_future(signals.get())
        try:
            await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                return await ended, False
            _signal_child(child, asked.result())
            asked = asyncio.ensure_future(signals.get())
            await asyncio.wait({ended, asked}, timeout=self.grace, return_when=asyncio.FIRST_COMPLETED)
            return (await ended if ended.done() else await _kill(child)), True
        finally:
            asked.cancel()
            if not ended.done():
                await _kill(child)


async def supervise_all(supervisors: Sequence[Supervisor]) -> int:
    """Supervise several children until all have ended; return the first status in their order that is not 0, else 0.

    A signal goes to all of them. One that ends unasked needs a person or is done, so the others are told to end, too:
    whoever runs them hears of it. Call it in the main thread: it handles signals.
    """
    queues: list[asyncio.Queue[signal.Signals]] = [asyncio.Queue() for _ in supervisors]
    asked = False

    def pass_on(number: signal.Signals) -> None:
        nonlocal asked
        asked = True
        for queue in queues:
            queue.put_nowait(number)

    loop = asyncio.get_running_loop()
    for number in _PASSED_ON:
        loop.add_signal_handler(number, pass_on, number)
    try:
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(supervisor.keep_running(queue))
                for supervisor, queue in zip(supervisors, queues, strict=True)
            ]
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            if not asked:
                pass_on(signal.SIGTERM)
    finally:
        for number in _PASSED_ON:
            loop.remove_signal_handler(number)
    return next((status for each in running if (status := each.result()) != 0), 0)


def _signal_child(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)


async def _kill(child: asyncio.subprocess.Process) -> int:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    return await child.wait()


async def _signal_within(signals: asyncio.Queue[signal.Signals], seconds: float) -> signal.Signals | None:
    try:
        return await asyncio.wait_for(signals.get(), seconds)
    except TimeoutError:
        return None


def tethered(command: Sequence[str]) -> list[str]:
    """Return a command that does the same and is sent SIGTERM when the calling process is gone, even if killed.

    Only Linux has such a request (prctl(2)); elsewhere the command comes back as it is. It is made by a short-lived
    interpreter that becomes the command: code between fork and exec would be unsafe in a process with threads.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid()), *command]


_TETHER: Final = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {signal.SIGTERM.value})
if os.getppid() != int(sys.argv[1]):
    sys.exit({128 + signal.SIGTERM})
os.execvp(sys.argv[2], sys.argv[2:])
"""
