"""The embedded broker: noida-db's Kafka on a free loopback port, for the demo and for fast tests.

It is a stand-in, never the ground of a guarantee: it does not expire dead members, and a SIGKILL of the broker itself
loses data. Every delivery claim is shown on Apache Kafka.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

from kordon.failures import CommandFailed, ExitStatus
from kordon.supervisor import tethered

START_SECONDS = 20.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02

_LISTENING = re.compile(r"^\s*kafka\s+(127\.0\.0\.1:\d+)\s*$", re.MULTILINE)
_REMEDY = "Name a Kafka of your own instead: --broker host:port (make demo BROKER=host:port)."


class EmbeddedBroker:
    """One noida-db process that serves Kafka on 127.0.0.1 and keeps its data in ``data_dir``.

    ``port`` 0 takes a free one; a later start takes the same again, so clients find their way back. What the process
    prints goes to ``data_dir/broker.log``, not to the terminal.
    """

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.data_dir = data_dir
        self.log_file = data_dir / "broker.log"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """``127.0.0.1:port`` of the running broker; fixed from the first start on."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> str:
        """Start the broker, wait until it listens, and return ``127.0.0.1:port``.

        Raises :class:`CommandFailed` where noida-db is not installed, cannot run, or does not listen within
        ``START_SECONDS``.
        """
        program = _program()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("wb") as log:
            try:
                # A session of its own: Ctrl-C reaches the demo, which stops its services before their broker. Where the
                # demo itself is killed, the tether ends the broker.
                self._process = subprocess.Popen(  # noqa: S603 - a program of the installed package, fixed arguments
                    tethered([
                        str(program), "start", "--only", "kafka",
                        "--kafka-port", str(self._port), "--data-dir", str(self.data_dir),
                    ]),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise CommandFailed(
                    ExitStatus.CONFIGURATION, f"The embedded broker (noida-db) cannot run here: {error}.", _REMEDY
                ) from error
        address = self._await_listening(self._process)
        self._port = int(address.rpartition(":")[2])
        return address

    def _await_listening(self, process: subprocess.Popen[bytes]) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            said = self.log_file.read_text(errors="replace")
            if ended:
                break
            if (listening := _LISTENING.search(said)) is not None:
                return listening[1]
            time.sleep(POLL_SECONDS)
        self.kill()
        raise CommandFailed(
            ExitStatus.UNAVAILABLE,
            f"The embedded broker (noida-db) did not start: {_last_line(self.log_file)}",
            f"All it said is in {self.log_file}. {_REMEDY}",
        )

    def stop(self) -> None:
        """End the broker by SIGTERM, by SIGKILL after ``STOP_SECONDS``. Does nothing when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the broker by SIGKILL; noida-db may lose data by it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.asynccontextmanager
async def embedded_broker(data_dir: Path) -> AsyncIterator[str]:
    """Run the embedded broker with its data in ``data_dir``; yields ``127.0.0.1:port``, stops it at the end.

    Raises :class:`CommandFailed` as :meth:`EmbeddedBroker.start` does.
    """
    broker = EmbeddedBroker(data_dir)
    try:
        yield await asyncio.to_thread(broker.start)
    finally:
        await asyncio.to_thread(broker.stop)


def _program() -> Path:
    found = find_spec("noida_db")
    if found is not None and found.origin is not None:
        program = Path(found.origin).with_name("noida-db")
        if program.is_file():
            if not os.access(program, os.X_OK):
                # Installers may drop the executable bit of package data.
                program.chmod(program.stat().st_mode | 0o111)
            return program
    if _has_build(sys.platform, platform.machine()):
        message = "The embedded broker (noida-db) is not installed."
        remedy = f"pip install 'kordon[demo]'. Or: {_REMEDY}"
    else:
        message = f"The embedded broker (noida-db) has no build for {sys.platform} on {platform.machine()}."
        remedy = _REMEDY
    raise CommandFailed(ExitStatus.CONFIGURATION, message, remedy)


def _has_build(system: str, machine: str) -> bool:
    return system == "darwin" or (system == "linux" and machine in {"x86_64", "aarch64"})


def _last_line(log_file: Path) -> str:
    lines = log_file.read_text(errors="replace").split("\n")
    spoken = [line.strip() for line in lines if line.strip() and "weak version" not in line]
    return spoken[-1] if spoken else "it said nothing."
