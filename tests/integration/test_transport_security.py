"""TLS and SASL against a real listener of Apache Kafka, with certificates made for the test."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.topics import RISK, TOPICS
from tests.brokers.apache_kafka import ApacheKafka
from tests.conftest import start
from transport.administration import State, apply_topics
from transport.settings import KafkaSettings
from transport.views import read_to_high_watermark
from transport.writer import OutgoingRecord, TransactionalWriter

USER = "kordon"
PASSWORD = "swordfish, but longer"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class Authority:
    """A certificate authority that lives as long as the test."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.directory.mkdir()
        self.cafile = directory / "ca.pem"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = self._signed(self._name, self._key, constraints)
        self.cafile.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, addresses: list[x509.GeneralName]) -> tuple[Path, Path]:
        """Return the files of a certificate and of its key, which nobody else can read."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(subject, key, x509.SubjectAlternativeName(addresses))
        certfile, keyfile = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        certfile.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        keyfile.touch(mode=0o600)
        keyfile.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certfile, keyfile

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )


LOOPBACK: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


@dataclass
class Listeners:
    """Addresses of the broker's listeners and the files that clients need."""

    password: str
    """SASL_SSL."""
    certificate: str
    """SSL; the client must show a certificate."""
    misnamed: str
    """SSL; the broker shows a certificate that names another host."""
    authority: Authority


class SecuredKafka(ApacheKafka):
    """An Apache Kafka that also listens with TLS; its plaintext listener is the administrator's."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ports = {name: _free_port() for name in ("PASSWORD", "CERTIFICATE", "MISNAMED")}
        self.authority: Authority

    def _format(self) -> None:
        super()._format()
        self.authority = Authority(self.directory / "authority", "Kordon test authority")
        named = self._keystore(self.authority.issue("broker", LOOPBACK))
        misnamed = self._keystore(self.authority.issue("other", [x509.DNSName("kafka.example.org")]))
        before = dict(line.split("=", 1) for line in self._settings_file.read_text().splitlines())
        listeners = "".join(f",{name}://127.0.0.1:{port}" for name, port in self.ports.items())
        settings = {
            "listeners": before["listeners"] + listeners,
            "advertised.listeners": before["advertised.listeners"] + listeners,
            "listener.security.protocol.map": before["listener.security.protocol.map"]
            + ",PASSWORD:SASL_SSL,CERTIFICATE:SSL,MISNAMED:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": named,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.authority.cafile,
            "listener.name.certificate.ssl.client.auth": "required",
            "listener.name.misnamed.ssl.keystore.type": "PEM",
            "listener.name.misnamed.ssl.keystore.location": misnamed,
            "listener.name.password.sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "listener.name.password.plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule "
            f'required user_{USER}="{PASSWORD}";',
        }
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            settings[f"listener.name.password.{mechanism}.sasl.jaas.config"] = (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            )
        with self._settings_file.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())

    def _keystore(self, files: tuple[Path, Path]) -> Path:
        certfile, keyfile = files
        keystore = certfile.with_suffix(".keystore")
        keystore.write_bytes(keyfile.read_bytes() + certfile.read_bytes())
        return keystore


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def listeners(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    broker = SecuredKafka(tmp_path_factory.mktemp("secured") / "kafka")
    start(lambda _: broker, broker.directory, request.config)
    try:
        _create_scram_user(broker.bootstrap_servers)
        addresses = {name: f"127.0.0.1:{port}" for name, port in broker.ports.items()}
        yield Listeners(addresses["PASSWORD"], addresses["CERTIFICATE"], addresses["MISNAMED"], broker.authority)
    finally:
        broker.stop()


def _create_scram_user(bootstrap_servers: str) -> None:
    administrator = AdminClient({"bootstrap.servers": bootstrap_servers})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        credential = ScramCredentialInfo(mechanism, 4096)
        change: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(USER, credential, PASSWORD.encode())
        ]
        for future in administrator.alter_user_scram_credentials(change).values():
            future.result()


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
