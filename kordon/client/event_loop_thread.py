"""An event loop on a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kordon.client.errors import NotOpenError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")

_JOIN_SECONDS: Final = 5.0


class EventLoopThread:
    """Runs coroutines for any thread that asks, until it is stopped. It starts once and never again.

    The thread is a daemon: a program that forgets to stop it ends all the same. It does not outlive a fork; the child
    opens a client of its own.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changing = threading.Lock()
        self._started = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._enough: asyncio.Event | None = None

    def start(self) -> None:
        """Start it and wait until it runs.

        Raises:
            NotOpenError: it was started before.
        """
        with self._changing:
            if self._thread is not None or self._stopped:
                raise NotOpenError.after()
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        self._started.wait()

    def run(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run what ``work`` begins and wait for its end; from any thread but the loop's own.

        Ctrl-C (KeyboardInterrupt, as anything else that a signal handler raises here) cancels it and is raised at once.

        Raises:
            NotOpenError: the loop does not run, or was stopped meanwhile.
        """
        # It is there before the work is: a Ctrl-C between the two finds something to cancel.
        outcome: Future[Result] = Future()
        try:
            with self._changing:
                self._running_loop().call_soon_threadsafe(_begin, work, outcome)
            return outcome.result()
        except CancelledError:
            raise NotOpenError.after() from None
        except BaseException:
            outcome.cancel()  # of no effect where the work itself raised
            raise

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._thread is None:
            raise NotOpenError.after() if self._stopped else NotOpenError.before("with")
        if self._stopped or not self._thread.is_alive():
            raise NotOpenError.after()
        assert self._loop is not None, "start() waits for it"
        return self._loop

    def stop(self) -> None:
        """Cancel what still runs, whose callers get NotOpenError, and end the thread. A second time it does nothing."""
        with self._changing:
            self._stopped = True
            if self._thread is None or not self._thread.is_alive():
                return
        self._started.wait()
        assert self._loop is not None
        assert self._enough is not None
        self._loop.call_soon_threadsafe(self._enough.set)
        self._thread.join(_JOIN_SECONDS)

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._loop, self._enough = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._enough.wait()


def _begin(work: Callable[[], Coroutine[Any, Any, Result]], outcome: Future[Result]) -> None:
    """Begin the work in the running loop; ``outcome`` gets what comes of it, and cancels it when it is cancelled."""
    if outcome.cancelled():
        return
    loop = asyncio.get_running_loop()
    task = loop.create_task(work())
    task.add_done_callback(lambda _: _hand_over(task, outcome))

    def give_up(given_up: Future[Result]) -> None:
        if given_up.cancelled():
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile, and every task with it
                loop.call_soon_threadsafe(task.cancel)

    outcome.add_done_callback(give_up)


def _hand_over(task: asyncio.Task[Result], outcome: Future[Result]) -> None:
    if task.cancelled():
        outcome.cancel()
    elif not outcome.set_running_or_notify_cancel():
        task.exception()  # nobody waits for it any more
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
