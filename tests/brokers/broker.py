"""What a test may ask of a broker, whichever it is."""

from __future__ import annotations

from typing import Protocol


class Broker(Protocol):
    """A single broker on loopback, without TLS or SASL, that creates no topic by itself."""

    @property
    def name(self) -> str:
        """``noida-db`` or ``apache-kafka``."""

    @property
    def bootstrap_servers(self) -> str:
        """``127.0.0.1:port``; it outlives a restart."""

    def start(self) -> str:
        """Start and return the bootstrap servers once clients can connect; the data of an earlier start is kept."""

    def stop(self) -> None:
        """End it as an operator would (SIGTERM)."""

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""


class BrokerUnavailable(Exception):  # noqa: N818 - a state of the machine, not a fault
    """This machine lacks what the broker needs; the text says what was not found and which package brings it."""
