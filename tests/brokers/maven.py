"""What Maven fetches from Maven Central or builds, kept once per user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.brokers.broker import BrokerUnavailable

SECONDS = 600


def kept() -> Path:
    """Return the folder of what is kept for this user, there or not."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kordon"


def made_once(
    directory: Path, what: str, arguments: Sequence[str], *, sources: Sequence[Path] = (), result: str = "."
) -> Path:
    """Return ``directory``, made by ``mvn`` with ``arguments`` where it is not there yet.

    Maven runs in a folder of its own that has copies of ``sources`` (files and folders); ``result``, relative to it,
    becomes ``directory``. ``what`` names it in errors.

    Raises:
        BrokerUnavailable: there is no Maven, or it could not fetch what it needs.
        RuntimeError: the sources do not compile.
    """
    if directory.is_dir():
        return directory
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailable(f"no mvn on PATH, which fetches {what}; install Maven (Debian: maven)")
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its final place, then renamed: an interrupted run is never taken for a whole one.
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        folder = Path(scratch, "work")
        folder.mkdir()
        for source in sources:
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / source.name)
        ran = subprocess.run(
            [maven, "--quiet", "--batch-mode", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        if ran.returncode != 0:
            said = "\n".join(line for line in ran.stdout.splitlines() if "ERROR" in line) or ran.stderr
            if "COMPILATION ERROR" in ran.stdout:
                raise RuntimeError(f"{what}: the sources do not compile:\n{said[:2_000]}")
            raise BrokerUnavailable(
                f"mvn could not fetch {what} ({said.split(chr(10))[0][:500]}); is Maven Central reachable from here?"
            )
        try:
            (folder / result).rename(directory)
        except OSError:
            if not directory.is_dir():  # else another run was faster, which is as good
                raise
    return directory
