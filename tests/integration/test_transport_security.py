"""TLS and SASL against a real listener of Apache Kafka, with certificates made for the test."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from cryptography import x509

from schemas.topics import RISK, TOPICS
from tests.brokers.secured_kafka import MECHANISMS, PASSWORD, USER, Authority, Listeners, listeners
from transport.administration import State, apply_topics
from transport.settings import KafkaSettings
from transport.views import read_to_high_watermark
from transport.writer import OutgoingRecord, TransactionalWriter

__all__ = ["listeners"]


async def write_and_read(kafka: KafkaSettings) -> None:
    """Administer, write in a transaction and read at read_committed: every kind of client."""
    (outcome,) = await apply_topics(kafka, [TOPICS[RISK]])
    assert outcome.state is State.CREATED
    writer = TransactionalWriter(kafka, kafka.transactional_id("streams", 0))
    await writer.open()
    try:
        await writer.commit([OutgoingRecord(kafka.topic(RISK), 0, b"node-1", b"row")], {}, kafka.group_id("streams"))
    finally:
        await writer.close()
    seen: list[bytes | None] = []
    await read_to_high_watermark(
        kafka,
        [TopicPartition(kafka.topic(RISK), 0)],
        lambda _, records: seen.extend(record.value for record in records),
        timeout_seconds=20,
    )
    assert seen == [b"row"]


async def refused(kafka: KafkaSettings) -> str:
    with pytest.raises((KafkaError, OSError)) as refusal:
        await apply_topics(kafka, [TOPICS[RISK]])
    return f"{refusal.value!r} {refusal.value}"


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_every_client_works_over_tls_with_a_password(listeners: Listeners, prefix: str, mechanism: str) -> None:
    kafka = KafkaSettings.load(
        bootstrap_servers=listeners.password,
        prefix=prefix,
        partitions=1,
        security_protocol="SASL_SSL",
        ssl_cafile=listeners.authority.cafile,
        sasl_mechanism=mechanism,
        sasl_username=USER,
        sasl_password=PASSWORD,
    )
    await write_and_read(kafka)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_wrong_password_is_refused_and_said_without_it(
    listeners: Listeners, prefix: str, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    kafka = KafkaSettings.load(
        bootstrap_servers=listeners.password,
        prefix=prefix,
        security_protocol="SASL_SSL",
        ssl_cafile=listeners.authority.cafile,
        sasl_mechanism=mechanism,
        sasl_username=USER,
        sasl_password="wrong horse battery",
    )
    assert "wrong horse battery" not in await refused(kafka)
    assert "wrong horse battery" not in caplog.text


async def test_every_client_works_with_a_certificate_of_its_own(listeners: Listeners, prefix: str) -> None:
    certfile, keyfile = listeners.authority.issue("client", [x509.DNSName("client")])
    kafka = KafkaSettings.load(
        bootstrap_servers=listeners.certificate,
        prefix=prefix,
        partitions=1,
        security_protocol="SSL",
        ssl_cafile=listeners.authority.cafile,
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
    )
    await write_and_read(kafka)


async def test_a_client_without_a_certificate_is_refused_where_one_is_required(
    listeners: Listeners, prefix: str
) -> None:
    await refused(
        KafkaSettings.load(
            bootstrap_servers=listeners.certificate,
            prefix=prefix,
            security_protocol="SSL",
            ssl_cafile=listeners.authority.cafile,
        )
    )


async def test_a_broker_whose_certificate_nobody_vouches_for_is_refused(
    listeners: Listeners, prefix: str, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "Another authority")
    await refused(
        KafkaSettings.load(
            bootstrap_servers=listeners.misnamed,
            prefix=prefix,
            security_protocol="SSL",
            ssl_cafile=stranger.cafile,
        )
    )


async def test_a_broker_whose_certificate_names_another_host_is_refused(listeners: Listeners, prefix: str) -> None:
    await refused(
        KafkaSettings.load(
            bootstrap_servers=listeners.misnamed,
            prefix=prefix,
            security_protocol="SSL",
            ssl_cafile=listeners.authority.cafile,
        )
    )
