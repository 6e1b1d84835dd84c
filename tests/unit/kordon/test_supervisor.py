"""Claims about kordon/supervisor.py, made with real child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kordon.supervisor import EX_CONFIG, Backoff, Restart, Supervisor, reason_of, supervise_all

AT_ONCE = Backoff(initial=0.0, maximum=0.0)


class Restarts(list[Restart]):
    def __call__(self, _name: str, restart: Restart) -> None:
        self.append(restart)


def shell(script: str, *arguments: str) -> list[str]:
    return ["/bin/sh", "-c", script, "sh", *arguments]


CRASH_UNTIL = 'echo run >>"$1"; [ "$(wc -l <"$1")" -ge "$2" ] || exit 3'


def test_a_child_that_crashes_is_started_again_until_it_ends_well(tmp_path: Path) -> None:
    restarts = Restarts()
    runs = tmp_path / "runs"

    status = Supervisor(shell(CRASH_UNTIL, str(runs), "4"), "worker", backoff=AT_ONCE, on_restart=restarts).run()

    assert status == 0
    assert runs.read_text().split() == ["run"] * 4
    assert [(each.reason, each.crashes) for each in restarts] == [
        ("exit status 3", 1),
        ("exit status 3", 2),
        ("exit status 3", 3),
    ]


def test_a_killed_child_is_reported_by_its_signal(tmp_path: Path) -> None:
    restarts = Restarts()
    script = 'echo run >>"$1"; [ "$(wc -l <"$1")" -ge 2 ] || kill -KILL $$'

    status = Supervisor(shell(script, str(tmp_path / "runs")), "worker", backoff=AT_ONCE, on_restart=restarts).run()

    assert status == 0
    assert [each.reason for each in restarts] == ["killed by SIGKILL"]


@pytest.mark.parametrize("status", [EX_CONFIG, 2])
def test_a_child_that_needs_a_person_is_not_started_again(status: int) -> None:
    restarts = Restarts()

    assert Supervisor(shell(f"exit {status}"), "issuer", backoff=AT_ONCE, on_restart=restarts).run() == status
    assert restarts == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_ends_the_supervision(number: signal.Signals, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo {number.name} >\"$1\"; exit 7' {name}; kill -{name} $PPID; sleep 60 & wait"
    restarts = Restarts()

    status = Supervisor(shell(script, str(heard)), "worker", backoff=AT_ONCE, on_restart=restarts).run()

    assert status == 7
    assert heard.read_text().strip() == number.name
    assert restarts == []


def test_a_child_deaf_to_signals_is_killed_with_its_group_after_the_grace_period(tmp_path: Path) -> None:
    grandchild = tmp_path / "grandchild"
    script = "trap '' TERM; sleep 600 & echo $! >\"$1\"; kill -TERM $PPID; wait; sleep 600"

    status = Supervisor(shell(script, str(grandchild)), "worker", grace=0.05).run()

    assert status == 128 + signal.SIGKILL
    # It is nobody's child that we could wait for, so the kernel may take a moment.
    asyncio.run(_until(lambda: _is_gone(int(grandchild.read_text()))))


def test_a_signal_during_the_backoff_ends_the_supervision() -> None:
    waiting = Backoff(initial=600.0, maximum=600.0)

    def on_restart(_name: str, _restart: Restart) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    assert Supervisor(shell("exit 9"), "worker", backoff=waiting, on_restart=on_restart).run() == 9


def test_a_supervision_that_is_cancelled_leaves_no_child(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    async def cancelled() -> None:
        supervision = asyncio.create_task(Supervisor(shell('echo $$ >"$1"; sleep 600', str(pid)), "x").supervise())
        await _until(lambda: pid.exists() and pid.read_text().strip() != "")
        supervision.cancel()
        with pytest.raises(asyncio.CancelledError):
            await supervision

    asyncio.run(cancelled())
    assert _is_gone(int(pid.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(PR_SET_PDEATHSIG) is Linux")
def test_a_killed_supervisor_takes_its_child_along(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = "import sys; from kordon.supervisor import Supervisor; Supervisor(sys.argv[1:], 'x').run()"

    async def kill_the_supervisor() -> None:
        supervisor = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, *shell('echo $$ >"$1"; exec sleep 600', str(pid))
        )
        await _until(lambda: pid.exists() and pid.read_text().strip() != "")
        supervisor.kill()
        await supervisor.wait()
        await _until(lambda: _is_gone(int(pid.read_text())))

    asyncio.run(kill_the_supervisor())


def test_when_one_of_several_children_needs_a_person_the_others_are_told_to_end(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    others = 'trap \'echo TERM >>"$1"; exit 0\' TERM; sleep 600 & : >"$1.ready"; wait'
    lame = 'until [ -e "$1.ready" ]; do sleep 0.01; done; exit 78'
    commands = [shell(others, str(heard)), shell(lame, str(heard))]

    status = asyncio.run(supervise_all([Supervisor(command, "worker", backoff=AT_ONCE) for command in commands]))

    assert status == EX_CONFIG
    assert heard.read_text().split() == ["TERM"]


def test_a_signal_reaches_each_of_several_children_once(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    ready = tmp_path / "ready"
    script = 'trap \'echo TERM >>"$1"; sleep 0.1; exit 0\' TERM; sleep 600 & echo x >>"$2"; wait'
    supervisors = [Supervisor(shell(script, str(heard), str(ready)), "worker", backoff=AT_ONCE) for _ in range(2)]

    async def signalled() -> int:
        supervision = asyncio.create_task(supervise_all(supervisors))
        await _until(lambda: ready.exists() and len(ready.read_text().split()) == len(supervisors))
        os.kill(os.getpid(), signal.SIGTERM)
        return await supervision

    assert asyncio.run(signalled()) == 0
    assert heard.read_text().split() == ["TERM"] * len(supervisors)


def test_the_delay_doubles_up_to_the_maximum_and_is_jittered_down_to_half() -> None:
    backoff = Backoff(initial=0.5, maximum=30.0)

    assert [backoff.delay(crashes, 1.0) for crashes in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.delay(3, 0.0) == 2.0
    assert backoff.delay(100_000, 1.0) == 30.0


def test_a_child_that_ran_long_enough_counts_its_crashes_anew(tmp_path: Path) -> None:
    restarts = Restarts()
    ticks = iter([0.0, 1.0, 1.0, 100.0, 100.0, 101.0, 101.0])

    Supervisor(
        shell(CRASH_UNTIL, str(tmp_path / "runs"), "4"),
        "worker",
        backoff=Backoff(initial=0.0, maximum=0.0, settled_after=60.0),
        on_restart=restarts,
        clock=lambda: next(ticks),
    ).run()

    assert [each.crashes for each in restarts] == [1, 1, 2]


def test_a_reason_is_readable() -> None:
    assert reason_of(1) == "exit status 1"
    assert reason_of(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert reason_of(-200) == "killed by signal 200"


def _is_gone(pid: int) -> bool:
    """Tell whether the process is gone or a zombie that only waits for its reaper."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the event happens in another process
            await asyncio.sleep(0.01)
