"""One writer at a time: a lock on a file beside the ledger, which also names the process that holds it.

The operating system drops the lock when its process ends, however it ends, so there is no stale lock to clear.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kordon.ledger.errors import LedgerInUseError

_PATIENCE_SECONDS: Final = 1.0
"""Somebody who only asks who the writer is holds the lock for a moment."""

_PAUSE_SECONDS: Final = 0.05


def lock_file(ledger: Path) -> Path:
    """Return the path of a ledger's lock."""
    return ledger.with_name(ledger.name + ".lock")


@contextlib.contextmanager
def writing(ledger: Path) -> Iterator[None]:
    """Hold the ledger's lock; its folder is made if it is missing.

    Raises:
        LedgerInUseError: another process holds it; the text names its pid.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with _opened(lock_file(ledger)) as descriptor:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _locked(descriptor, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                raise LedgerInUseError(
                    f"process {_named(descriptor) or 'unknown'} writes {ledger}",
                    "End it first, or name another file with KORDON_LEDGER_FILE; `kordon ledger run` prunes by itself.",
                )
            time.sleep(_PAUSE_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


def writer_of(ledger: Path) -> int | None:
    """Return the pid of the process that writes the ledger; None if nobody does."""
    if not lock_file(ledger).exists():
        return None
    with _opened(lock_file(ledger)) as descriptor:
        return None if _locked(descriptor, fcntl.LOCK_SH) else _named(descriptor)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _named(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
