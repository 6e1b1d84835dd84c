from __future__ import annotations

import asyncio
import logging
from typing import Any

import mode
import pytest
from pydantic import ValidationError

from schemas.topics import TOPICS, Party, source_of
from streams.composition import OUTPUTS, SOURCES, new_runtime
from streams.runtime.application import CopartitionedApp, new_app
from streams.runtime.assignor import CopartitionAssignor
from streams.runtime.consumer import CopartitionTransport
from streams.runtime.errors import BrokenFoldError, NewerStateError
from streams.runtime.worker import EX_CONFIG, EX_CRASH, CopartitionWorker, status_of
from streams.settings import WorkerSettings
from transport.settings import KafkaSettings


@pytest.fixture
async def app() -> CopartitionedApp:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1,127.0.0.1:2", prefix="p.", client_id="worker-7")
    return new_app(new_runtime(kafka, WorkerSettings(buffered_batches=3)))


def _any(service: object) -> Any:
    """Return what Faust's interfaces declare less of than it has."""
    return service


async def test_the_group_and_the_topics_carry_the_prefix(app: CopartitionedApp) -> None:
    assert app.conf.id == "p.streams"
    assert sorted(_any(app.batches()).topics) == sorted(f"p.{topic}" for topic in SOURCES)


async def test_brokers_know_the_consumer_by_the_client_id_of_the_settings(app: CopartitionedApp) -> None:
    assert _any(app.conf).broker_client_id == "worker-7"


async def test_neither_a_producer_nor_a_web_server_is_started(app: CopartitionedApp) -> None:
    assert list(_any(app.boot_strategy).kafka_producer()) == []
    assert list(_any(app.boot_strategy).web_server()) == []
    CopartitionWorker(app)
    assert app.conf.web_enabled is False


async def test_a_quiet_worker_makes_no_messages_that_nobody_asked_for(app: CopartitionedApp) -> None:
    logger = logging.getLogger("a quiet worker's")
    logger.setLevel(logging.WARNING)
    CopartitionWorker(app).on_setup_root_logger(logger, logging.WARNING)
    assert logger.level == logging.WARNING


async def test_a_workers_end_waits_for_the_tasks_that_were_cancelled(app: CopartitionedApp) -> None:
    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)

    task = asyncio.create_task(slow_to_end())
    await asyncio.sleep(0)
    task.cancel()
    await _any(CopartitionWorker(app))._sentinel_task()
    assert task.cancelled()


async def test_a_workers_end_waits_for_nothing_when_no_task_is_left(app: CopartitionedApp) -> None:
    with pytest.raises(StopIteration):  # it came to its end without giving way once
        _any(CopartitionWorker(app))._sentinel_task().send(None)


async def test_faust_is_told_what_exactly_once_rests_on(app: CopartitionedApp) -> None:
    conf = _any(app.conf)
    assert conf.agent_supervisor is mode.CrashingSupervisor
    assert isinstance(app.assignor, CopartitionAssignor)
    assert isinstance(app.transport, CopartitionTransport)
    assert (conf.topic_allow_declare, conf.topic_disable_leader) == (False, True)
    assert conf.stream_buffer_maxsize == 3
    assert _any(app.batches()).acks is False


def test_every_topic_that_streams_reads_is_folded_or_kept() -> None:
    read = {name for name, spec in TOPICS.items() if Party.STREAMS in spec.readers}
    assert read == {*SOURCES, "node.risk.v1", "streams.progress.v1"}
    assert all(Party.STREAMS in TOPICS[topic].writers for topic in OUTPUTS)


def test_every_source_has_its_dead_letters_among_the_topics_that_must_exist() -> None:
    runtime = new_runtime(KafkaSettings(prefix="p."), WorkerSettings())
    assert {f"p.{source_of(topic)}.dlq" for topic in SOURCES} <= runtime.topics


def test_a_refusal_asks_for_a_person_and_a_crash_for_a_restart() -> None:
    assert status_of(NewerStateError("newer")) == EX_CONFIG
    assert status_of(BrokenFoldError("broken")) == EX_CRASH


def test_a_heartbeat_must_fit_three_times_into_the_session() -> None:
    with pytest.raises(ValidationError, match="third"):
        WorkerSettings(heartbeat_interval_ms=4_000, session_timeout_ms=10_000)


@pytest.mark.parametrize("instance", ["", "a b", "ä", "x" * 201])
def test_an_instance_id_that_kafka_would_refuse_is_refused(instance: str) -> None:
    with pytest.raises(ValidationError):
        WorkerSettings(instance_id=instance)
