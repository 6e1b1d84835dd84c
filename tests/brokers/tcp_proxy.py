"""A network that can be cut, slowed and left half-open: one TCP proxy a broker, all on loopback, in this process.

Brokers advertise their proxies' ports (``tests.brokers.kafka_cluster``), so a client that starts from a proxy never
meets a broker directly. A connection is known by the client id in its first Kafka request: a condition may hold for
one client alone, as when its machine is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Self

CHUNK_BYTES = 16_384
_TO_CLIENT_ID = struct.Struct(">ihhih")
"""What stands before a request's client id: size, API key, API version, correlation id, length of the client id."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Way(Enum):
    """A direction of a connection."""

    REQUESTS = "requests"
    ANSWERS = "answers"


@dataclass(frozen=True)
class Condition:
    """What befalls bytes: they pass, unless told otherwise.

    ``cut``: connections are reset and new ones are too. ``delay``: s that each chunk of at most ``CHUNK_BYTES`` takes,
    which bounds latency and rate alike. ``held``: ways on which nothing arrives, although the connection stands.
    """

    cut: bool = False
    delay: float = 0.0
    held: frozenset[Way] = frozenset()


CLEAR = Condition()


class Network:
    """Use as ``async with Network(ports of brokers)``; ``ports`` are then the proxies', in the same order.

    One condition holds at a time, of the brokers (by index) and clients (by id) it was imposed on, else of all.
    ``reset`` counts the connections that it reset.
    """

    def __init__(self, targets: Collection[int]) -> None:
        self.ports: tuple[int, ...] = ()
        self.reset = 0
        self._targets = tuple(targets)
        self._condition = CLEAR
        self._brokers: frozenset[int] | None = None
        self._clients: frozenset[str] | None = None
        self._changed = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def bootstrap_servers(self) -> str:
        """The proxies as a client's first servers."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    async def __aenter__(self) -> Self:
        for broker in range(len(self._targets)):
            self._servers.append(await asyncio.start_server(self._accept(broker), "127.0.0.1", 0, limit=CHUNK_BYTES))
        self.ports = tuple(server.sockets[0].getsockname()[1] for server in self._servers)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def clients(self) -> set[str]:
        """Return the ids of the clients that are connected."""
        return {connection.client for connection in self._connections}

    def impose(
        self,
        condition: Condition,
        *,
        brokers: Collection[int] | None = None,
        clients: Collection[str] | None = None,
    ) -> None:
        """Let a condition hold instead of the former one; a cut resets the connections it concerns at once."""
        self._condition = condition
        self._brokers = None if brokers is None else frozenset(brokers)
        self._clients = None if clients is None else frozenset(clients)
        self._changed.set()
        self._changed = asyncio.Event()
        if condition.cut:
            self._reset_concerned()

    def heal(self, *, forgotten: bool = False) -> None:
        """Let everything pass again.

        What was held arrives late, as after retransmission; if ``forgotten``, it is lost and its connections are reset,
        as by a firewall that no longer knows them.
        """
        if forgotten:
            self._reset_concerned()
        self.impose(CLEAR)

    def condition(self, broker: int, client: str) -> Condition:
        """Return what holds between a broker and a client."""
        concerned = (self._brokers is None or broker in self._brokers) and (
            self._clients is None or client in self._clients
        )
        return self._condition if concerned else CLEAR

    async def passage(self, broker: int, client: str, way: Way) -> bool:
        """Wait until a chunk may go this way; return whether it may, or the connection is to be reset."""
        while way in (condition := self.condition(broker, client)).held:
            await self._changed.wait()
        if condition.delay:
            await asyncio.sleep(condition.delay)
        return not self.condition(broker, client).cut

    def _reset_concerned(self) -> None:
        for connection in list(self._connections):
            if self.condition(connection.broker, connection.client) is not CLEAR:
                self.reset += 1
                connection.abort()

    def _accept(self, broker: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - start_server's callback
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await self._serve(broker, reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass  # an end that one side made is an end for both
            except asyncio.CancelledError:
                if self._servers[broker].is_serving():
                    raise
            finally:
                self._tasks.discard(task)
                _abort(writer)

        return serve

    async def _serve(self, broker: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(_TO_CLIENT_ID.size)
        length = max(_TO_CLIENT_ID.unpack(first)[-1], 0)
        first += await reader.readexactly(length)
        client = first[_TO_CLIENT_ID.size :].decode()
        if self.condition(broker, client).cut:
            return
        to_broker, broker_writer = await asyncio.open_connection("127.0.0.1", self._targets[broker], limit=CHUNK_BYTES)
        connection = _Connection(self, broker, client, writer, broker_writer)
        self._connections.add(connection)
        try:
            if await self.passage(broker, client, Way.REQUESTS):
                broker_writer.write(first)
                await connection.carry(reader, to_broker)
        finally:
            self._connections.discard(connection)
            _abort(broker_writer)


@dataclass(eq=False)
class _Connection:
    """A client's connection and the proxy's own to the broker behind it."""

    network: Network
    broker: int
    client: str
    client_writer: asyncio.StreamWriter
    broker_writer: asyncio.StreamWriter

    async def carry(self, from_client: asyncio.StreamReader, from_broker: asyncio.StreamReader) -> None:
        """Carry bytes both ways until one side ends; then the other side ends too."""
        ways = {
            asyncio.create_task(self._carry(from_client, self.broker_writer, Way.REQUESTS)),
            asyncio.create_task(self._carry(from_broker, self.client_writer, Way.ANSWERS)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def abort(self) -> None:
        """Reset both sides."""
        _abort(self.client_writer)
        _abort(self.broker_writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        # The end of a stream travels as bytes do: while they are held nobody learns of it.
        while chunk := await reader.read(CHUNK_BYTES):
            if not await self.network.passage(self.broker, self.client, way):
                return
            writer.write(chunk)
            await writer.drain()
        await self.network.passage(self.broker, self.client, way)


def _abort(writer: asyncio.StreamWriter) -> None:
    connected = writer.get_extra_info("socket")
    if connected is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
