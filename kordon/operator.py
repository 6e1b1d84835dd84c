"""What an operator does: signed registry records and commands (design.md sections 3, 4 and 6)."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from kordon.client.publisher import Publisher
from kordon.failures import CommandFailed, ExitStatus
from kordon.settings import CommandSettings
from schemas.codec import DecodeError, decode, encode
from schemas.commands import Action, Command
from schemas.registry import Credential, CredentialType, NodeRegistryStatus, RegistryRecord
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, REGISTRY
from schemas.trust import KeyState, Role
from transport.key_files import SigningKey, load_signing_key
from transport.partitioner import partition_of
from transport.public_keys import InvalidPublicKeyError, check_on_curve, ed25519_public_key
from transport.sealing import seal_verifier
from transport.signed_records import Refusal, authorise, authorised_part, roles_for, sign, verify
from transport.trust import Signer, Trust
from transport.views import read_to_high_watermark
from transport.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aiokafka import ConsumerRecord

    from transport.settings import KafkaSettings

READ_SECONDS = 30.0
"""How long reading a partition of the registry may take."""


@dataclass(frozen=True)
class Written:
    """A signed record that every in-sync replica has: where it is, which key signed it, what it says."""

    topic: str
    partition: int
    offset: int
    kid: str
    value: Mapping[str, Any]


class Operator:
    """Writes signed records in the name of ``actor``; an asynchronous context manager."""

    def __init__(self, settings: KafkaSettings, trust: Trust, key: SigningKey, actor: str) -> None:
        self._settings = settings
        self._trust = trust
        self._key = key
        self._actor = actor
        self._publisher = Publisher(settings)
        self._signer = _signer(trust, key)

    @classmethod
    def from_files(
        cls, settings: KafkaSettings, operator_key_file: Path | None, trust_file: Path | None, actor: str
    ) -> Self:
        """Return an operator whose files are given, or named by the settings.

        Raises:
            CommandFailed: trust.json does not know the key.
            PrivateFileError, KeyFileError, TrustFileError: a file cannot be used.
        """
        files = CommandSettings.load()
        key = load_signing_key(operator_key_file or files.operator_key_file, files.passphrase)
        return cls(settings, Trust.load(trust_file or files.trust_file), key, actor)

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._publisher.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Disconnect."""
        await self._publisher.__aexit__(*exception)

    async def order(self, node_id: str, action: Action, reason: str, *, expires_at: Timestamp | None = None) -> Written:
        """Write a command.

        Raises:
            CommandFailed: the key may not order this, or an argument does not fit.
        """
        command = Command(secrets.token_hex(16), node_id, action, self._actor, reason, _now(), expires_at)
        return await self._write(COMMANDS, command)

    async def enrol(self, node_id: str, credential: Credential, details: Mapping[str, str | None]) -> Written:
        """Write the node's next registry record: active, enabled, with this one credential.

        ``details`` (fingerprint, servicePrincipal, runtimeVersion, ring, architecture in snake_case or camelCase)
        replace what the record before says, where they are not None. Raises as :meth:`change`.
        """
        given = {_camel_case(name): value for name, value in details.items() if value is not None}
        former = await self.registered(node_id)
        if former is None:
            former = RegistryRecord(node_id, 0, NodeRegistryStatus.ACTIVE, True, ())
        return await self._change(
            former, status=NodeRegistryStatus.ACTIVE, enabled=True, credentials=(credential,), **given
        )

    async def change(self, node_id: str, *, status: str | None = None, enabled: bool | None = None) -> Written:
        """Write the node's next registry record with another status or switch.

        Raises:
            CommandFailed: the node is not enrolled, the key may not do this, or somebody else changed the node at
                the same time.
        """
        former = await self.registered(node_id)
        if former is None:
            raise CommandFailed(
                ExitStatus.REFUSED, f"{node_id} is not enrolled", "Check the name; `kordon node enroll` enrols a node."
            )
        changes: dict[str, Any] = {}
        if status is not None:
            changes["status"] = NodeRegistryStatus(status)
        if enabled is not None:
            changes["enabled"] = enabled
        return await self._change(former, **changes)

    async def registered(self, node_id: str) -> RegistryRecord | None:
        """Return the node's registry record that counts now, or None.

        Raises:
            UnknownTopicOrPartitionError: there is no registry topic.
            NotCaughtUpError: the partition could not be read to its end in time.
        """
        topic = self._settings.topic(REGISTRY)
        async with Watermarks(self._settings) as watermarks:
            count = await watermarks.partition_count(topic)
        if count == 0:
            raise UnknownTopicOrPartitionError(topic)
        key = node_id.encode()
        latest: RegistryRecord | None = None

        def read(_partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
            nonlocal latest
            for record in records:
                if record.key == key:
                    latest = self._newer(latest, record)

        partition = TopicPartition(topic, partition_of(key, count))
        await read_to_high_watermark(self._settings, [partition], read, timeout_seconds=READ_SECONDS)
        return latest

    def hmac_credential(self, node_id: str, kid: str, token: bytes) -> Credential:
        """Return the credential of a node with a bearer token; its verifier leaves this process only sealed."""
        trust = self._trust
        sealed = seal_verifier(trust.sealing_key, token, cluster_id=trust.cluster_id, node_id=node_id, kid=kid)
        return Credential(kid, CredentialType.HMAC, sealedVerifier=sealed)

    def ed25519_credential(self, kid: str, public_key: str) -> Credential:
        """Return the credential of a node with a key of its own.

        Raises:
            CommandFailed: this is no key that may be used.
        """
        try:
            check_on_curve(ed25519_public_key(public_key))
        except InvalidPublicKeyError as error:
            raise CommandFailed(
                ExitStatus.REFUSED, f"the public key is unfit: {error}", "Give 32 bytes in base64url, 43 characters."
            ) from None
        return Credential(kid, publicKey=public_key)

    async def _change(self, former: RegistryRecord, **changes: Any) -> Written:
        record = msgspec.structs.replace(
            former, **changes, revision=former.revision + 1, updatedAt=_now(), updatedBy=self._actor
        )
        written = await self._write(REGISTRY, record)
        if await self.registered(record.nodeId) != record:
            raise CommandFailed(
                ExitStatus.REFUSED,
                f"somebody else changed {record.nodeId} at the same time, and that change counts",
                "Look at the node's record and, if you still want yours, run the command again.",
            )
        return written

    async def _write(self, topic: str, message: Command | RegistryRecord) -> Written:
        value = encode(message)
        try:
            decode(type(message), value, topic)
        except DecodeError as error:
            raise CommandFailed(ExitStatus.REFUSED, f"{error.field}: {error.reason}", "Correct the argument.") from None
        if authorise(self._signer, message) is not None:
            needed = " or ".join(sorted(role.value for role in roles_for(message)))
            raise CommandFailed(
                ExitStatus.REFUSED,
                f"trust.json does not give the key {self._key.kid} the role {needed}",
                "Use the key of an operator who has it (--operator-key).",
            )
        key = message.nodeId.encode()
        header = sign(
            value,
            topic=topic,
            key=key,
            kid=self._key.kid,
            private_key=self._key.private_key,
            issued_at=time.time_ns() // 1_000_000_000,
        )
        published = await self._publisher.record(topic, key, value, headers=(header,))
        return Written(
            published.topic, published.partition, published.offset, self._key.kid, msgspec.json.decode(value)
        )

    def _newer(self, latest: RegistryRecord | None, record: ConsumerRecord) -> RegistryRecord | None:
        """Return what counts of a node after a record, as the issuer decides it."""
        signer = verify(
            record.headers, topic=REGISTRY, key=record.key, value=record.value, trust=self._trust, at=record.timestamp
        )
        if isinstance(signer, Refusal):
            return latest
        try:
            message = decode(RegistryRecord, record.value, REGISTRY)
        except DecodeError:
            return latest
        if message.nodeId.encode() != record.key or authorise(signer, message) is not None:
            return latest
        if latest is not None and message.revision <= latest.revision:
            return latest
        return authorised_part(signer, message, latest)


def _signer(trust: Trust, key: SigningKey) -> Signer:
    signer = trust.signer_at(key.kid, _now())
    usable = signer is not None and signer.key.state is KeyState.ACTIVE and not signer.has_role(Role.ISSUE)
    if signer is None or not usable or signer.key.publicKey != key.public_key_text:
        raise CommandFailed(
            ExitStatus.CONFIGURATION,
            f"trust.json has no active operator's key {key.kid!r} with this public half",
            "Everybody would refuse what it signs: use another key, or have trust.json brought up to date.",
        )
    return signer


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _now() -> Timestamp:
    return Timestamp(time.time_ns() // 1_000_000)
