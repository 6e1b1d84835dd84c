"""noida-db as the demo embeds it."""

from __future__ import annotations

from kordon.demo.broker import EmbeddedBroker
from kordon.failures import CommandFailed, ExitStatus
from tests.brokers.broker import BrokerUnavailable


class NoidaDb(EmbeddedBroker):
    """The demo's broker; it never expires dead members, so claims that need that are not made on it."""

    name = "noida-db"

    def start(self) -> str:
        """Start it; raises BrokerUnavailable where it has no build for this machine."""
        try:
            return super().start()
        except CommandFailed as failed:
            if failed.status is ExitStatus.CONFIGURATION:
                raise BrokerUnavailable(failed.message.rstrip(".")) from failed
            raise
