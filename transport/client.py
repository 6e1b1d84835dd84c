"""Producers, keyword arguments for aiokafka's clients, and the pieces Faust needs, from `KafkaSettings`.

One place decides how a client of Kordon behaves: TLS by `ssl.create_default_context` (certificates and host
names are checked; there is no switch that turns that off), read_committed, no silent offset reset, no
automatic commit.
"""

from __future__ import annotations

import ssl
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from transport.sequence_numbers import wrap_sequence_numbers
from transport.settings import KafkaSettings

FETCH_MAX_BYTES = 52_428_800
"""Bytes of one fetch response over all partitions, Kafka's own default."""

MAX_PARTITION_FETCH_BYTES = 4_194_304
"""Bytes of one fetch response a partition: restores read hundreds of thousands of rows, so larger than 1
MiB."""


FETCH_MAX_WAIT_MS = 20
"""Milliseconds that a broker holds back a fetch response when there is nothing to send.

aiokafka has one fetch under way to a broker, for those partitions of which it holds no records at that moment. If these
are empty, all others wait for it: with Kafka's default of 500 ms a worker behind a backlog stood still more than half
of the time (docs/performance.md). An idle consumer asks 50 times a second instead of twice.
"""

CONSUMER_TIMEOUT_MS = 20
"""Milliseconds after which aiokafka's fetching task looks for work by itself.

Nothing wakes it where a fetch comes in just when a partition was read to its end: it takes that fetch for one that is
still under way and begins no other (docs/faust.md). With its default of 200 ms nothing was read for so long.
"""


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """The TLS context, None if the security protocol does not encrypt.

    Raises OSError or ssl.SSLError: a certificate or key file cannot be used.
    """
    if not settings.uses_tls:
        return None
    cafile = str(settings.ssl_cafile) if settings.ssl_cafile else None
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=cafile)
    if settings.ssl_certfile:
        password = settings.ssl_key_password
        context.load_cert_chain(
            certfile=settings.ssl_certfile,
            keyfile=settings.ssl_keyfile,
            # Without a password OpenSSL would ask for one at the terminal, which a service does not have.
            password=password.get_secret_value() if password else "",
        )
    return context


def client_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """What every aiokafka client takes: brokers, timeouts, security.

    The result holds the password: never log it.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": settings.request_timeout_ms,
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    password = settings.password
    if settings.uses_sasl and password is not None:
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_plain_username"] = settings.sasl_username
        arguments["sasl_plain_password"] = password.get_secret_value()
    return arguments


def admin_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for `AIOKafkaAdminClient`."""
    return client_arguments(settings)


def consumer_arguments(settings: KafkaSettings, *, group_id: str | None = None) -> dict[str, Any]:
    """Keyword arguments for `AIOKafkaConsumer`.

    It reads committed records only, raises on an offset out of range instead of jumping, and commits
    nothing by itself. `group_id` is the full name, with prefix; None for a consumer that assigns its
    partitions itself.
    """
    return client_arguments(settings) | {
        "group_id": group_id,
        "isolation_level": "read_committed",
        "auto_offset_reset": "none",
        "enable_auto_commit": False,
        "fetch_max_bytes": FETCH_MAX_BYTES,
        "fetch_max_wait_ms": FETCH_MAX_WAIT_MS,
        "consumer_timeout_ms": CONSUMER_TIMEOUT_MS,
        "max_partition_fetch_bytes": MAX_PARTITION_FETCH_BYTES,
    }


def producer_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for an idempotent `AIOKafkaProducer` that waits for every in-sync replica."""
    codec = settings.compression_type
    return client_arguments(settings) | {
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": None if codec == "none" else codec,
        "max_batch_size": settings.max_record_bytes,
        "max_request_size": settings.max_record_bytes,
    }


def transactional_producer_arguments(settings: KafkaSettings, transactional_id: str) -> dict[str, Any]:
    """Keyword arguments for a transactional `AIOKafkaProducer`; `transactional_id` with prefix."""
    return producer_arguments(settings) | {
        "transactional_id": transactional_id,
        "transaction_timeout_ms": settings.transaction_timeout_ms,
    }


def idempotent_producer(settings: KafkaSettings) -> AIOKafkaProducer:
    """A producer of `producer_arguments`, not started, that may be used for as long as one likes."""
    return wrap_sequence_numbers(AIOKafkaProducer(**producer_arguments(settings)))


def transactional_producer(settings: KafkaSettings, transactional_id: str) -> AIOKafkaProducer:
    """As `idempotent_producer`, of `transactional_producer_arguments`."""
    return wrap_sequence_numbers(AIOKafkaProducer(**transactional_producer_arguments(settings, transactional_id)))


def leave_group_when_stopped(consumer: AIOKafkaConsumer) -> None:
    """Let a static member give its place in the group up with `stop`, which aiokafka does for others only.

    A broker hands a static member that comes back what it had, whatever has become of the topics since. After an
    assignment that is of no use that would go on for ever.
    """
    consumer._coordinator._group_instance_id = None  # noqa: SLF001 - aiokafka offers no other way; a unit test pins it


def faust_broker_urls(settings: KafkaSettings) -> list[str]:
    """The brokers as Faust's `broker` setting takes them. They hold no credentials, so they may be logged.

    Faust takes TLS and SASL through its `broker_credentials` setting: build `faust.SASLCredentials` or
    `faust.SSLCredentials` from `ssl_context(settings)`, `settings.sasl_*` and `settings.password`.
    """
    return [f"kafka://{server}" for server in settings.bootstrap_servers.split(",")]
