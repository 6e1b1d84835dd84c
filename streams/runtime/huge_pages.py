"""The rows' memory on huge pages (Linux's transparent ones), moved there behind the fold's back.

A large fleet's rows lie in no cache, and a record needs some ten places of its row. On pages of 4 KiB each of these
costs a walk through the page tables first, in a virtual machine through two of them (docs/performance.md says what that
comes to). Linux gives huge pages to nobody who does not ask, and Python does not; but what is there can be moved
afterwards: madvise(2), MADV_COLLAPSE, since Linux 6.1.

A huge page takes all of its size, so only what is nearly full is moved: Python's arenas, not the stacks of threads.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import structlog

_log = structlog.get_logger("kordon.streams")

SOON_SECONDS: Final = 2.0
"""Until a large fleet is moved: by then what was taken over has committed, which somebody waits for."""

LARGE_BYTES: Final = 256 * 1024 * 1024
"""What a worker has resident from which on its fleet is large; without rows it takes some 90 MB."""

AGAIN_SECONDS: Final = 60.0
"""Until a small fleet is moved, and what came since: nodes that were heard of, co-partitions that were taken over."""

NEARLY_FULL: Final = 0.9
AT_ONCE_PAGES: Final = 16
"""So many are moved in one call, some 50 ms, after which it can be stopped."""

_MADV_COLLAPSE: Final = 25
_SYSTEM: Final = Path("/sys/kernel/mm/transparent_hugepage")
_KIBIBYTE: Final = 1_024


class Mapping(NamedTuple):
    """A piece of this process's memory that belongs to no file, [start, end), with bytes resident and on huge pages."""

    start: int
    end: int
    resident: int
    huge: int


class HugePages:
    """Moves this process's memory to huge pages every :data:`AGAIN_SECONDS`, soon if there is much already.

    Moving takes a core two seconds for a gigabyte, so it is not done for the sake of little.
    """

    def __init__(self) -> None:
        self._moved = 0
        self._stopped = threading.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop; again does nothing, nor does it where the system has none or forbids them."""
        if self._task is None and (size := page_size()) is not None:
            self._task = asyncio.create_task(self._keep_moving(size), name="huge pages")

    async def stop(self) -> None:
        """End; a call under way is finished in its thread."""
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _keep_moving(self, size: int) -> None:
        await asyncio.sleep(SOON_SECONDS if resident_bytes() >= LARGE_BYTES else AGAIN_SECONDS)
        while True:
            began = time.monotonic()
            try:
                moved = await asyncio.to_thread(self._move, size)
            except OSError as error:
                # Rows are as right on small pages, only slower to reach.
                _log.info("huge_pages.unavailable", reason=error.strerror)
                return
            if moved:
                _log.info("huge_pages.moved", bytes=moved, milliseconds=round((time.monotonic() - began) * 1000))
            await asyncio.sleep(AGAIN_SECONDS)

    def _move(self, size: int) -> int:
        """Move what is worth it and return its bytes.

        Raises:
            OSError: every mapping so far was refused. A single one may be, for what its owner asked for it.
        """
        before, refused = self._moved, None
        for mapping in mappings(Path("/proc/self/smaps").read_text()):
            try:
                for start, end in worth_moving(mapping, size):
                    if self._stopped.is_set():
                        return self._moved - before
                    self._moved += end - start if collapse(start, end) else 0
            except OSError as error:
                refused = error
        if refused is not None and not self._moved:
            raise refused
        return self._moved - before


def page_size() -> int | None:
    """Return the size of a huge page in bytes; ``None`` where the system has none or an operator said ``never``."""
    if sys.platform != "linux":
        return None
    try:
        if "[never]" in (_SYSTEM / "enabled").read_text():
            return None
        return int((_SYSTEM / "hpage_pmd_size").read_text())
    except (OSError, ValueError):
        return None


def resident_bytes() -> int:
    """Return how much of this process's memory is resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def mappings(smaps: str) -> Iterator[Mapping]:
    """Yield the writable mappings without a file, the heap among them, of a /proc/<pid>/smaps (proc(5))."""
    start = end = resident = 0
    wanted = False
    for line in smaps.splitlines():
        name, *words = line.split()
        if not name.endswith(":"):
            start, end = (int(address, 16) for address in name.split("-"))
            owner = " ".join(words[4:])
            wanted = words[0] == "rw-p" and (not owner or owner == "[heap]" or owner.startswith("[anon:"))
        elif name == "Rss:":
            resident = int(words[0]) * _KIBIBYTE
        elif name == "AnonHugePages:" and wanted:
            yield Mapping(start, end, resident, int(words[0]) * _KIBIBYTE)


def worth_moving(mapping: Mapping, size: int) -> Iterator[tuple[int, int]]:
    """Yield the whole huge pages of a mapping that is nearly full and not there yet, in pieces [start, end)."""
    start, end = -(-mapping.start // size) * size, mapping.end // size * size
    is_full = mapping.resident >= NEARLY_FULL * (mapping.end - mapping.start)
    if not is_full or mapping.huge >= NEARLY_FULL * (end - start):
        return
    for piece in range(start, end, AT_ONCE_PAGES * size):
        yield piece, min(piece + AT_ONCE_PAGES * size, end)


def collapse(start: int, end: int) -> bool:
    """Move [start, end) to huge pages; ``False`` if there are none left, or somebody holds a page.

    Raises:
        OSError: this system cannot, or not this memory.
    """
    if _madvise(start, end - start, _MADV_COLLAPSE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.EPERM, errno.ENOSYS):
        raise OSError(number, os.strerror(number))
    return False


def _madvise(start: int, length: int, advice: int) -> int:
    call = ctypes.CDLL(None, use_errno=True).madvise
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return int(call(start, length, advice))
