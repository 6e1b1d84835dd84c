"""Claims about kordon/demo/processes.py, made with real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from kordon.demo import processes
from kordon.demo.processes import Child, ChildEndedError, Processes


def children(directory: Path) -> Processes:
    return Processes(directory, {"PATH": os.environ["PATH"], "GREETING": "hello"})


async def a_shell(running: Processes, script: str, name: str = "child") -> Child:
    return await running.start(name, ["/bin/sh", "-c", script])


async def logged(child: Child, word: str) -> None:
    async with asyncio.timeout(30):
        while word not in child.log.read_text():  # noqa: ASYNC110 - the event happens in another process
            await asyncio.sleep(0.01)


async def test_a_childs_output_and_errors_are_in_its_log(tmp_path: Path) -> None:
    async with children(tmp_path) as running:
        child = await a_shell(running, "echo $GREETING; echo woe >&2")
        assert await running.ended("child") == 0
    assert child.log.read_text() == "hello\nwoe\n"


async def test_a_second_start_goes_on_in_the_same_log(tmp_path: Path) -> None:
    async with children(tmp_path) as running:
        await a_shell(running, "echo one")
        await running.ended("child")
        child = await a_shell(running, "echo two")
        await running.ended("child")
    assert child.log.read_text() == "one\ntwo\n"


async def test_leaving_ends_every_child_the_last_started_first(tmp_path: Path) -> None:
    async with children(tmp_path) as running:
        script = 'trap "echo $NAME >>{0}/order; exit 0" TERM; echo up; while :; do sleep 0.01; done'
        for name in ("broker", "worker", "issuer"):
            child = await a_shell(running, f"NAME={name}; " + script.format(tmp_path), name)
            await logged(child, "up")
    assert (tmp_path / "order").read_text().split() == ["issuer", "worker", "broker"]


async def test_a_failure_ends_every_child(tmp_path: Path) -> None:
    started = []

    async def fail() -> None:
        async with children(tmp_path) as running:
            started.append(await a_shell(running, "exec sleep 600"))
            raise RuntimeError("the demo fails")

    with pytest.raises(RuntimeError, match="the demo fails"):
        await fail()
    (child,) = started
    assert child.process.returncode == -signal.SIGTERM


async def test_a_deaf_child_is_killed_with_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.05)
    async with children(tmp_path) as running:
        child = await a_shell(running, "trap '' TERM; echo up; while :; do sleep 1; done")
        await logged(child, "up")
        await running.stop("child")
    assert child.process.returncode == -signal.SIGKILL


async def test_a_cancelled_end_kills_what_is_left(tmp_path: Path) -> None:
    async def leave() -> None:
        async with children(tmp_path) as running:
            child = await a_shell(running, "trap '' TERM; echo $$; while :; do sleep 1; done")
            await logged(child, "\n")

    leaving = asyncio.create_task(leave())
    log = tmp_path / "child.log"
    async with asyncio.timeout(30):
        while not (log.exists() and log.read_text().strip()):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(30):
        while _exists(int(log.read_text())):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.01)


async def test_a_child_that_ends_by_itself_is_noticed_and_its_log_named(tmp_path: Path) -> None:
    async with children(tmp_path) as running:
        child = await a_shell(running, "exit 78")
        await child.process.wait()
        with pytest.raises(ChildEndedError, match=r"child ended with exit status 78; its log: .*child\.log"):
            running.check()


async def test_a_child_that_runs_or_was_stopped_is_no_surprise(tmp_path: Path) -> None:
    async with children(tmp_path) as running:
        await a_shell(running, "exec sleep 600", "worker")
        await a_shell(running, "exec sleep 600", "issuer")
        await running.stop("worker")
        running.check()


@pytest.mark.parametrize(("status", "surprise"), [(0, False), (1, True)])
async def test_only_a_child_that_may_end_may_end_and_only_well(tmp_path: Path, status: int, *, surprise: bool) -> None:
    async with children(tmp_path) as running:
        child = await running.start("fleet", ["/bin/sh", "-c", f"exit {status}"], may_end=True)
        await child.process.wait()
        if surprise:
            with pytest.raises(ChildEndedError):
                running.check()
        else:
            running.check()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
