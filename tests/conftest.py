"""Brokers for the integration tests, and a loud word about those that could not run.

On a person's machine a missing broker skips the tests that need it and is named at the end; with ``CI=true`` it fails
them, since a skip there would read as a pass.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

from tests.brokers.apache_kafka import ApacheKafka
from tests.brokers.broker import Broker, BrokerUnavailable
from tests.brokers.kafka_jars import jars, java
from tests.brokers.noida_db import NoidaDb
from transport.settings import KafkaSettings

# `make test &` in a script leaves SIGINT ignored, and every process started here would inherit that: a claim about
# Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No timing is asserted: on two busy cores a deadline would fail by chance.
settings.register_profile("kordon", deadline=None)
settings.load_profile("kordon")

NOIDA_DB = "noida-db"
APACHE_KAFKA = "apache-kafka"
BROKERS: dict[str, Callable[[Path], Broker]] = {NOIDA_DB: NoidaDb, APACHE_KAFKA: ApacheKafka}

INTEGRATION = Path(__file__).with_name("integration")
NOT_RUN = pytest.StashKey[dict[str, str]]()


@contextmanager
def unless_unavailable(name: str, config: pytest.Config) -> Iterator[None]:
    """Where this machine lacks what the broker in it needs, skip (in CI: fail) and remember why."""
    try:
        yield
    except BrokerUnavailable as missing:
        do_without(name, missing, config)


def start(make: Callable[[Path], Broker], directory: Path, config: pytest.Config) -> Broker:
    """Start a broker, unless it is not available here."""
    broker = make(directory)
    with unless_unavailable(broker.name, config):
        broker.start()
    return broker


def do_without(name: str, missing: BrokerUnavailable, config: pytest.Config) -> NoReturn:
    """Skip (in CI: fail) a test for want of a broker, and remember why."""
    config.stash.setdefault(NOT_RUN, {})[name] = str(missing)
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{name} is required in CI: {missing}", pytrace=False)
    pytest.skip(f"{name} is not available: {missing}")


@pytest.fixture(scope="session", params=list(BROKERS))
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker for the whole session; a test that takes it is run on each kind.

    Mark a test ``apache_kafka_only`` where its claim rests on something that noida-db does not do.
    """
    name: str = request.param
    running = start(BROKERS[name], tmp_path_factory.mktemp(name), request.config)
    yield running
    running.stop()


@pytest.fixture
def prefix() -> str:
    """A prefix for topics, groups and transactional ids that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}."


@pytest.fixture
def kafka(broker: Broker, prefix: str) -> KafkaSettings:
    """Client settings for ``broker`` under the test's own prefix, with few partitions."""
    return KafkaSettings(bootstrap_servers=broker.bootstrap_servers, prefix=prefix, partitions=3, replication_factor=1)


@pytest.fixture
def apache_kafka_jars(request: pytest.FixtureRequest) -> None:
    """Java and Apache Kafka's jars, for a test that starts brokers itself."""
    try:
        java()
        jars()
    except BrokerUnavailable as missing:
        do_without(APACHE_KAFKA, missing, request.config)


@pytest.fixture
def own_apache_kafka(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """An Apache Kafka for one test alone, which may stop, kill and start it again."""
    broker = start(ApacheKafka, tmp_path / APACHE_KAFKA, request.config)
    yield broker
    broker.stop()


@pytest.fixture
def unless_apache_kafka_is_unavailable(request: pytest.FixtureRequest) -> AbstractContextManager[None]:
    """A context in which a test starts an Apache Kafka in a way of its own."""
    return unless_unavailable(APACHE_KAFKA, request.config)


def broker_of(item: pytest.Item) -> str | None:
    """Name of the broker that this test is to run on, if it takes ``broker``."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("broker")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def claims_nothing(item: pytest.Item) -> bool:
        return broker_of(item) == NOIDA_DB and item.get_closest_marker("apache_kafka_only") is not None

    deselected = [item for item in items if claims_nothing(item)]
    items[:] = [item for item in items if not claims_nothing(item)]
    for item in items:
        if item.path.is_relative_to(INTEGRATION):
            # aiokafka leaves the socket to a broker that went away to the garbage collector, whichever test it meets.
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))
    config.hook.pytest_deselected(items=deselected)


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A worker of pytest-xdist tells the process that prints what could not run here.
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["not_run"] = session.config.stash.get(NOT_RUN, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    not_run = getattr(node, "workeroutput", {}).get("not_run", {})
    node.config.stash.setdefault(NOT_RUN, {}).update(not_run)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, reason in config.stash.get(NOT_RUN, {}).items():
        terminalreporter.section(f"NOT RUN on {name}", red=True, bold=True)
        terminalreporter.line(f"The integration tests on {name} did not run: {reason}.")
        terminalreporter.line("What they claim is unproven here.")
