"""A load in the background of a test: it writes until it is left, and what ended it too early is raised then."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer


class BackgroundLoad(ABC):
    """Use as ``async with``. A subclass writes with ``producer`` until ``stopping`` is set."""

    def __init__(self, producer_arguments: Mapping[str, Any]) -> None:
        self.stopping = asyncio.Event()
        self.producer: AIOKafkaProducer
        self._arguments = producer_arguments

    @abstractmethod
    async def write(self) -> None:
        """Write, and return soon after ``stopping`` is set; what was sent must be acknowledged by then."""

    async def __aenter__(self) -> Self:
        self.producer = AIOKafkaProducer(**self._arguments)
        await self.producer.start()
        self._task = asyncio.create_task(self.write(), name="load")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()
        try:
            await self._task
        finally:
            await self.producer.stop()
