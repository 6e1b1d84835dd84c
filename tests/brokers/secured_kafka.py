"""An Apache Kafka with TLS and SASL listeners, with certificates made for the test; a module imports ``listeners``."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
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

from tests.brokers.apache_kafka import ApacheKafka, free_ports
from tests.conftest import start
from transport.private_files import write_private_file

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
        write_private_file(
            keyfile,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
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
        self.ports = dict(zip(("PASSWORD", "CERTIFICATE", "MISNAMED"), free_ports(3), strict=True))
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
