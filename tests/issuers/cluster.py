"""A cluster as its operator sees it: topics, keys and trust on disk, signed registry records, nodes that ask."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from issuer.key_ring import KeyRing
from kordon.client.capsules import CapsuleClient
from kordon.client.credentials import Ed25519Credential, HmacCredential
from schemas.capsules import CapsuleReply
from schemas.codec import decode, encode
from schemas.decisions import CapsuleDecision
from schemas.network import Network
from schemas.progress import StreamsProgress
from schemas.registry import Credential, CredentialType, NodeRegistryStatus, RegistryRecord
from schemas.risk import Cause, NodeStatus, Quarantine, RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import DECISIONS, REGISTRY, REPLIES, RISK, STREAMS_PROGRESS
from schemas.trust import KeyState, Role, TrustedKey
from transport.administration import apply_topics
from transport.client import consumer_arguments, producer_arguments
from transport.key_files import SigningKey, generate_signing_key
from transport.partitioner import partition_of
from transport.private_files import write_private_file
from transport.sealing import seal_verifier
from transport.settings import KafkaSettings
from transport.signed_records import sign
from transport.trust import Trust
from transport.watermarks import high_watermark

CLUSTER_ID = "test"
FINGERPRINT = "9f86d081884c7d659a2feaa0c55ad015"
PASSPHRASE = b"a passphrase of a test"
HERE = Network(ip="192.0.2.1", asn=64_500, region="eu")
ELSEWHERE = Network(ip="198.51.100.7", asn=64_501, region="us")


def now() -> Timestamp:
    return Timestamp(time.time_ns() // 1_000_000)


class Cluster:
    """Use as ``async with Cluster(kafka, folder) as cluster``.

    Enrolled nodes have ed25519 credentials named ``1`` unless said otherwise.
    """

    def __init__(self, kafka: KafkaSettings, folder: Path) -> None:
        self.kafka = kafka
        self.folder = folder
        self.ring = KeyRing.generate("1")
        self.operator = generate_signing_key("operator")
        roles = (Role.ENROL, Role.REVOKE)
        trusted = TrustedKey(self.operator.kid, self.operator.public_key_text, roles, KeyState.ACTIVE)
        self.trust = Trust(self.ring.trust_document(CLUSTER_ID, "test-issuer", [trusted]))
        self.node_keys: dict[str, SigningKey] = {}
        self._producer = AIOKafkaProducer(**producer_arguments(kafka))

    async def __aenter__(self) -> Self:
        await apply_topics(self.kafka)
        self.trust.save(self.folder / "trust.json")
        self.ring.save(self.folder / "keys", PASSPHRASE, iterations=1000)
        write_private_file(self.folder / "passphrase", PASSPHRASE + b"\n")
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    @property
    def issuer_settings(self) -> dict[str, str]:
        """The environment in which an issuer finds its files."""
        return {
            "KORDON_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KORDON_KAFKA_PREFIX": self.kafka.prefix,
            "KORDON_ISSUER_TRUST_FILE": str(self.folder / "trust.json"),
            "KORDON_ISSUER_KEYS_FOLDER": str(self.folder / "keys"),
            "KORDON_ISSUER_PASSPHRASE_FILE": str(self.folder / "passphrase"),
        }

    def partition(self, node_id: str) -> int:
        return partition_of(node_id.encode(), self.kafka.partitions)

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Publish bytes; ``topic`` without prefix."""
        await self._producer.send_and_wait(
            self.kafka.topic(topic), key=key, value=value, partition=partition, headers=list(headers)
        )

    async def register(self, record: RegistryRecord, signer: SigningKey | None = None) -> None:
        """Publish a signed registry record."""
        signer = signer or self.operator
        value, key = encode(record), record.nodeId.encode()
        header = sign(
            value, topic=REGISTRY, key=key, kid=signer.kid, private_key=signer.private_key, issued_at=now() // 1000
        )
        await self.send(REGISTRY, key, value, headers=[header])

    async def enrol(self, node_id: str, revision: int = 1, **details: object) -> CapsuleClient:
        """Enrol a node, or change it, and return its client, not yet connected."""
        key = self.node_keys.setdefault(node_id, generate_signing_key("1"))
        record = RegistryRecord(
            node_id,
            revision,
            NodeRegistryStatus.ACTIVE,
            enabled=True,
            credentials=(Credential(key.kid, publicKey=key.public_key_text),),
        )
        await self.register(msgspec.structs.replace(record, **details))
        return self.client(node_id)

    async def enrol_hmac(self, node_id: str, token: bytes) -> CapsuleClient:
        """Enrol a node that has a bearer token."""
        sealed = seal_verifier(self.trust.sealing_key, token, cluster_id=CLUSTER_ID, node_id=node_id, kid="token")
        credential = Credential("token", CredentialType.HMAC, sealedVerifier=sealed)
        await self.register(RegistryRecord(node_id, 1, NodeRegistryStatus.ACTIVE, True, (credential,)))
        return CapsuleClient(self.kafka, self.trust, node_id, HmacCredential("token", token))

    def client(self, node_id: str, key: SigningKey | None = None) -> CapsuleClient:
        """Return a client that signs with the node's own key, or the one given."""
        key = key or self.node_keys[node_id]
        return CapsuleClient(self.kafka, self.trust, node_id, Ed25519Credential(key.kid, key.private_key))

    async def write_row(self, node_id: str, **fields: object) -> None:
        """Write a node's risk row, as the worker would."""
        row = RiskRow(1, node_id, NodeStatus.ACTIVE, 0, (), 5, 1, now(), baseline=HERE, current=HERE)
        await self.send(RISK, node_id.encode(), encode(msgspec.structs.replace(row, **fields)))

    async def write_progress(self, **fields: object) -> None:
        """Write progress of every co-partition, as a healthy worker would, or with these fields instead."""
        places = [TopicPartition(self.kafka.topic(RISK), p) for p in range(self.kafka.partitions)]
        ends = await high_watermark(self.kafka, places)
        for place in places:
            progress = StreamsProgress(
                1, place.partition, now(), {}, self.kafka.partitions, (), ends[place], lagMillis=0, policyVersion=1
            )
            value = encode(msgspec.structs.replace(progress, **fields))
            await self.send(STREAMS_PROGRESS, None, value, partition=place.partition)

    @contextlib.asynccontextmanager
    async def worker_alive(self) -> AsyncIterator[None]:
        """Write progress every second, as a healthy worker would."""

        async def write() -> None:
            while True:
                await self.write_progress()
                await asyncio.sleep(1)

        await self.write_progress()
        task = asyncio.create_task(write())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def records(self, topic: str) -> list[ConsumerRecord]:
        """Return all committed records of a topic (without prefix), by partition and offset."""
        consumer = AIOKafkaConsumer(**consumer_arguments(self.kafka))
        places = [TopicPartition(self.kafka.topic(topic), p) for p in range(self.kafka.partitions)]
        await consumer.start()
        try:
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[ConsumerRecord] = []
            for place in places:
                consumer.seek(place, 0)
            deadline = time.monotonic() + 30
            while any([await consumer.position(place) < ends[place] for place in places]):
                assert time.monotonic() < deadline, f"{topic} was not read to its end"
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += records
            return found
        finally:
            await consumer.stop()

    async def decisions(self) -> list[CapsuleDecision]:
        return [decode(CapsuleDecision, record.value, DECISIONS) for record in await self.records(DECISIONS)]

    async def replies(self) -> list[CapsuleReply]:
        return [decode(CapsuleReply, record.value, REPLIES) for record in await self.records(REPLIES)]


def quarantined(cause: Cause, score: int = 90) -> dict[str, object]:
    """The fields of a quarantined node's row."""
    return {
        "status": NodeStatus.QUARANTINED,
        "score": score,
        "quarantine": Quarantine("0" * 32, now(), cause, score),
        "capsulesValidFrom": 5,
    }


__all__ = ["ELSEWHERE", "FINGERPRINT", "HERE", "Cluster", "now", "quarantined"]
