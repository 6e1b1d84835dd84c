"""What counts as well at the end of a chaos run: the services are scripts here, their supervisor the real one."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.ending import FENCED, end
from tests.chaos.service import Service, python
from tests.chaos.world import within

RUNS = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit({status})); {says}; signal.pause()"
SAYS_IT_RUNS = "print('runs', flush=True)"


def service(folder: Path, script: str) -> Service:
    return Service("worker-1", "streams", python("-c", script), {}, folder, static=False)


async def test_a_service_that_crashed_is_waited_for_while_its_supervisor_brings_it_back(tmp_path: Path) -> None:
    crashes_once = (
        "import pathlib, sys; life = pathlib.Path('life'); first = not life.exists(); life.touch();"
        f"first and sys.exit('{FENCED}');"
    )
    one = service(tmp_path, crashes_once + RUNS.format(status=0, says=SAYS_IT_RUNS))
    await one.start()
    await one.exited(0)
    assert one.pid is None
    assert await end([one]) == []
    assert len(one.exits) == 2


async def test_a_service_that_ended_for_good_is_named(tmp_path: Path) -> None:
    one = service(tmp_path, "import sys; print('a setting is wrong', flush=True); sys.exit(78)")
    await one.start()
    await one.exited(0)
    assert await end([one], seconds=0.1) == ["worker-1 does not run at the end: a setting is wrong"]
    await one.killed_for_good()


async def test_a_service_that_learns_of_its_fence_when_it_is_stopped_is_well(tmp_path: Path) -> None:
    one = service(tmp_path, RUNS.format(status=70, says=f"print('{FENCED}', flush=True)"))
    await one.start()
    assert await within(20, lambda: FENCED in one.output())
    assert await end([one]) == []


async def test_a_service_that_crashes_when_it_is_stopped_is_named(tmp_path: Path) -> None:
    one = service(tmp_path, RUNS.format(status=70, says=SAYS_IT_RUNS))
    await one.start()
    assert await within(20, lambda: "runs" in one.output())
    assert await end([one]) == ["worker-1 was stopped and ended with 70: runs"]
