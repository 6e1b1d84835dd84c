"""How Kordon reaches Kafka: one settings class for every service; the file's section is `[kafka]`."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from transport.settings_file import SectionSettings, section_config

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
CompressionType = Literal["none", "gzip", "snappy", "lz4", "zstd"]

LONGEST_TRANSACTION_TIMEOUT_MS = 10_000
"""Above it a dead producer's open transaction would hide records from readers for long (the broker looks for
expired transactions every 10 s on top)."""

_HIGHEST_PORT = 65_535
_PREFIX = re.compile(r"([A-Za-z0-9._-]*[.-])?")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")


class KafkaSettings(SectionSettings):
    """Connection, security, names and sizes.

    Times are in milliseconds, sizes in bytes; all bounds are inclusive.
    """

    section: ClassVar[str] = "kafka"
    model_config = section_config("KORDON_KAFKA_")

    bootstrap_servers: str = Field(
        "127.0.0.1:9092", description="Brokers to start from: host:port, several separated by commas."
    )
    prefix: str = Field(
        "kordon.",
        max_length=64,
        description="Put before every topic, group id and transactional id; empty, or ending in a dot.",
    )
    client_id: str = Field("kordon", min_length=1, max_length=128, description="Name shown in the broker's logs.")

    security_protocol: SecurityProtocol = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
    sasl_mechanism: SaslMechanism = Field("SCRAM-SHA-512", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    sasl_username: str | None = Field(None, min_length=1, description="User name for SASL.")
    sasl_password: SecretStr | None = Field(None, description="Password for SASL.")
    sasl_password_file: Path | None = Field(
        None,
        description="File with the SASL password, not readable by other users; one trailing newline is cut.",
    )
    ssl_cafile: Path | None = Field(
        None,
        description="PEM file of the authorities that sign the brokers' certificates; else the system's.",
    )
    ssl_certfile: Path | None = Field(None, description="PEM certificate of this client, for mutual TLS.")
    ssl_keyfile: Path | None = Field(None, description="PEM private key of ssl_certfile; not needed if that holds it.")
    ssl_key_password: SecretStr | None = Field(None, description="Password of the encrypted ssl_keyfile.")

    partitions: int = Field(12, ge=1, le=10_000, description="Partitions of every node topic.")
    replication_factor: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Copies of a topic; 3 without it, or as many as there are brokers if fewer.",
    )

    request_timeout_ms: int = Field(
        10_000, ge=1_000, le=120_000, description="Milliseconds to wait for the answer to one request."
    )
    delivery_timeout_ms: int = Field(
        20_000,
        ge=1_000,
        le=300_000,
        description="Milliseconds in which a transaction is committed, or a transactional id taken over.",
    )
    transaction_timeout_ms: int = Field(
        LONGEST_TRANSACTION_TIMEOUT_MS,
        ge=1_000,
        le=LONGEST_TRANSACTION_TIMEOUT_MS,
        description="Milliseconds after which the broker aborts an open transaction.",
    )
    # Measured (docs/performance.md): aiokafka's lz4 is the high-compression one, twenty times snappy's time for a risk
    # row; its zstd sets up 13 us of state for every batch written or read, and a restore reads very many.
    compression_type: CompressionType = Field(
        "snappy", description="Codec of the batches written: none, gzip, snappy, lz4 or zstd."
    )
    max_record_bytes: int = Field(
        1_000_000,
        ge=16_384,
        le=16_777_216,
        description="Bytes of the largest record or batch written, before compression.",
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _check_bootstrap_servers(cls, value: str) -> str:
        servers = [server.strip() for server in value.split(",") if server.strip()]
        if not servers:
            raise ValueError("name at least one broker, as host:port")
        for server in servers:
            found = _HOST_AND_PORT.fullmatch(server)
            if not found or not 1 <= int(found["port"]) <= _HIGHEST_PORT:
                raise ValueError("write each broker as host:port, such as kafka.example.org:9093, without a scheme")
        return ",".join(servers)

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise ValueError("use letters, digits, dot, hyphen and underscore, and end it with a dot or a hyphen")
        return value

    @field_validator("sasl_password_file", "ssl_cafile", "ssl_certfile", "ssl_keyfile")
    @classmethod
    def _check_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("there is no such file")
        return value

    @field_validator("sasl_password_file", "ssl_keyfile")
    @classmethod
    def _check_private(cls, value: Path | None) -> Path | None:
        if value is not None and value.stat().st_mode & 0o007:
            raise ValueError("other users can read this secret; run chmod 600 on it")
        return value

    @model_validator(mode="after")
    def _check_security(self) -> Self:
        sasl = self.security_protocol.startswith("SASL")
        if sasl:
            self._check_sasl()
        elif self.sasl_username or self.sasl_password or self.sasl_password_file:
            raise ValueError(
                "SASL credentials are set but security_protocol does not use them; set it to SASL_SSL, or remove them"
            )
        tls = (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile)
        if not self.security_protocol.endswith("SSL") and any(tls):
            raise ValueError(
                "TLS files are set but security_protocol does not use TLS; set it to SSL or SASL_SSL, or remove them"
            )
        if self.ssl_keyfile and not self.ssl_certfile:
            raise ValueError("ssl_keyfile is set without ssl_certfile; set both for mutual TLS")
        return self

    def _check_sasl(self) -> None:
        if not self.sasl_username or (self.sasl_password is None) == (self.sasl_password_file is None):
            raise ValueError(f"{self.security_protocol} needs sasl_username, and sasl_password or sasl_password_file")
        in_clear = self.security_protocol == "SASL_PLAINTEXT" and self.sasl_mechanism == "PLAIN"
        if in_clear and not all(_is_loopback(server) for server in self.bootstrap_servers.split(",")):
            raise ValueError(
                "PLAIN over SASL_PLAINTEXT sends the password in clear; use SASL_SSL, or a SCRAM mechanism"
            )

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        """Whether this client proves who it is with a user name and password."""
        return self.security_protocol.startswith("SASL")

    @property
    def password(self) -> SecretStr | None:
        """The SASL password, read from its file at each call if it has one.

        Raises OSError: the file has gone since the settings were loaded.
        """
        if self.sasl_password_file is None:
            return self.sasl_password
        return SecretStr(self.sasl_password_file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r"))

    def topic(self, name: str) -> str:
        """The name on the broker of the topic that `schemas.topics` calls `name`."""
        return self.prefix + name

    def without_prefix(self, topic: str) -> str:
        """The inverse of `topic`. Raises ValueError: `topic` does not start with the prefix."""
        if not topic.startswith(self.prefix):
            raise ValueError(f"topic {topic!r} does not start with the prefix {self.prefix!r}")
        return topic[len(self.prefix) :]

    def group_id(self, service: str) -> str:
        """The consumer group of a service, such as `kordon.streams`."""
        return self.prefix + service

    def transactional_id(self, service: str, partition: int) -> str:
        """The id that owns co-partition `partition` for a service, such as `kordon.streams-3`."""
        return f"{self.prefix}{service}-{partition}"


def _is_loopback(server: str) -> bool:
    host = server.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
