"""The short form of fault 5, and that its network does what it is told; the long form is `make chaos FAULTS=5`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.brokers.tcp_proxy import Condition, Network, Way
from tests.chaos.__main__ import run
from tests.chaos.faults_of_network import Cut, HalfOpen, Slow
from tests.chaos.report import Setting, text_of
from tests.chaos.world import Layout, within

SMALL = Layout(partitions=3, workers=(True, True), issuers=(True,), nodes=100, rate=200, session_timeout_ms=6_000)
REQUEST = (14).to_bytes(4) + bytes(2) + bytes(2) + bytes(4) + (4).to_bytes(2) + b"mine"
"""The least that says who asks: the header of a Kafka request of the client ``mine``."""


@pytest.mark.usefixtures("apache_kafka_jars")
async def test_nothing_is_lost_or_doubled_when_the_network_is_cut_slow_and_half_open(tmp_path: Path) -> None:
    faults = [
        Cut("network-cut", 1, 3),
        Slow("network-slow", 2, 3),
        HalfOpen("network-half-open", 3, 6),
        HalfOpen("worker-half-open", 7, 9, alone=True, affects=frozenset({"streams"})),
    ]
    setting = Setting(seed=1, minutes=0, faults=("5",), brokers=1, control=None)
    outcome = await run(setting, tmp_path, SMALL, faults=faults, strikes=len(faults))
    assert outcome.passed, text_of(outcome, setting)
    assert len(outcome.strikes) == len(faults)
    assert outcome.verdict.folded > 0


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Network, list[bytes]]]:
    """A network before a server that repeats what it hears, and the list of that."""
    heard: list[bytes] = []

    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await reader.read(1_000):
            heard.append(said)
            writer.write(said)
        writer.close()

    server = await asyncio.start_server(repeat, "127.0.0.1", 0)
    async with server, Network([server.sockets[0].getsockname()[1]]) as network:
        yield network, heard


async def connected(network: Network) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect through the network and have been answered once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", network.ports[0])
    writer.write(REQUEST)
    assert await reader.readexactly(len(REQUEST)) == REQUEST
    return reader, writer


async def test_a_cut_network_resets_what_stands_and_what_is_new() -> None:
    async with echo() as (network, _):
        reader, writer = await connected(network)
        network.impose(Condition(cut=True), clients=["mine"])
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await connected(network)
        network.heal()
        await connected(network)
        writer.close()


async def test_held_answers_do_not_keep_requests_back_and_come_late() -> None:
    async with echo() as (network, heard):
        reader, writer = await connected(network)
        network.impose(Condition(held=frozenset({Way.ANSWERS})))
        writer.write(b"late")
        assert await within(10, lambda: b"late" in heard)
        answer = asyncio.create_task(reader.readexactly(4))
        await asyncio.sleep(0.05)
        assert not answer.done()
        network.heal()
        assert await answer == b"late"
        writer.close()


async def test_held_requests_are_lost_if_the_connection_is_forgotten() -> None:
    async with echo() as (network, heard):
        reader, writer = await connected(network)
        network.impose(Condition(held=frozenset({Way.REQUESTS})))
        writer.write(b"lost")
        await asyncio.sleep(0.05)
        network.heal(forgotten=True)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        assert b"lost" not in heard


async def test_a_condition_of_one_client_is_not_anothers() -> None:
    async with echo() as (network, _):
        network.impose(Condition(cut=True), clients=["other"])
        await connected(network)
        assert network.clients() == {"mine"}
