"""Runs the ``kordon`` command as a process against a test's broker."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from transport.settings import KafkaSettings

_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return msgspec.json.decode(self.out)


def environment_of(kafka: KafkaSettings, **more: str) -> dict[str, str]:
    """Return an environment in which commands talk to the test's broker, under its prefix."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KORDON_")}
    return clean | {
        "KORDON_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KORDON_KAFKA_PREFIX": kafka.prefix,
        "KORDON_KAFKA_PARTITIONS": str(kafka.partitions),
        "KORDON_KAFKA_REPLICATION_FACTOR": "1",
        **more,
    }


async def kordon(
    environment: Mapping[str, str], *arguments: str, seconds: float = 60, directory: Path | None = None
) -> Ended:
    """Run a command to its end, in ``directory`` or here."""
    async with running(environment, *arguments, directory=directory) as process, asyncio.timeout(seconds):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def running(
    environment: Mapping[str, str], *arguments: str, directory: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command in the background; it is killed if it is still there at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kordon",
        *arguments,
        env={"PYTHONPATH": str(_REPOSITORY), **environment},
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
