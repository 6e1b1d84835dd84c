"""The client for programs without an event loop: the same names, the same arguments, calls that wait.

::

    with CapsuleClient(KafkaSettings.load(), Trust.load(path), "node-1", credential) as client:
        answer = client.request(fingerprint, "1.2.3")

Each object runs its asynchronous counterpart on one background thread of its own, from ``with`` to its end. It may be
shared: calls of several threads are safe, requests for capsules wait for each other, publishing overlaps. Ctrl-C in a
waiting call cancels that call and leaves the object usable. After the end of ``with`` every call raises
:class:`kordon.client.NotOpenError`, and so does one that another thread had under way. A forked child opens its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from kordon.client import capsules, publisher, risk_rows
from kordon.client.event_loop_thread import EventLoopThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from kordon.client.answers import Capsule, Denial
    from kordon.client.credentials import NodeCredential
    from kordon.client.publisher import Published
    from kordon.client.requests import SignedRequest
    from schemas.network import Network, NetworkObservation
    from schemas.risk import RiskRow
    from schemas.telemetry import Telemetry
    from transport.settings import KafkaSettings
    from transport.trust import Trust

__all__ = ["CapsuleClient", "Publisher", "RiskRows"]


class _Opened(Protocol):
    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *exception: object) -> Any: ...


Asynchronous = TypeVar("Asynchronous", bound=_Opened)


class _Blocking(Generic[Asynchronous]):
    """An asynchronous context manager, used without one's own event loop."""

    def __init__(self, asynchronous: Asynchronous) -> None:
        self._asynchronous = asynchronous
        self._thread = EventLoopThread(f"kordon.client {type(self).__name__}")

    def __enter__(self) -> Self:
        """Connect; raises what the asynchronous form raises."""
        self._thread.start()
        try:
            self._thread.run(self._asynchronous.__aenter__)
        except BaseException:
            self._thread.stop()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        """Disconnect, and end the thread."""
        try:
            self._thread.run(self._asynchronous.__aexit__)
        finally:
            self._thread.stop()


class CapsuleClient(_Blocking[capsules.CapsuleClient]):
    """Requests capsules for one node; a context manager. See :class:`kordon.client.CapsuleClient`."""

    def __init__(
        self,
        settings: KafkaSettings,
        trust: Trust,
        node_id: str,
        credential: NodeCredential,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(capsules.CapsuleClient(settings, trust, node_id, credential, clock=clock))

    def request(
        self,
        fingerprint: str,
        runtime_version: str,
        *,
        network: Network | None = None,
        timeout_seconds: float = capsules.TIMEOUT_SECONDS,
        attempts: int = capsules.ATTEMPTS,
        patience_seconds: float = 0.0,
    ) -> Capsule | Denial:
        """Request a capsule; see :meth:`kordon.client.CapsuleClient.request`."""
        request = self.build(fingerprint=fingerprint, runtime_version=runtime_version, network=network)
        return self.send(request, timeout_seconds=timeout_seconds, attempts=attempts, patience_seconds=patience_seconds)

    def build(
        self,
        *,
        fingerprint: str,
        runtime_version: str,
        network: Network | None = None,
        issued_at: int | None = None,
        request_id: str | None = None,
        credential: NodeCredential | None = None,
    ) -> SignedRequest:
        """Return a signed request that was not sent yet; see :meth:`kordon.client.CapsuleClient.build`."""
        return self._asynchronous.build(
            fingerprint=fingerprint,
            runtime_version=runtime_version,
            network=network,
            issued_at=issued_at,
            request_id=request_id,
            credential=credential,
        )

    def send(
        self,
        request: SignedRequest,
        *,
        timeout_seconds: float = capsules.TIMEOUT_SECONDS,
        attempts: int = capsules.ATTEMPTS,
        patience_seconds: float = 0.0,
    ) -> Capsule | Denial:
        """Send a request and return its verified answer; see :meth:`kordon.client.CapsuleClient.send`."""
        return self._thread.run(
            lambda: self._asynchronous.send(
                request, timeout_seconds=timeout_seconds, attempts=attempts, patience_seconds=patience_seconds
            )
        )


class Publisher(_Blocking[publisher.Publisher]):
    """Publishes telemetry and observations; a context manager. See :class:`kordon.client.Publisher`.

    A call waits until its record is acknowledged, so one thread sends one record at a time. Who sends many shares the
    publisher among threads, or uses the asynchronous form.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        max_in_flight: int = publisher.MAX_IN_FLIGHT,
        timeout_seconds: float = publisher.TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(publisher.Publisher(settings, max_in_flight=max_in_flight, timeout_seconds=timeout_seconds))

    def telemetry(self, report: Telemetry, *, timestamp: int | None = None) -> Published:
        """Publish a node's report; see :meth:`kordon.client.Publisher.telemetry`."""
        return self._thread.run(lambda: self._asynchronous.telemetry(report, timestamp=timestamp))

    def observation(self, observation: NetworkObservation, *, timestamp: int | None = None) -> Published:
        """Publish what an observer saw of a node; see :meth:`kordon.client.Publisher.observation`."""
        return self._thread.run(lambda: self._asynchronous.observation(observation, timestamp=timestamp))


class RiskRows(_Blocking[risk_rows.RiskRows]):
    """The risk rows of the fleet, followed; a context manager. See :class:`kordon.client.RiskRows`."""

    def __init__(self, settings: KafkaSettings, *, most_stale_seconds: float = risk_rows.MOST_STALE_SECONDS) -> None:
        super().__init__(risk_rows.RiskRows(settings, most_stale_seconds=most_stale_seconds))

    def row_of(self, node_id: str) -> RiskRow | None:
        """Return a node's row, None without one; see :meth:`kordon.client.RiskRows.row_of`."""
        return self._asynchronous.row_of(node_id)
