"""An engine's processes: started, watched, ended; with all that they start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import psutil
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from bench.engines import COMMIT_MS, Engine, Setting, environment_of
from kordon.supervisor import tethered
from tests.brokers.broker import BrokerUnavailable
from transport.settings import KafkaSettings

END_SECONDS: Final = 60.0


class EngineFailedError(Exception):
    """An engine ended, or did not do what it had to; the text has the end of what it said."""


FAILURES: Final = (EngineFailedError, TimeoutError, KafkaError, KafkaException, BrokerUnavailable)
"""What ends the measurement of one engine, and leaves that of the others."""


class Usage(NamedTuple):
    """What processes have taken: CPU in seconds since they started, resident memory in bytes now."""

    cpu_seconds: float
    rss_bytes: int


class Processes:
    """The processes of one run of an engine; use it as ``with``. None outlives it."""

    def __init__(self, engine: Engine, setting: Setting) -> None:
        self.engine = engine
        self.log = setting.state / f"{engine.name}.log"
        self._setting = setting
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Start them."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                tethered(self.engine.command()),
                cwd=self._setting.state,
                env=environment_of(self.engine, self._setting),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        """End them by SIGTERM, at last by SIGKILL."""
        for process in self._started:
            process.terminate()
        deadline = time.monotonic() + END_SECONDS
        for process in self._started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def check(self) -> None:
        """Raise EngineFailedError if one of them has ended."""
        for process in self._started:
            if process.poll() is not None:
                raise EngineFailedError(f"{self.engine.name} ended with status {process.returncode}:\n{self.tail()}")

    def said(self, text: str) -> int:
        """Return how often they have printed a text."""
        return self.log.read_text(errors="replace").count(text)

    def tail(self, lines: int = 15) -> str:
        """Return the end of what they printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def usage(self) -> Usage:
        """Return what they and their children take."""
        cpu, rss = 0.0, 0
        for process in self._started:
            with contextlib.suppress(psutil.NoSuchProcess):
                top = psutil.Process(process.pid)
                for each in (top, *top.children(recursive=True)):
                    with contextlib.suppress(psutil.NoSuchProcess), each.oneshot():
                        times = each.cpu_times()
                        cpu += times.user + times.system
                        rss += each.memory_info().rss
        return Usage(cpu, rss)


@contextlib.contextmanager
def started(engine: Engine, kafka: KafkaSettings, trust: Path, commit_ms: int = COMMIT_MS) -> Iterator[Processes]:
    """Yield the running processes of an engine, in an empty folder that goes with them; ``commit_ms`` is a peer's."""
    with (
        tempfile.TemporaryDirectory(prefix="kordon-bench-") as folder,
        Processes(engine, Setting(kafka, Path(folder), trust, commit_ms)) as processes,
    ):
        yield processes
