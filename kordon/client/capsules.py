"""Requesting capsules: sign, send, await the correlated reply, verify, open the seal."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Self

from kordon.client.answers import Capsule, Denial, read_answer
from kordon.client.channel import ReplyChannel
from kordon.client.requests import SignedRequest, sign_request
from schemas.decisions import DenialReason
from transport.compact_jws import digest_of
from transport.envelopes import Expected

if TYPE_CHECKING:
    from collections.abc import Callable

    from kordon.client.credentials import NodeCredential
    from schemas.network import Network
    from transport.settings import KafkaSettings
    from transport.trust import Trust

ATTEMPTS: Final = 3
TIMEOUT_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 1


class CapsuleClient:
    """Requests capsules for one node; an asynchronous context manager.

    ::

        async with CapsuleClient(KafkaSettings.load(), Trust.load(path), "node-1", credential) as client:
            answer = await client.request(fingerprint, runtime_version)

    ``clock`` gives seconds since the epoch; it dates requests and judges the answers' validity.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        trust: Trust,
        node_id: str,
        credential: NodeCredential,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._trust = trust
        self._node_id = node_id
        self._credential = credential
        self._audience = trust.audience(settings.prefix)
        self._clock = clock
        self._channel = ReplyChannel(settings, node_id.encode())

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            KafkaError: no broker can be reached, or the reply topic does not exist.
        """
        await self._channel.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Disconnect."""
        await self._channel.__aexit__(*exception)

    async def request(
        self,
        fingerprint: str,
        runtime_version: str,
        *,
        network: Network | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
        patience_seconds: float = 0.0,
    ) -> Capsule | Denial:
        """Request a capsule: :meth:`build`, then :meth:`send`."""
        request = self.build(fingerprint=fingerprint, runtime_version=runtime_version, network=network)
        return await self.send(
            request, timeout_seconds=timeout_seconds, attempts=attempts, patience_seconds=patience_seconds
        )

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
        """Return a signed request that was not sent yet.

        ``network`` is what the node says of its own place. ``issued_at`` (whole seconds since the epoch; now without
        it), ``request_id`` (drawn) and ``credential`` (the node's) are there to be replaced by who tests an issuer.
        """
        return sign_request(
            self._credential if credential is None else credential,
            node_id=self._node_id,
            audience=self._audience,
            fingerprint=fingerprint,
            runtime_version=runtime_version,
            issued_at=int(self._clock()) if issued_at is None else issued_at,
            network=network,
            request_id=request_id,
        )

    async def send(
        self,
        request: SignedRequest,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
        patience_seconds: float = 0.0,
    ) -> Capsule | Denial:
        """Send a request and return its verified answer.

        When ``timeout_seconds`` pass without one, the same bytes are sent again, ``attempts`` times in all. A reply
        that does not verify is passed over: anyone who may write to the topic could have sent it.

        ``RISK_STATE_STALE`` says nothing of the node: while it is the answer and ``patience_seconds`` have not passed,
        the same bytes are sent again, after the time the issuer advises.

        Raises:
            NoReplyError: no answer that can be believed came.
            KafkaError: the broker cannot be reached.
        """
        deadline = time.monotonic() + patience_seconds
        while True:
            answer = await self._channel.ask(
                request.value,
                lambda reply: self._read(reply, request.value, request),
                timeout_seconds=timeout_seconds,
                attempts=attempts,
            )
            left = deadline - time.monotonic()
            if isinstance(answer, Capsule) or answer.reason is not DenialReason.RISK_STATE_STALE or left <= 0:
                return answer
            await asyncio.sleep(min(answer.retry_after_seconds or _PAUSE_SECONDS, left))

    async def send_bytes(
        self, value: bytes, *, timeout_seconds: float = TIMEOUT_SECONDS, attempts: int = ATTEMPTS
    ) -> Capsule | Denial:
        """Send bytes that may be no request at all; as :meth:`send`. No capsule can be opened that answers them."""
        return await self._channel.ask(
            value, lambda reply: self._read(reply, value, None), timeout_seconds=timeout_seconds, attempts=attempts
        )

    def _read(self, reply: bytes, value: bytes, request: SignedRequest | None) -> Capsule | Denial:
        expected = Expected(self._audience, int(self._clock() * 1000), digest_of(value), self._node_id)
        return read_answer(reply, request, self._credential, trust=self._trust, expected=expected)
