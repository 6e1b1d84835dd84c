"""Names of Faust, mode and aiokafka that streams/runtime overrides or reaches into, as the pinned versions have them.

docs/faust.md says why each is needed. An upgrade that changes one fails here first, and is read before it is believed.
"""

from __future__ import annotations

import ast
import inspect
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher, group_coordinator, subscription_state
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.record import default_records, memory_records
from faust.app.base import App, BootStrategy
from faust.assignor.partition_assignor import PartitionAssignor
from faust.serializers.schemas import Schema
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage
from faust.types.settings import Settings
from faust.worker import Worker
from mode.services import Service

from streams.runtime import application, assignor, consumer, consumer_thread, worker
from transport import lean_fetches, lenient_fetches, record_offsets

RUNTIME = Path(application.__file__).parent
FETCHES = (lean_fetches, lenient_fetches, record_offsets)
DOCUMENT = RUNTIME.parents[1] / "docs" / "faust.md"


def test_the_versions_are_the_ones_that_were_read() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("mode-streaming") == "0.7.1"
    assert version("aiokafka").startswith("0.14.")


OVERRIDDEN: list[tuple[type, type, str]] = [
    (consumer_thread.CopartitionConsumerThread, driver.AIOKafkaConsumerThread, "on_start"),
    (consumer_thread.CopartitionConsumerThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
    (consumer_thread.CopartitionConsumerThread, driver.AIOKafkaConsumerThread, "_fetch_records"),
    (consumer.CopartitionConsumer, driver.Consumer, "_new_consumer_thread"),
    (consumer.CopartitionConsumer, Consumer, "perform_seek"),
    (consumer.CopartitionConsumer, driver.Consumer, "_to_message"),
    (application.CopartitionedApp, App, "_new_transport"),
    (application.CopartitionedApp, App, "on_first_start"),
    (application.NoTables, TableManager, "on_start"),
    (application.BatchSchema, Schema, "loads_key"),
    (application.BatchSchema, Schema, "loads_value"),
    (worker.CopartitionWorker, Service, "_crash"),
    (worker.CopartitionWorker, Worker, "_sentinel_task"),
    (worker.CopartitionWorker, Worker, "execute_from_commandline"),
    (assignor.CopartitionAssignor, AbstractPartitionAssignor, "assign"),
    (assignor.CopartitionAssignor, PartitionAssignor, "metadata"),
    (assignor.CopartitionAssignor, PartitionAssignor, "on_assignment"),
    (assignor.CopartitionAssignor, PartitionAssignor, "group_for_topic"),
    (assignor.CopartitionAssignor, PartitionAssignor, "assigned_standbys"),
    (assignor.CopartitionAssignor, PartitionAssignor, "assigned_actives"),
    (assignor.CopartitionAssignor, PartitionAssignor, "is_active"),
    (assignor.CopartitionAssignor, PartitionAssignor, "is_standby"),
    (assignor.CopartitionAssignor, PartitionAssignor, "key_store"),
    (assignor.CopartitionAssignor, PartitionAssignor, "table_metadata"),
    (assignor.CopartitionAssignor, PartitionAssignor, "tables_metadata"),
    (lenient_fetches._LenientBatch, default_records._DefaultRecordBatchPy, "_maybe_uncompress"),
    (lenient_fetches._LenientRecords, memory_records._MemoryRecordsPy, "next_batch"),
]
"""Methods: (our class, the class whose method it replaces, name)."""

OVERRIDDEN_ATTRIBUTES: list[tuple[type, type, str]] = [
    (application.CopartitionedApp, App, "BootStrategy"),
    (application.CopartitionBoot, BootStrategy, "enable_kafka_producer"),
    (application.CopartitionBoot, BootStrategy, "enable_web"),
    (consumer.CopartitionTransport, driver.Transport, "Consumer"),
    (assignor.CopartitionAssignor, AbstractPartitionAssignor, "name"),
]
"""The same for class attributes."""


def theirs_alone(ours: type) -> set[str]:
    """Names that ``ours`` sets although a class of Faust, mode or aiokafka that it builds on has them."""
    bases = [base for base in ours.__mro__[1:] if base.__module__.split(".")[0] in {"faust", "mode", "aiokafka"}]
    # What mode, abc and typing set on every class by themselves.
    made = {"logger", "_abc_impl", "_is_protocol"}
    return {
        name
        for name in vars(ours)
        if not name.startswith("__") and name not in made and any(name in vars(base) for base in bases)
    }


def our_classes() -> set[type]:
    modules = (application, assignor, consumer, consumer_thread, worker, *FETCHES)
    return {
        found
        for module in modules
        for found in vars(module).values()
        if inspect.isclass(found) and found.__module__ == module.__name__
    }


def test_every_name_that_is_overridden_is_pinned_here() -> None:
    overridden = {(ours, name) for ours in our_classes() for name in theirs_alone(ours)}
    assert overridden == {(ours, name) for ours, _, name in OVERRIDDEN + OVERRIDDEN_ATTRIBUTES}


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDDEN_ATTRIBUTES)
def test_an_overridden_attribute_is_still_the_originals(ours: type, theirs: type, name: str) -> None:
    assert name in vars(theirs)
    assert getattr(ours, name) is not getattr(theirs, name)


