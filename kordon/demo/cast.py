"""Who acts in the demo: an operator, observers, and nodes with credentials of their own."""

from __future__ import annotations

import secrets
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kordon.client import CapsuleClient, Ed25519Credential, HmacCredential, Publisher, SignedRequest
from kordon.demo.scenario import Trick
from kordon.operator import Operator
from schemas.codec import encode
from schemas.commands import Action, Command
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS

if TYPE_CHECKING:
    from schemas.network import Network
    from transport.settings import KafkaSettings
    from transport.trust import Trust

RUNTIME_VERSION: Final = "1.0.0"
_TEN_MINUTES: Final = 600


@dataclass
class CastNode:
    """A node of the story: its credential, its fingerprint, its client, and the request it made last."""

    name: str
    credential: Ed25519Credential | HmacCredential
    fingerprint: str
    client: CapsuleClient
    last_request: SignedRequest | None = None

    def request(self, trick: Trick, network: Network | None) -> SignedRequest:
        """Return the request that the trick asks for; an honest one is remembered for the tricks that reuse it."""
        if trick is Trick.SAME_BYTES:
            assert self.last_request is not None, "the scenario lets a node ask honestly before it repeats itself"
            return self.last_request
        now = int(time.time())
        reused = self.last_request.claims.requestId if trick is Trick.REUSED_ID and self.last_request else None
        request = self.client.build(
            fingerprint=secrets.token_hex(16) if trick is Trick.ANOTHER_FINGERPRINT else self.fingerprint,
            runtime_version=RUNTIME_VERSION,
            network=network,
            issued_at=now - _TEN_MINUTES if trick is Trick.OLD else now,
            request_id=reused,
            credential=(
                Ed25519Credential(self.credential.kid, Ed25519PrivateKey.generate())
                if trick is Trick.ANOTHER_KEY
                else None
            ),
        )
        if trick is Trick.HONEST:
            self.last_request = request
        return request


class Cast:
    """The people and nodes of the story; an asynchronous context manager."""

    def __init__(self, settings: KafkaSettings, trust: Trust, operator: Operator) -> None:
        self.operator = operator
        self.publisher = Publisher(settings)
        self._settings = settings
        self._trust = trust
        self._nodes: dict[str, CastNode] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect those who are always there."""
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self.operator)
            await opening.enter_async_context(self.publisher)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Disconnect everybody."""
        await self._open.aclose()

    async def node(self, name: str, credential: str = "ed25519") -> CastNode:
        """Return a node, which comes into being, with a credential nobody has enrolled, when it is first named."""
        if name not in self._nodes:
            its_own: Ed25519Credential | HmacCredential
            if credential == "hmac":
                its_own = HmacCredential("1", secrets.token_urlsafe(32).encode())
            else:
                its_own = Ed25519Credential("1", Ed25519PrivateKey.generate())
            client = CapsuleClient(self._settings, self._trust, name, its_own)
            await self._open.enter_async_context(client)
            self._nodes[name] = CastNode(name, its_own, secrets.token_hex(16), client)
        return self._nodes[name]

    async def enrol(self, name: str, credential: str) -> None:
        """Let an operator enrol a node with its credential and fingerprint."""
        node = await self.node(name, credential)
        if isinstance(node.credential, HmacCredential):
            enrolled = self.operator.hmac_credential(name, node.credential.kid, node.credential.token)
        else:
            enrolled = self.operator.ed25519_credential(node.credential.kid, node.credential.public_key)
        await self.operator.enrol(name, enrolled, {"fingerprint": node.fingerprint, "servicePrincipal": f"svc-{name}"})

    async def order_unsigned(self, name: str, action: Action, reason: str) -> str:
        """Write a command that nobody signed, as whoever may write to the topic could; return its id."""
        command_id = secrets.token_hex(16)
        at = Timestamp(time.time_ns() // 1_000_000)
        command = Command(command_id, name, action, "mallory", reason, at)
        await self.publisher.record(COMMANDS, name.encode(), encode(command))
        return command_id
