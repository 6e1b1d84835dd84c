"""The end of a run: every service that is meant to run does so, and ends as an operator asks it to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.chaos.fault import ENDED_BY_FENCE
from tests.chaos.service import Exit, Service
from tests.chaos.world import within

UP_SECONDS = 60.0
"""A supervisor needs half a second to bring a service back, and a slow machine a few to start it."""

FENCED = "ProducerFenced"
"""What a service says last that others overtook while it was cut off: it may hear of it after all is read."""


async def end(services: Sequence[Service], seconds: float = UP_SECONDS) -> list[str]:
    """Stop services, each once its process runs, and return what was not well, in words."""
    return [text for found in await asyncio.gather(*(_end(service, seconds) for service in services)) for text in found]


async def _end(service: Service, seconds: float) -> list[str]:
    if not await within(seconds, lambda: service.pid is not None):
        return [f"{service.name} does not run at the end: {service.tail(1)}"]
    await service.stop()
    last = service.exits[-1]
    if _is_well(last):
        return []
    return [f"{service.name} was stopped and ended with {last.status}: {last.last_line[:200]}"]


def _is_well(last: Exit) -> bool:
    if last.status in ENDED_BY_FENCE:
        return FENCED in last.last_line
    return last.obeyed
