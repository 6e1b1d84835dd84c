"""Names of Faust, mode and aiokafka that streams/runtime overrides or reaches into, as the pinned versions have them.

docs/faust.md says why each is needed. An upgrade that changes one fails here first, and is read before it is believed.
"""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher, group_coordinator, subscription_state
from aiokafka.record import default_records, memory_records
from faust.app.base import App, BootStrategy
from faust.serializers.schemas import Schema
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from mode.services import Service

from streams.runtime import application, consumer, worker


def test_the_versions_are_the_ones_that_were_read() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("mode-streaming") == "0.7.1"
    assert version("aiokafka").startswith("0.14.")


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        (consumer.CopartitionConsumerThread, driver.AIOKafkaConsumerThread, "on_start"),
        (consumer.CopartitionConsumerThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (consumer.CopartitionConsumerThread, driver.AIOKafkaConsumerThread, "_fetch_records"),
        (consumer.CopartitionConsumer, driver.Consumer, "_new_consumer_thread"),
        (consumer.CopartitionConsumer, Consumer, "perform_seek"),
        (consumer.CopartitionConsumer, driver.Consumer, "_to_message"),
        (application.CopartitionedApp, App, "_new_transport"),
        (application.CopartitionedApp, App, "on_first_start"),
        (application.NoTables, TableManager, "on_start"),
        (application.BatchSchema, Schema, "loads_key"),
        (application.BatchSchema, Schema, "loads_value"),
        (worker.CopartitionWorker, Service, "_crash"),
    ],
)
def test_an_overridden_method_has_the_signature_of_the_original(ours: type, theirs: type, name: str) -> None:
    assert name in vars(ours)
    overridden, original = getattr(ours, name), getattr(theirs, name)
    wanted = list(inspect.signature(original).parameters)
    given = [
        parameter.name
        for parameter in inspect.signature(overridden).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    assert given == wanted[: len(given)]
    assert inspect.iscoroutinefunction(overridden) == inspect.iscoroutinefunction(original)


@pytest.mark.parametrize(
    ("owner", "attributes"),
    [
        (AIOKafkaConsumer.__init__, ["self._subscription", "self._fetcher", "self._coordinator", "self._closed"]),
        (
            fetcher.Fetcher.__init__,
            ["self._records", "self._subscriptions", "self._wait_consume_future", "self._fetch_task", "self._closed"],
        ),
        (fetcher.FetchResult.__init__, ["self._partition_records"]),
        (fetcher.PartitionRecords.__init__, ["self.next_fetch_offset"]),
        (group_coordinator.GroupCoordinator.__init__, ["self.generation", "self._group_instance_id"]),
        (subscription_state.TopicPartitionState.__init__, ["self.highwater", "self.timestamp", "self._position"]),
        (Consumer.__init__, ["self._read_offset"]),
        (memory_records._MemoryRecordsPy.__init__, ["self._next_slice"]),
        (default_records._DefaultRecordBatchPy.__init__, ["self._buffer", "self._decompressed"]),
    ],
)
def test_a_private_attribute_is_where_it_was(owner: object, attributes: list[str]) -> None:
    source = inspect.getsource(owner)  # type: ignore[arg-type]
    assert [attribute for attribute in attributes if attribute not in source] == []


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (fetcher.Fetcher, ["_create_fetch_waiter", "_notify", "seek_to"]),
        (fetcher.FetchResult, ["getall", "has_more"]),
        (fetcher.FetchError, ["check_raise"]),
        (fetcher.PartitionRecords, ["_consumer_record", "_unpack_records"]),
        (group_coordinator.GroupCoordinator, ["check_errors", "_maybe_leave_group"]),
        (subscription_state.SubscriptionState, ["fetch_context", "reassignment_in_progress"]),
        (subscription_state.Subscription, ["assignment"]),
        (subscription_state.Assignment, ["state_value"]),
        (memory_records._MemoryRecordsPy, ["next_batch", "_cache_next", "MAGIC_OFFSET"]),
        (default_records._DefaultRecordBatchPy, ["_maybe_uncompress", "_read_msg"]),
        (driver.AIOKafkaConsumerThread, ["_ensure_consumer", "call_thread"]),
        (BootStrategy, ["enable_kafka_producer", "enable_web"]),
    ],
)
def test_a_private_name_is_where_it_was(owner: type, names: list[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


def test_a_record_is_made_by_the_method_that_is_replaced_and_by_nothing_else() -> None:
    assert "self._consumer_record(tp, record)" in inspect.getsource(fetcher.PartitionRecords._unpack_records)


def test_the_table_manager_does_no_more_at_its_start_than_ours() -> None:
    source = inspect.getsource(TableManager.on_start)
    assert "self.sleep(1.0)" in source
    assert source.count("await") == 3


def test_faust_seeks_in_one_place_after_the_signal_that_takes_over() -> None:
    source = inspect.getsource(Recovery._resume_streams)
    assert source.index("on_rebalance_complete.send()") < source.index("consumer.perform_seek()")


def test_faust_still_drops_what_lies_below_its_read_offset() -> None:
    assert "offset >= r_offset" in inspect.getsource(Consumer._drain_messages)
