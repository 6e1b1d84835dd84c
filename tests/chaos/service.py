"""A worker or an issuer as a real process, and the supervisor that starts it again whenever it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kordon.supervisor import FINAL_STATUSES, tethered

ROOT = Path(__file__).parents[2]
RESTART_SECONDS = 0.5
END_SECONDS = 40.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Exit:
    """How a process ended: ``at`` on the monotonic clock, ``asked`` if the harness killed or stopped it.

    ``silent``: it had said nothing yet. Its interpreter was still starting, which SIGTERM ends as it ends any process.
    """

    service: str
    at: float
    status: int
    asked: bool
    last_line: str
    silent: bool = False

    @property
    def obeyed(self) -> bool:
        """Whether it ended as SIGTERM asks it to."""
        return self.status == 0 or (self.silent and self.status == -signal.SIGTERM)


class Service:
    """``command`` supervised: it is started again ``RESTART_SECONDS`` after it ended, unless its status is final.

    ``kind`` is ``streams`` or ``issuer``. ``environment`` is added to this process's, from which KORDON_* is taken out.
    """

    def __init__(
        self, name: str, kind: str, command: list[str], environment: Mapping[str, str], folder: Path, *, static: bool
    ) -> None:
        self.name, self.kind, self.static = name, kind, static
        self.log = folder / f"{name}.log"
        self.exits: list[Exit] = []
        self._command = command
        self._environment = dict(environment)
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._wanted = False
        self._asked = False
        self._said_before = 0
        self._once: tuple[list[str], Mapping[str, str]] | None = None

    @property
    def wanted(self) -> bool:
        """Whether it is meant to run."""
        return self._wanted

    @property
    def pid(self) -> int | None:
        """The running process's, ``None`` between two lives."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self, *, once: Mapping[str, str] | None = None, command: list[str] | None = None) -> None:
        """Start it, its first life with the settings ``once`` and ``command`` if given; then with its own."""
        assert not self._wanted, f"{self.name} runs already"
        self._wanted = True
        self._once = None if once is None and command is None else (command or self._command, once or {})
        await self._spawn()
        self._supervision = asyncio.create_task(self._supervise(), name=f"supervisor of {self.name}")

    async def stop(self) -> int | None:
        """End it as an operator does (SIGTERM) and for good; return its exit status, ``None`` if it did not run."""
        self._wanted = False
        status = None
        if self.pid is not None:
            self._asked = True
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    status = await self._ended()
            if status is None:
                self.signal(signal.SIGKILL)
                status = await self._ended()
        await self._end_supervision()
        return status

    async def restart(self, *, once: Mapping[str, str] | None = None, command: list[str] | None = None) -> None:
        """End it by SIGTERM and start it at once, as in a rolling restart."""
        await self.stop()
        await self.start(once=once, command=command)

    async def kill(self) -> bool:
        """End it by SIGKILL, as a power cut; its supervisor brings it back. False if there was no process to kill."""
        pid = self.pid
        if pid is None:
            return False
        self._asked = True
        self.signal(signal.SIGKILL)
        while self.pid == pid:  # noqa: ASYNC110 - the supervisor waits for it, not we
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def killed_for_good(self) -> None:
        """End it whatever state it is in; for the end of a run."""
        self._wanted = False
        self.signal(signal.SIGKILL)
        await self._end_supervision()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group, if there is one."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    async def exited(self, count: int, seconds: float = END_SECONDS) -> Exit:
        """Wait until it has ended more than ``count`` times and return the first of these exits.

        Raises:
            TimeoutError: it did not.
        """
        async with asyncio.timeout(seconds):
            while len(self.exits) <= count:  # noqa: ASYNC110 - as above
                await asyncio.sleep(POLL_SECONDS)
        return self.exits[count]

    @property
    def asleep(self) -> bool:
        """Whether the process is stopped (by SIGSTOP), from ``/proc``."""
        if self.pid is None:
            return False
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def most_megabytes(self) -> int:
        """Return the most memory that the running process has had resident, from ``/proc``; 0 if none runs."""
        if self.pid is None:
            return 0
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def tail(self, lines: int = 20) -> str:
        """Return the end of its log."""
        return "\n".join(self.output().splitlines()[-lines:])

    def output(self) -> str:
        """Return its log, of all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def count(self, text: str) -> int:
        """Return how often its log holds a text."""
        return self.output().count(text)

    async def _supervise(self) -> None:
        while True:
            status = await self._ended()
            last = self.tail(1)
            silent = len(self.output()) == self._said_before
            self.exits.append(Exit(self.name, time.monotonic(), status, self._asked, last, silent))
            if not self._wanted or status in FINAL_STATUSES:
                return
            await asyncio.sleep(RESTART_SECONDS)
            if self._given_up():
                return
            await self._spawn()

    def _given_up(self) -> bool:
        return not self._wanted

    async def _end_supervision(self) -> None:
        if self._supervision is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervision
            self._supervision = None

    async def _ended(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def _spawn(self) -> None:
        command, more = self._once or (self._command, {})
        self._once = None
        self._asked = False
        self._said_before = len(self.output())
        environment = environment_with(self._environment | dict(more))
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *tethered(command),
                cwd=self._folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


def python(*arguments: str) -> list[str]:
    """Return a command of this interpreter."""
    return [sys.executable, *arguments]


def environment_with(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with these settings of Kordon and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KORDON_")}
    return inherited | {"PYTHONPATH": str(ROOT)} | dict(settings)


async def run_to_its_end(command: list[str], settings: Mapping[str, str], folder: Path) -> int:
    """Run a short-lived process in ``folder`` and return its exit status."""
    process = await asyncio.create_subprocess_exec(
        *tethered(command), cwd=folder, env=environment_with(settings), stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()