@pytest.mark.parametrize("name", sorted({name for _, _, name in OVERRIDDEN + OVERRIDDEN_ATTRIBUTES}))
def test_the_documentation_says_why_a_name_is_overridden(name: str) -> None:
    assert re.search(rf"\b{name}\b", DOCUMENT.read_text())


def test_every_private_name_that_is_reached_into_is_pinned_here_and_documented() -> None:
    reached = {
        node.attr
        for module in (*RUNTIME.glob("*.py"), *(Path(str(each.__file__)) for each in FETCHES))
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr) and not is_own(node.value)
    }
    reached -= {"_exit"}  # of os
    assert len(reached) > 15
    pinned = Path(__file__).read_text()
    documented = DOCUMENT.read_text()
    assert {name for name in reached if not re.search(rf"\b{name}\b", pinned)} == set()
    assert {name for name in reached if not re.search(rf"\b{name}\b", documented)} == set()


def is_own(value: ast.expr) -> bool:
    """Whether an attribute is one of ours: of ``self``, of ``super()``, or a method of a class of ours."""
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id == "super"
    return isinstance(value, ast.Name) and value.id in {"self", "cls"}


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDDEN)
def test_an_overridden_method_has_the_signature_of_the_original(ours: type, theirs: type, name: str) -> None:
    overridden, original = getattr(ours, name), getattr(theirs, name)
    wanted = [name for name in inspect.signature(original).parameters if name != "self"]
    variable = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    given = [
        parameter.name
        for parameter in inspect.signature(overridden).parameters.values()
        if parameter.name != "self" and parameter.kind not in variable
    ]
    assert given == wanted[: len(given)]
    assert inspect.iscoroutinefunction(overridden) == inspect.iscoroutinefunction(original)


@pytest.mark.parametrize(
    ("owner", "attributes"),
    [
        (
            AIOKafkaConsumer.__init__,
            ["self._client", "self._subscription", "self._fetcher", "self._coordinator", "self._closed"],
        ),
        (
            fetcher.Fetcher.__init__,
            ["self._records", "self._subscriptions", "self._wait_consume_future", "self._fetch_task", "self._closed"],
        ),
        (fetcher.FetchResult.__init__, ["self._partition_records"]),
        (
            fetcher.PartitionRecords.__init__,
            [
                *("self.next_fetch_offset", "self._records", "self._records_iterator", "self._tp"),
                *("self._aborted_transactions", "self._check_crcs"),
            ],
        ),
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
        (
            default_records._DefaultRecordBatchPy,
            ["_maybe_uncompress", "_read_msg", "base_offset", "next_offset", "last_offset_delta"],
        ),
        (driver.AIOKafkaConsumerThread, ["_ensure_consumer", "call_thread"]),
        (Consumer, ["consumer_stopped_errors", "flow_active"]),
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


def test_mode_waits_at_the_end_for_what_it_has_cancelled_and_for_nothing_else() -> None:
    shutdown = inspect.getsource(Worker._shutdown_loop)
    assert (
        shutdown.index("self._gather_all()") < shutdown.index("self._sentinel_task()") < shutdown.index("loop.close()")
    )
    assert inspect.getsource(Worker._sentinel_task).splitlines()[1:] == ["        await asyncio.sleep(1.0)"]


def test_faust_seeks_in_one_place_after_the_signal_that_takes_over() -> None:
    source = inspect.getsource(Recovery._resume_streams)
    assert source.index("on_rebalance_complete.send()") < source.index("consumer.perform_seek()")


def test_faust_still_drops_what_lies_below_its_read_offset() -> None:
    assert "offset >= r_offset" in inspect.getsource(Consumer._drain_messages)


def test_a_message_takes_what_ours_gives_it_in_this_order() -> None:
    parameters = list(inspect.signature(ConsumerMessage.__init__).parameters)
    assert parameters[1:13] == [
        "topic",
        "partition",
        "offset",
        "timestamp",
        "timestamp_type",
        "headers",
        "key",
        "value",
        "checksum",
        "serialized_key_size",
        "serialized_value_size",
        "tp",
    ]


def test_the_signals_of_a_rebalance_are_sent_once_with_what_is_read_of_them() -> None:
    assert inspect.getsource(App._on_partitions_revoked).count("on_partitions_revoked.send)(revoked)") == 1
    assert inspect.getsource(App._on_partitions_assigned).count("on_partitions_assigned.send)(assigned)") == 1
    assert "on_before_shutdown.send" in inspect.getsource(App)


def test_the_application_knows_the_groups_generation_and_whether_it_is_rebalancing() -> None:
    assert "app.consumer_generation_id = generation" in inspect.getsource(driver)
    assert "self.rebalancing = True" in inspect.getsource(App.on_rebalance_start)
    assert "self.rebalancing = False" in inspect.getsource(App.on_rebalance_end)


def test_every_setting_that_is_given_is_one_of_fausts() -> None:
    (call,) = (
        node
        for node in ast.walk(ast.parse(inspect.getsource(application.new_app)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "CopartitionedApp"
    )
    given = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    assert len(given) > 12
    assert given - set(Settings.SETTINGS) == set()


def test_a_crash_of_any_service_reaches_the_worker_as_the_method_that_is_overridden() -> None:
    source = inspect.getsource(Service._crash)
    assert "self._crashed.set()" in source
    assert "self.crash_reason = reason" in source
