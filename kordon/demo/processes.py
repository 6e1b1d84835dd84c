"""The demo's child processes: each logs to a file of its own, and none outlives the demo."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from kordon.supervisor import reason_of, tethered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GRACE_SECONDS: Final = 15.0
"""How long a child has to end after SIGTERM; longer than its own supervisor gives its child."""


class ChildEndedError(Exception):
    """A child ended that should be running; the text says how, and where its log is."""

    def __init__(self, name: str, status: int, log: Path) -> None:
        super().__init__(f"{name} ended with {reason_of(status)}; its log: {log}")
        self.name, self.status, self.log = name, status, log


@dataclass(frozen=True)
class Child:
    """A running child and the file that has its output."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    may_end: bool


class Processes:
    """Starts children and stops all of them, whatever happens; an asynchronous context manager.

    ``directory`` (it exists) takes the logs. Every child has ``environment`` and leads a process group, so Ctrl-C in a
    terminal reaches the demo alone, which then ends the children in order, the last started first.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = dict(environment)
        self._children: dict[str, Child] = {}

    async def __aenter__(self) -> Self:
        """Nothing runs yet."""
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Stop every child, even when the stopping is cancelled."""
        try:
            while self._children:
                await self.stop(next(reversed(self._children)))
        finally:
            for child in self._children.values():
                _kill(child.process)

    async def start(self, name: str, command: Sequence[str], *, may_end: bool = False) -> Child:
        """Start a child; its log is appended to, so a second start of the same name goes on in the same file.

        ``may_end``: that it ends with status 0 is no surprise.
        """
        log = self._directory / f"{name}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *tethered(command),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        child = self._children[name] = Child(name, process, log, may_end)
        return child

    async def stop(self, name: str) -> int:
        """End a child by SIGTERM, by SIGKILL to its group after the grace period; return its status."""
        child = self._children[name]
        with contextlib.suppress(ProcessLookupError):
            child.process.terminate()
        try:
            await asyncio.wait_for(child.process.wait(), GRACE_SECONDS)
        except TimeoutError:
            _kill(child.process)
            await child.process.wait()
        del self._children[name]
        return child.process.returncode or 0

    async def ended(self, name: str) -> int:
        """Wait until a child ends by itself; return its status."""
        status = await self._children[name].process.wait()
        self._children.pop(name, None)
        return status

    def check(self) -> None:
        """Raise ChildEndedError if a child has ended that was neither stopped nor waited for."""
        for child in self._children.values():
            status = child.process.returncode
            if status is not None and not (child.may_end and status == 0):
                raise ChildEndedError(child.name, status, child.log)


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
