"""A worker as a process, as an operator starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from streams.runtime.huge_pages import mappings
from transport.settings import KafkaSettings

ROOT = Path(__file__).parents[2]
EXIT_SECONDS = 40.0


class WorkerProcess:
    """``faust -A <module> worker`` in a process group of its own; ``log`` takes its output."""

    def __init__(
        self,
        kafka: KafkaSettings,
        log: Path,
        *,
        instance: str | None = "one",
        module: str = "streams.app",
        settings: Mapping[str, str] | None = None,
        supervised: bool = False,
    ) -> None:
        self.log = log
        self._begins = log.stat().st_size if log.exists() else 0
        arguments = ["-m", "kordon", "worker"] if supervised else ["-m", "faust", "-A", module, "worker", "-l", "info"]
        environment = os.environ | {
            "KORDON_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KORDON_KAFKA_PREFIX": kafka.prefix,
            "PYTHONPATH": str(ROOT),
            **({"KORDON_WORKER_INSTANCE_ID": instance} if instance else {}),
            **(settings or {}),
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=log.parent,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it as a power failure does, and wait.

        A transaction may stay open, for the next owner or the broker to abort; noida-db does not.
        """
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(EXIT_SECONDS)

    async def terminate(self) -> int:
        """Ask it to end and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return await self.ended()

    async def ended(self, seconds: float = EXIT_SECONDS) -> int:
        """Wait until it has ended by itself and return its exit status."""
        deadline = time.monotonic() + seconds
        while (status := self.process.poll()) is None:
            assert time.monotonic() < deadline, f"the worker did not end:\n{self.tail()}"
            await asyncio.sleep(0.05)
        return status

    def most_megabytes(self) -> int:
        """Return the most memory the process has had resident, from ``/proc``."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = dict(line.split(":", 1) for line in status.splitlines())
        return int(found["VmHWM"].split()[0]) // 1024

    def bytes_on_huge_pages(self) -> int:
        """Return how much of its memory lies on huge pages, from ``/proc``."""
        smaps = Path(f"/proc/{self.process.pid}/smaps").read_text()
        return sum(mapping.huge for mapping in mappings(smaps))

    def output(self) -> str:
        """Return what this process has said; an earlier one may have written to the same file."""
        with self.log.open("rb") as log:
            log.seek(self._begins)
            return log.read().decode(errors="replace")

    def tail(self, lines: int = 40) -> str:
        """Return the end of its output."""
        return "\n".join(self.output().splitlines()[-lines:])
