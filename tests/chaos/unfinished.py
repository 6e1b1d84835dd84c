"""Transactions that Kafka itself leaves without an end, and what docs/operations.md has an operator do about them.

A coordinator that has decided a commit writes its markers until all are there. Once, a broker's disk was full in the
midst of it, and a partition of a decided transaction never got its marker although all brokers were back: readers at
read_committed stop in front of it, and nobody takes the transactional id over, however often a service restarts.
Another coordinator (or the same after a restart) finds the decision in its log and writes what is missing.

Only a transaction that the coordinator itself calls unfinished is ended so, and the report says of each that it was.
"""

from __future__ import annotations

import time

from aiokafka.errors import KafkaError

from kordon.operations.broker_checks import is_unfinished
from tests.brokers.kafka_cluster import KafkaCluster
from tests.chaos.faults_of_brokers import SERVICES, restarted
from tests.chaos.world import World
from transport.transactions import Transaction, transactions


async def end_unfinished(world: World) -> bool:
    """Restart the coordinators of transactions that hang, and note it; return whether there were any."""
    if not isinstance(world.brokers, KafkaCluster):
        return False
    hanging = [each for each in await _transactions(world) if is_unfinished(each, time.time_ns() // 1_000_000)]
    for number in sorted({each.coordinator for each in hanging}):
        await restarted(world, world.brokers.nodes[number - 1])
    for each in hanging:
        world.count("transactions that Kafka left without an end")
        world.note(f"Kafka left {text_of(each)}; broker {each.coordinator} was restarted (docs/operations.md)")
    return bool(hanging)


async def seen(world: World) -> str:
    """Say what the coordinators know of the services' transactions, and what each service said last."""
    states = "; ".join(text_of(each) for each in await _transactions(world))
    said = "; ".join(f"{one.name}: {(one.output().splitlines() or [''])[-1][:300]}" for one in world.running())
    return f"transactions: {states or 'unknown'}; {said}"


def text_of(transaction: Transaction) -> str:
    """Say how a transaction stands."""
    age = time.time() - transaction.started_at / 1000
    places = ", ".join(transaction.places)
    waits = f", begun {age:.0f} s ago, without a marker in {places}" if places else ""
    return f"{transaction.transactional_id} in {transaction.state} on broker {transaction.coordinator}{waits}"


async def _transactions(world: World) -> list[Transaction]:
    try:
        return sorted((await transactions(world.kafka, SERVICES) or {}).values())
    except KafkaError:
        return []
