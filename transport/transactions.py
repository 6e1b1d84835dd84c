"""What the brokers know of a transactional id: whether its transaction is open, or decided and not ended everywhere.

A commit that was decided is final, but a reader at read_committed sees it in a partition only once the coordinator's
marker stands there. Until every partition has its marker, the id's next owner cannot take it over either
(CONCURRENT_TRANSACTIONS). The request is KIP-664's DescribeTransactions, which aiokafka does not have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    NodeNotReadyError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from transport.client import client_arguments
from transport.settings import KafkaSettings

_API_KEY: Final = 65
_AGAIN_SECONDS: Final = 0.2
_MOVING: Final = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    KafkaConnectionError,
    NodeNotReadyError,
)
"""There is no coordinator yet (the first look at a new cluster makes the topic that coordinators keep), or it is
another now, or it is dead and the cluster, which has not noticed, still names it."""
_NOT_FOUND: Final = 105
"""TRANSACTIONAL_ID_NOT_FOUND: nobody has opened it, or the coordinator has forgotten it."""


class _DescribeTransactionsResponse(Response):  # type: ignore[misc] # aiokafka has no types
    API_KEY = _API_KEY
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transaction_states",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString("utf-8")),
                ("transaction_state", CompactString("utf-8")),
                ("transaction_timeout_ms", Int32),
                ("transaction_start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                (
                    "topics",
                    CompactArray(
                        ("topic", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeTransactionsRequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _API_KEY
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _DescribeTransactionsResponse
    SCHEMA = Schema(("transactional_ids", CompactArray(CompactString("utf-8"))), ("tags", TaggedFields))


class _DescribeTransactionsRequest(Request[_DescribeTransactionsRequestStruct]):  # type: ignore[misc]
    API_KEY = _API_KEY

    def __init__(self, transactional_ids: Collection[str]) -> None:
        self._transactional_ids = sorted(transactional_ids)

    def build(
        self, request_struct_class: type[_DescribeTransactionsRequestStruct]
    ) -> _DescribeTransactionsRequestStruct:
        return request_struct_class(self._transactional_ids, {})


class TransactionState(StrEnum):
    """A coordinator's states, as Kafka's tools show them."""

    EMPTY = "Empty"
    ONGOING = "Ongoing"
    PREPARE_COMMIT = "PrepareCommit"
    PREPARE_ABORT = "PrepareAbort"
    COMPLETE_COMMIT = "CompleteCommit"
    COMPLETE_ABORT = "CompleteAbort"
    DEAD = "Dead"
    PREPARE_EPOCH_FENCE = "PrepareEpochFence"


class Transaction(NamedTuple):
    """The last transaction of a transactional id (full name).

    `coordinator` is the node id of the broker that keeps it. `started_at` is ms since the epoch by that broker's clock,
    -1 if none has begun. `partitions` (full topic names) are those that take part and have no marker yet.
    """

    transactional_id: str
    coordinator: int
    state: TransactionState
    started_at: int
    partitions: frozenset[TopicPartition]

    @property
    def places(self) -> list[str]:
        """`partitions` for people, in order: `topic [number]`."""
        return [f"{topic} [{number}]" for topic, number in sorted(self.partitions)]

    @property
    def is_decided(self) -> bool:
        """Whether it is committed or aborted and only its markers are missing."""
        return self.state in (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)


async def transactions(settings: KafkaSettings, services: Collection[str]) -> Mapping[str, Transaction] | None:
    """The last transaction of every co-partition of `services`, by transactional id (full name).

    Absent are those nobody has opened.

    None if the brokers do not tell (Apache Kafka before 3.0). Raises aiokafka's KafkaError: a coordinator is away
    for longer than `request_timeout_ms`, or this principal may not `Describe` a transactional id.
    """
    names = [settings.transactional_id(each, number) for each in services for number in range(settings.partitions)]
    client = AIOKafkaClient(**client_arguments(settings))
    try:
        await client.bootstrap()
        async with asyncio.timeout(settings.request_timeout_ms / 1000):
            while True:
                try:
                    return await _look(client, names)
                except _MOVING:
                    await asyncio.sleep(_AGAIN_SECONDS)
    except (IncompatibleBrokerVersion, NotImplementedError):
        return None
    except TimeoutError as error:
        raise GroupCoordinatorNotAvailableError("no broker coordinates the transactions") from error
    finally:
        await client.close()


async def _look(client: AIOKafkaClient, names: Collection[str]) -> Mapping[str, Transaction]:
    coordinators = await asyncio.gather(
        *(client.coordinator_lookup(CoordinationType.TRANSACTION, name) for name in names)
    )
    kept: dict[int, list[str]] = {}
    for name, coordinator in zip(names, coordinators, strict=True):
        kept.setdefault(int(coordinator), []).append(name)
    found = await asyncio.gather(*(_describe(client, node, mine) for node, mine in kept.items()))
    return {one.transactional_id: one for each in found for one in each}


async def _describe(client: AIOKafkaClient, node: int, transactional_ids: Collection[str]) -> list[Transaction]:
    response: Any = await client.send(node, _DescribeTransactionsRequest(transactional_ids))
    return [
        Transaction(name, node, TransactionState(state), started_at, _partitions(topics))
        for error_code, name, state, _, started_at, _, _, topics, _ in response.transaction_states
        if not _is_absent(error_code, name)
    ]


def _is_absent(error_code: int, transactional_id: str) -> bool:
    if error_code not in (0, _NOT_FOUND):
        raise for_code(error_code)(f"describing the transaction of {transactional_id}")
    return error_code == _NOT_FOUND


def _partitions(topics: Any) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(topic, number) for topic, numbers, _ in topics for number in numbers)
