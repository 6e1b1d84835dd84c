"""noida-db as the demo embeds it."""

from __future__ import annotations

from kordon.demo.broker import EmbeddedBroker
from kordon.failures import CommandFailed, ExitStatus
from tests.brokers.broker import BrokerUnavailable


class NoidaDb(EmbeddedBroker):
    """The demo's broker.

    It never expires dead members, and once stopped its log may end before what it had acknowledged, which the worker
    refuses: claims about either are made on Apache Kafka alone. Nor does it time transactions out: what was open at a
    SIGKILL hides all that follows from readers of committed records until the next owner fences it. A test that reads
    what a worker wrote, and starts no other, ends it by SIGTERM.
    """

    name = "noida-db"

    def start(self) -> str:
        """Start it; raises BrokerUnavailable where it has no build for this machine."""
        try:
            return super().start()
        except CommandFailed as failed:
            if failed.status is ExitStatus.CONFIGURATION:
                raise BrokerUnavailable(failed.message.rstrip(".")) from failed
            raise
