"""An issuer as a process, as an operator starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.issuers.cluster import Cluster

ROOT = Path(__file__).parents[2]
EXIT_SECONDS = 40.0


class IssuerProcess:
    """``python -m <module>`` in a process group of its own; use it as a context manager so that none is left over."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        instance: str = "one",
        module: str = "issuer",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.log = cluster.folder / f"issuer-{instance}.log"
        self._begins = self.log.stat().st_size if self.log.exists() else 0
        environment = os.environ | cluster.issuer_settings
        environment |= {"KORDON_ISSUER_INSTANCE_ID": instance, "PYTHONPATH": str(ROOT), **(settings or {})}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=cluster.folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End it as a power failure does, and wait."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait(EXIT_SECONDS)

    async def terminate(self) -> int:
        """Ask it to end and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return await self.ended()

    async def ended(self, seconds: float = EXIT_SECONDS) -> int:
        """Wait until it has ended by itself and return its exit status."""
        await first_ended(self, seconds=seconds)
        return self.process.returncode

    async def stopped(self) -> None:
        """Wait until it has stopped itself."""
        await asyncio.to_thread(os.waitid, os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert self.process.poll() is None, f"the issuer ended:\n{self.output()}"

    async def said(self, text: str, seconds: float = 60.0, *, times: int = 1) -> None:
        """Wait until its output holds a text so often."""
        deadline = time.monotonic() + seconds
        while self.output().count(text) < times:
            assert self.process.poll() is None, f"the issuer ended:\n{self.output()}"
            assert time.monotonic() < deadline, f"the issuer did not say {text!r}:\n{self.output()}"
            await asyncio.sleep(0.05)

    async def ready(self) -> None:
        """Wait until it has taken co-partitions over."""
        await self.said("copartitions.taken")

    def output(self) -> str:
        """Return what this process has said; an earlier one may have written to the same file."""
        with self.log.open("rb") as log:
            log.seek(self._begins)
            return log.read().decode(errors="replace")


async def first_ended(*processes: IssuerProcess, seconds: float = EXIT_SECONDS) -> IssuerProcess:
    """Wait until one of them has ended by itself and return it."""
    deadline = time.monotonic() + seconds
    while True:
        for process in processes:
            if process.process.poll() is not None:
                return process
        outputs = "\n".join(process.output() for process in processes)
        assert time.monotonic() < deadline, f"no issuer ended:\n{outputs}"
        await asyncio.sleep(0.05)
