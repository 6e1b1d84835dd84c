"""Memory that is nearly full is moved to huge pages; nothing else is touched, and nothing fails without them."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import subprocess
import sys
from pathlib import Path

import pytest

from streams.runtime import huge_pages
from streams.runtime.huge_pages import HugePages, Mapping, collapse, mappings, page_size, worth_moving

MEBIBYTE = 1 << 20
SIZE = 2 * MEBIBYTE

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")

SMAPS = """\
55d0c0000000-55d0c0400000 rw-p 00000000 00:00 0                          [heap]
Size:               4096 kB
Rss:                4000 kB
AnonHugePages:      2048 kB
VmFlags: rd wr mr mw me ac sd
7f0000000000-7f0000800000 rw-p 00000000 00:00 0
Rss:                8192 kB
AnonHugePages:         0 kB
7f0800000000-7f0800400000 rw-p 00000000 00:00 0                          [anon:arena]
Rss:                   4 kB
AnonHugePages:         0 kB
7f1000000000-7f1000800000 r--p 00000000 08:01 1234                       /usr/lib/libc.so.6
Rss:                8192 kB
AnonHugePages:         0 kB
7f2000000000-7f2000800000 rw-p 00000000 08:01 1234                       /usr/lib/with a space
Rss:                8192 kB
AnonHugePages:         0 kB
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                 132 kB
AnonHugePages:         0 kB
"""


def test_of_a_process_the_heap_and_what_belongs_to_no_file_can_be_moved() -> None:
    assert list(mappings(SMAPS)) == [
        Mapping(0x55D0C0000000, 0x55D0C0400000, 4_096_000, 2 * MEBIBYTE),
        Mapping(0x7F0000000000, 0x7F0000800000, 8 * MEBIBYTE, 0),
        Mapping(0x7F0800000000, 0x7F0800400000, 4_096, 0),
    ]


@pytest.mark.parametrize(
    ("mapping", "pieces"),
    [
        (Mapping(0, 4 * MEBIBYTE, 4 * MEBIBYTE, 0), [(0, 4 * MEBIBYTE)]),
        (Mapping(MEBIBYTE, 7 * MEBIBYTE, 6 * MEBIBYTE, 0), [(2 * MEBIBYTE, 6 * MEBIBYTE)]),
        (Mapping(0, 48 * MEBIBYTE, 48 * MEBIBYTE, 0), [(0, 32 * MEBIBYTE), (32 * MEBIBYTE, 48 * MEBIBYTE)]),
        (Mapping(MEBIBYTE, 3 * MEBIBYTE, 2 * MEBIBYTE, 0), []),  # no whole page
        (Mapping(0, 8 * MEBIBYTE, 7 * MEBIBYTE, 0), []),  # a stack, say: it would grow
        (Mapping(0, 4 * MEBIBYTE, 4 * MEBIBYTE, 4 * MEBIBYTE), []),  # there already
    ],
)
def test_whole_pages_of_what_is_nearly_full_are_moved(mapping: Mapping, pieces: list[tuple[int, int]]) -> None:
    assert list(worth_moving(mapping, SIZE)) == pieces


MOVED = """
import asyncio
from pathlib import Path
from streams.runtime import huge_pages
from streams.runtime.huge_pages import HugePages, mappings

huge_pages.LARGE_BYTES = huge_pages.SOON_SECONDS = 0

def huge():
    return sum(mapping.huge for mapping in mappings(Path("/proc/self/smaps").read_text()))

async def move():
    rows = [{number: str(number)} for number in range(200_000)]
    before = huge()
    pages = HugePages()
    pages.start()
    deadline = asyncio.get_running_loop().time() + 30
    while huge() <= before and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.01)
    await pages.stop()
    assert all(row[number] == str(number) for number, row in enumerate(rows))
    print(huge() - before)

asyncio.run(move())
"""


def test_what_python_keeps_is_moved_and_stays_what_it_was() -> None:
    size = page_size()
    if size is None:
        pytest.skip("this system has no transparent huge pages")
    ended = subprocess.run([sys.executable, "-c", MOVED], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) >= size


@on_linux
def test_what_is_resident_is_counted_in_bytes() -> None:
    before = huge_pages.resident_bytes()
    kept = b"x" * (64 * MEBIBYTE)
    assert huge_pages.resident_bytes() - before >= len(kept) / 2


@on_linux
def test_a_system_that_cannot_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(start: int, length: int, advice: int) -> int:
        del length, advice
        asked.append(start)
        ctypes.set_errno(errno.EINVAL)
        return -1

    async def begin() -> None:
        monkeypatch.setattr(huge_pages, "_madvise", refuse)
        monkeypatch.setattr(huge_pages, "page_size", lambda: SIZE)
        monkeypatch.setattr(huge_pages, "AGAIN_SECONDS", 0)
        monkeypatch.setattr(huge_pages, "mappings", lambda _: [Mapping(0, SIZE, SIZE, 0), Mapping(SIZE, SIZE, SIZE, 0)])
        pages = HugePages()
        pages.start()
        assert pages._task is not None
        await pages._task
        await pages.stop()

    asyncio.run(begin())
    assert asked == [0]


@on_linux
def test_memory_that_is_refused_does_not_keep_the_rest_from_being_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_the_first(start: int, length: int, advice: int) -> int:
        del length, advice
        ctypes.set_errno(errno.EINVAL)
        return 0 if start else -1

    there = [Mapping(0, SIZE, SIZE, 0), Mapping(SIZE, 2 * SIZE, SIZE, 0)]
    monkeypatch.setattr(huge_pages, "_madvise", refuse_the_first)
    monkeypatch.setattr(huge_pages, "mappings", lambda _: there)
    pages = HugePages()
    assert pages._move(SIZE) == SIZE
    there.pop()
    assert pages._move(SIZE) == 0


def test_where_no_page_is_left_the_rest_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(start: int, length: int, advice: int) -> int:
        del start, length, advice
        ctypes.set_errno(errno.EAGAIN)
        return -1

    monkeypatch.setattr(huge_pages, "_madvise", none_left)
    assert not collapse(0, SIZE)


@pytest.mark.parametrize(("enabled", "size"), [("always [madvise] never", SIZE), ("always madvise [never]", None)])
def test_who_forbids_them_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enabled: str, size: int | None
) -> None:
    monkeypatch.setattr(huge_pages, "_SYSTEM", tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    assert page_size() is None
    (tmp_path / "enabled").write_text(f"{enabled}\n")
    (tmp_path / "hpage_pmd_size").write_text(f"{SIZE}\n")
    assert page_size() == size
