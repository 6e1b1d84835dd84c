"""Claims about kordon/client/event_loop_thread.py: what waits is never left waiting."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka.errors import KafkaConnectionError

from kordon.client import NotOpenError, Publisher, blocking
from kordon.client.event_loop_thread import EventLoopThread
from transport.settings import KafkaSettings


@pytest.fixture
def loop() -> Iterator[EventLoopThread]:
    thread = EventLoopThread("test")
    thread.start()
    yield thread
    thread.stop()


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_the_result_and_the_exception_are_the_coroutines_own(loop: EventLoopThread) -> None:
    async def fail() -> None:
        raise LookupError("here")

    assert loop.run(answer) == 42
    with pytest.raises(LookupError, match="here"):
        loop.run(fail)


def test_threads_may_share_it(loop: EventLoopThread) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: loop.run(answer), range(100))) == [42] * 100


def test_before_the_start_and_after_the_stop_calls_say_so_at_once() -> None:
    thread = EventLoopThread("test")
    with pytest.raises(NotOpenError, match="not open"):
        thread.run(answer)
    thread.start()
    thread.stop()
    thread.stop()
    with pytest.raises(NotOpenError, match="closed"):
        thread.run(answer)
    with pytest.raises(NotOpenError, match="closed"):
        thread.start()


def test_a_call_under_way_when_it_is_stopped_ends_with_an_error_that_says_so(loop: EventLoopThread) -> None:
    begun = threading.Event()

    async def wait_for_ever() -> None:
        begun.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(loop.run, wait_for_ever)
        begun.wait()
        loop.stop()
        with pytest.raises(NotOpenError, match="closed"):
            waiting.result(timeout=30)


def test_ctrl_c_cancels_the_call_and_leaves_the_loop_usable(loop: EventLoopThread) -> None:
    cancelled = threading.Event()

    async def wait_for_ever() -> None:
        try:
            # It meets the caller before it waits, or while it does.
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            loop.run(wait_for_ever)
        assert cancelled.wait(timeout=30)
        cancelled.clear()
        assert loop.run(answer) == 42


def test_ctrl_c_before_the_work_has_begun_leaves_nothing_to_run(loop: EventLoopThread) -> None:
    holding, enough, begun = threading.Event(), threading.Event(), threading.Event()

    async def hold_the_loop() -> None:
        holding.set()
        enough.wait()  # the loop does nothing else meanwhile

    async def never_wanted() -> None:
        begun.set()

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with ThreadPoolExecutor(1) as threads:
            first = threads.submit(loop.run, hold_the_loop)
            holding.wait()
            with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come at any moment from the first line on
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                loop.run(never_wanted)
            enough.set()
            first.result()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert loop.run(answer) == 42
    assert not begun.is_set()


def test_a_client_that_cannot_connect_leaves_no_thread() -> None:
    before = threading.active_count()
    with (
        pytest.raises(KafkaConnectionError),
        blocking.Publisher(KafkaSettings(bootstrap_servers="127.0.0.1:1")),
    ):
        pass
    assert threading.active_count() == before


async def test_a_closed_publisher_says_so() -> None:
    publisher = Publisher(KafkaSettings())
    await publisher.__aexit__()
    with pytest.raises(NotOpenError, match="closed"):
        await publisher.__aenter__()


def test_a_publisher_holds_at_least_one_record() -> None:
    with pytest.raises(ValueError, match="max_in_flight"):
        Publisher(KafkaSettings(), max_in_flight=0)
