"""The main loop's half of the consumer: explicit seeks, and batches as Faust's messages (overridden: docs/faust.md)."""

# ruff: noqa: SLF001 - aiokafka offers no other way; docs/faust.md lists each name, a unit test pins it

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.runtime.consumer_thread import CopartitionConsumerThread
from transport.client import leave_group_when_stopped

if TYPE_CHECKING:
    from streams.runtime.application import CopartitionedApp


class CopartitionConsumer(driver.Consumer):
    """The main thread's half of the consumer."""

    app: CopartitionedApp
    _thread: CopartitionConsumerThread

    def _new_consumer_thread(self) -> CopartitionConsumerThread:
        return CopartitionConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Seek to where this worker's fold stands, never to the group's committed offsets.

        SOUGHT, after which folding begins (docs/model). Folding pauses until the seek has happened, so that the
        positions cannot move under it. A crash here leaves the checkpoint.
        """
        copartitions = self.app.runtime.copartitions
        copartitions.end_epoch()
        positions = copartitions.positions()
        epoch = await self._thread.seek_assignment(positions)
        if epoch is not None:
            # Faust drops what lies below its own read offset.
            self._read_offset.update(positions)
            copartitions.begin_epoch(epoch)

    def leave_group(self) -> None:
        """Give this member's place in the group up once it stops, static or not."""
        leave_group_when_stopped(self._thread._ensure_consumer())

    def read_mark(self, tp: TP) -> tuple[int, int] | None:
        """Return (wall clock in ms, high watermark) of the last fetch response for an assigned partition."""
        consumer = self._thread._ensure_consumer()
        subscription = consumer._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return None
        state = subscription.assignment.state_value(tp)
        if state is None or state.timestamp is None:
            return None
        # The time first: paired with a later high watermark it errs on the side of more lag.
        at = state.timestamp
        return at, state.highwater

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.ranges[0].first,
            time.time(),
            0,
            None,
            None,
            record,
            None,
            None,
            None,
            tp,
            generation_id=self.app.consumer_generation_id,
        )


class CopartitionTransport(driver.Transport):
    """Faust's aiokafka transport with this consumer."""

    Consumer: ClassVar[type[CopartitionConsumer]] = CopartitionConsumer
