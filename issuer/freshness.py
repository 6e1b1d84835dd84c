"""Check 6's wait: registry and risk read up to where they ended after the requests were read."""

import time
from typing import Final

from aiokafka import TopicPartition

from issuer.state import CopartitionState
from schemas.topics import REGISTRY, RISK
from transport.settings import KafkaSettings
from transport.views import NotCaughtUpError, View
from transport.watermarks import Watermarks


class Freshness:
    """Tells whether a co-partition's view is caught up, waiting for it within bounds."""

    def __init__(self, kafka: KafkaSettings, view: View, watermarks: Watermarks, timeout_seconds: float) -> None:
        self._kafka = kafka
        self._view = view
        self._watermarks = watermarks
        self._timeout_seconds: Final = timeout_seconds

    async def wait(self, state: CopartitionState, timeout_seconds: float | None = None) -> bool:
        """Ask for the high watermarks now, wait until both topics are read to them and risk to ``riskEnd``.

        Returns whether that was reached within ``timeout_seconds``, by default the setting's.

        Raises:
            ViewFailedError: the view has stopped following.
            KafkaError: the broker did not say where the topics end.
        """
        registry = TopicPartition(self._kafka.topic(REGISTRY), state.partition)
        risk = TopicPartition(self._kafka.topic(RISK), state.partition)
        ends = dict(await self._watermarks.high([registry, risk]))
        deadline = time.monotonic() + (self._timeout_seconds if timeout_seconds is None else timeout_seconds)
        try:
            while True:
                await self._view.caught_up_to(ends, max(0.0, deadline - time.monotonic()))
                if self.has_risk_end(state):
                    return True
                ends[risk] = _risk_end(state)
        except NotCaughtUpError:
            return False

    def has_risk_end(self, state: CopartitionState) -> bool:
        """Tell whether risk is read to the ``riskEnd`` of the progress known now.

        The worker's progress of a transaction may be read before the rows of the same transaction.
        """
        risk = TopicPartition(self._kafka.topic(RISK), state.partition)
        return self._view.position(risk) >= _risk_end(state)


def _risk_end(state: CopartitionState) -> int:
    return 0 if state.progress is None else state.progress.riskEnd
