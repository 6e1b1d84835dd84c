"""An event loop on a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from kordon.client.errors import NotOpenError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")

_JOIN_SECONDS: Final = 5.0


class _Call(Generic[Result]):
    """A piece of work that can be given up before it was begun; all but its making happens in the loop."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self._work = work
        self._task: asyncio.Task[Any] | None = None
        self._given_up = False

    async def run(self) -> Result:
        if self._given_up:
            raise asyncio.CancelledError
        self._task = asyncio.current_task()
        return await self._work()

    def give_up(self) -> None:
        self._given_up = True
        if self._task is not None:
            self._task.cancel()


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
        call = _Call(work)
        try:
            return self._submit(call).result()
        except CancelledError:
            raise NotOpenError.after() from None
        except BaseException:
            # Ctrl-C may come at any moment of the above; where the work itself raised, this has no effect.
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(call.give_up)
            raise

    def _submit(self, call: _Call[Result]) -> Future[Result]:
        with self._changing:
            if self._thread is None:
                raise NotOpenError.after() if self._stopped else NotOpenError.before("with")
            if self._stopped or not self._thread.is_alive():
                raise NotOpenError.after()
            assert self._loop is not None, "start() waits for it"
            return asyncio.run_coroutine_threadsafe(call.run(), self._loop)

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
