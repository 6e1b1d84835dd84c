"""A broker's disk that can be full: a small file system of its own where one may be mounted, else a limit on files.

Mounting needs root. There the disk is a tmpfs that a filler file fills, and the broker meets ENOSPC in the midst of a
segment and of its memory-mapped indexes. It is mounted in a namespace that a process holds, in which the broker runs: a
test run that is killed takes both along and leaves no mount behind. Elsewhere ``RLIMIT_FSIZE`` of the running broker is
set to 0: each write meets EFBIG, which Kafka takes as it takes ENOSPC (the JVM ignores SIGXFSZ). The limit ends with
the process.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kordon.supervisor import tethered

DISK_MEGABYTES = 1_024
FILLER = "filler"
BLOCK = b"\0" * 1_048_576


class Disk(Protocol):
    """Where a broker keeps its data."""

    @property
    def name(self) -> str:
        """How it becomes full, for a report."""

    @property
    def within(self) -> Sequence[str]:
        """What stands before a command that is to see it."""

    def open(self) -> None:
        """Make it, before the broker is formatted. It ends with the thread that calls this."""

    def fill(self, pid: int) -> None:
        """Let it be full for the broker that runs as ``pid``."""

    def free(self) -> None:
        """Let it have room again for the broker's next start."""

    def close(self) -> None:
        """Give it back, with all data."""


class Tmpfs:
    """A mounted tmpfs of ``DISK_MEGABYTES``."""

    name = "ENOSPC"

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._holder: subprocess.Popen[bytes] | None = None

    @property
    def within(self) -> Sequence[str]:
        return ("nsenter", f"--mount=/proc/{self._held()}/ns/mnt", "--")

    def open(self) -> None:
        self._directory.mkdir(parents=True)
        mount = f'mount -t tmpfs -o size={DISK_MEGABYTES}m kordon-chaos "$0" && echo mounted && exec sleep infinity'
        command = ["unshare", "--mount", "sh", "-c", mount, str(self._directory)]
        self._holder = subprocess.Popen(tethered(command), stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline(), f"no tmpfs could be mounted at {self._directory}"

    def fill(self, pid: int) -> None:
        del pid
        # Kafka takes every folder here for a partition's and leaves files alone.
        with contextlib.suppress(OSError), self._filler().open("wb", buffering=0) as filler:
            while filler.write(BLOCK):
                pass

    def free(self) -> None:
        self._filler().unlink(missing_ok=True)

    def close(self) -> None:
        if self._holder is not None:
            self._holder.kill()
            self._holder.communicate()
            self._holder = None

    def _filler(self) -> Path:
        return Path(f"/proc/{self._held()}/root{self._directory}", FILLER)

    def _held(self) -> int:
        assert self._holder is not None, "the disk is not open"
        return self._holder.pid


class FileSizeLimit:
    """An ordinary folder; a full disk is a limit on the broker's process."""

    name = "EFBIG"
    within = ()

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        self._directory.mkdir(parents=True)

    def fill(self, pid: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def free(self) -> None:
        pass

    def close(self) -> None:
        pass


def small_disk(directory: Path) -> Disk:
    """Return a disk at ``directory``, which does not exist yet."""
    return (
        Tmpfs(directory) if sys.platform == "linux" and os.geteuid() == 0 and _may_mount() else FileSizeLimit(directory)
    )


def _may_mount() -> bool:
    """Tell whether root may mount here: in many containers it may not."""
    # In a mount namespace of its own, so that nothing is left behind.
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "kordon-chaos", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0
