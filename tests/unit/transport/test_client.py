"""The arguments of Kafka clients."""

from __future__ import annotations

import inspect
import ssl

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from transport.client import (
    admin_arguments,
    client_arguments,
    consumer_arguments,
    faust_broker_urls,
    ssl_context,
    transactional_producer_arguments,
)
from transport.settings import KafkaSettings


def settings(**overrides: object) -> KafkaSettings:
    return KafkaSettings.load(**overrides)


@pytest.mark.parametrize(
    ("arguments", "client"),
    [
        (admin_arguments(settings()), AIOKafkaAdminClient),
        (consumer_arguments(settings(), group_id="g"), AIOKafkaConsumer),
        (transactional_producer_arguments(settings(), "t"), AIOKafkaProducer),
    ],
)
def test_aiokafka_knows_every_argument(arguments: dict[str, object], client: type) -> None:
    assert arguments.keys() <= inspect.signature(client).parameters.keys()


def test_a_consumer_sees_committed_records_only_and_never_jumps_or_commits_by_itself() -> None:
    arguments = consumer_arguments(settings())
    assert arguments["isolation_level"] == "read_committed"
    assert arguments["auto_offset_reset"] == "none"
    assert arguments["enable_auto_commit"] is False


def test_a_producer_waits_for_all_replicas_and_is_fenced_by_its_transactional_id() -> None:
    arguments = transactional_producer_arguments(settings(transaction_timeout_ms=5_000), "kordon.streams-3")
    assert arguments["acks"] == "all"
    assert arguments["enable_idempotence"] is True
    assert arguments["transactional_id"] == "kordon.streams-3"
    assert arguments["transaction_timeout_ms"] == 5_000


def test_tls_checks_the_certificate_and_the_host_name() -> None:
    context = ssl_context(settings(security_protocol="SSL"))
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_without_tls_there_is_no_context() -> None:
    assert ssl_context(settings()) is None


def test_sasl_credentials_reach_the_client_under_its_names() -> None:
    arguments = client_arguments(
        settings(security_protocol="SASL_SSL", sasl_username="u", sasl_password="p", sasl_mechanism="SCRAM-SHA-256")
    )
    assert arguments["security_protocol"] == "SASL_SSL"
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("u", "p")


def test_faust_is_given_every_broker_without_credentials() -> None:
    urls = faust_broker_urls(settings(bootstrap_servers="a:1,b:2"))
    assert urls == ["kafka://a:1", "kafka://b:2"]
