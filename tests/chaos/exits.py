"""Forced ends: the process exits, as by a power cut, at a numbered step of a commit or of a take-over, or falls asleep.

``KORDON_CHAOS_EXIT`` is ``commit:STEP:n`` (the n-th time that a commit reaches this :class:`transport.commits.Step`),
``sleep:STEP:n`` (the same, but it stops itself by SIGSTOP and is a zombie once it is continued) or ``takeover:n``
(right after the n-th step in the docstring of ``streams.runtime.takeover`` or ``issuer.takeover``).
Production code has no switch for it: commits are hooked where the writer allows it, take-overs by wrapping the
function that ends the step. A function that is gone raises AttributeError at the start, so no step is passed over.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from transport.writer import Step

STATUS = 99
VARIABLE = "KORDON_CHAOS_EXIT"

WORKER_STEPS: Mapping[int, tuple[str, str]] = {
    1: ("transport.writer", "TransactionalWriter.open"),
    2: ("streams.runtime.takeover", "_restore_rows"),
    3: ("streams.runtime.takeover", "_read_checkpoints"),
    4: ("streams.runtime.takeover", "_positions"),
    5: ("streams.runtime.copartitions", "take_over"),
}
"""Step of a worker's take-over → (module, function at whose return it is done)."""

ISSUER_STEPS: Mapping[int, tuple[str, str]] = {
    1: ("issuer.service", "Issuer._fence"),
    2: ("issuer.takeover", "last_records"),
    3: ("issuer.service", "checkpoint_offsets"),
    4: ("issuer.service", "restore_memory"),
    5: ("issuer.service", "Issuer._reader"),
}
"""The same of an issuer's."""


def at_commit(step: Step, number: int) -> dict[str, str]:
    """Return the setting that ends a process at a step of its ``number``-th commit."""
    return {VARIABLE: f"commit:{step.name}:{number}"}


def asleep_at_commit(step: Step, number: int) -> dict[str, str]:
    """Return the setting that stops a process at a step of its ``number``-th commit."""
    return {VARIABLE: f"sleep:{step.name}:{number}"}


def at_takeover(step: int) -> dict[str, str]:
    """Return the setting that ends a process after a step of its first take-over."""
    return {VARIABLE: f"takeover:{step}"}


def arm(steps: Mapping[int, tuple[str, str]]) -> Callable[[Step], None]:
    """Prepare the exit that the environment asks for, if it asks; return what is to be called at commits' steps."""
    kind, _, rest = os.environ.get(VARIABLE, "").partition(":")
    if kind == "takeover":
        _exit_after(*steps[int(rest)])
    if kind not in {"commit", "sleep"}:
        return lambda _: None
    name, _, number = rest.partition(":")
    wanted, left = Step[name], int(number)

    def count(step: Step) -> None:
        nonlocal left
        left -= step is wanted
        if step is not wanted or left != 0:
            return
        if kind == "commit":
            os._exit(STATUS)
        os.kill(os.getpid(), signal.SIGSTOP)

    return count


def _exit_after(module: str, name: str) -> None:
    owner: Any = __import__(module, fromlist=["_"])
    *path, attribute = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    function = getattr(owner, attribute)
    assert inspect.iscoroutinefunction(function), f"{module}.{name} is no coroutine function any more"

    async def ended(*arguments: Any, **named: Any) -> Any:
        await function(*arguments, **named)
        os._exit(STATUS)

    setattr(owner, attribute, ended)
