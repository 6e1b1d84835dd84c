"""Asks now and then whether the topics are still those that were taken over."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from transport.topic_ids import topic_states

if TYPE_CHECKING:
    from streams.runtime.runtime import Runtime

CHECK_SECONDS: Final = 5.0


class TopicWatch:
    """Watches the topics of ``runtime``; offsets do not tell when one is deleted and created anew.

    Once the new topic has grown beyond the fold's position, it is read on as if nothing were, and aiokafka hears of
    more partitions only with its metadata, minutes later.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._checked_at = 0.0

    async def check(self, client: AIOKafkaClient, now: float) -> None:
        """Ask over ``client`` if it is time to, by ``now`` in monotonic seconds.

        A broker that does not answer is passed over: the next time will do.

        Raises:
            RefusedError: a topic was created anew or has another partition count.
        """
        if now - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = now
        with contextlib.suppress(KafkaError):
            self._runtime.copartitions.require_unchanged(await topic_states(client, self._runtime.watched))
