"""A small fleet's day as records of every topic that the ledger follows, with secrets where they do not belong.

The story: amber and basalt are enrolled and get capsules. cobalt moves to another network, is quarantined and denied,
and is released. dahlia crashes and stays held. mallory enrols itself with a key that nobody trusts.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from aiokafka import ConsumerRecord, TopicPartition

from kordon.ledger.writer import FOLLOWED
from schemas.codec import encode
from schemas.commands import Action, Command
from schemas.decisions import CapsuleDecision, DenialReason
from schemas.network import Network
from schemas.quarantine import QuarantineTransition, transition_id
from schemas.registry import Binding, Credential, CredentialType, NodeRegistryStatus, RegistryRecord
from schemas.risk import Cause, Evidence, NodeStatus, Quarantine, RiskRow, Signal, SignalKind
from schemas.timestamp import Timestamp
from schemas.topics import BINDINGS, COMMANDS, DECISIONS, NETWORK, QUARANTINE, REGISTRY, RISK, TELEMETRY, dlq_of
from tests.workers.operators import Operator
from transport.dead_letters import dead_letter
from transport.partitioner import partition_of
from transport.settings import KafkaSettings
from transport.signed_records import sign

PARTITIONS = 4
DAY = Timestamp.parse("2026-03-02T08:00:00.000Z")
PUBLIC_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
SEALED_VERIFIER = "c2VhbGVkLXZlcmlmaWVyLW9mLWJhc2FsdA"
SECRETS = (PUBLIC_KEY, SEALED_VERIFIER, "hunter-in-a-value", "hunter-in-a-header", "hunter-in-an-enum", "eyJ")
"""What must not be found in a ledger of this fleet; ``eyJ`` begins every JWS."""

HERE = Network("198.51.100.10", 64500, "eu-west-1")
THERE = Network("203.0.113.9", 64511, "us-east-1")
FINGERPRINT = "9f86d081884c7d659a2feaa0c55ad015"


class Written(NamedTuple):
    """A record as it is produced; ``topic`` without prefix, ``timestamp`` in ms since 1970."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    timestamp: int


class Fleet:
    """Makes the records; ``operator`` may do everything, ``revoker`` may only revoke."""

    def __init__(
        self,
        operator: Operator,
        revoker: Operator,
        partitions: int = PARTITIONS,
        *,
        begins: int = DAY,
        minute_millis: int = 60_000,
    ) -> None:
        self.operator = operator
        self.revoker = revoker
        self.partitions = partitions
        self._begins = begins
        self._minute_millis = minute_millis

    def at(self, minute: int) -> Timestamp:
        return Timestamp(self._begins + minute * self._minute_millis)

    def written(
        self, topic: str, node: str, value: bytes, minute: int, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Written:
        key = node.encode()
        return Written(topic, partition_of(key, self.partitions), key, value, headers, self.at(minute))

    def signed(self, topic: str, node: str, value: bytes, minute: int, signer: Operator) -> Written:
        header = sign(
            value,
            topic=topic,
            key=node.encode(),
            kid=signer.kid,
            private_key=signer.key,
            issued_at=self.at(minute) // 1000,
        )
        return self.written(topic, node, value, minute, [header])

    def enrolment(
        self, node: str, minute: int, revision: int = 1, signer: Operator | None = None, **fields: Any
    ) -> Written:
        given: dict[str, Any] = {
            "status": NodeRegistryStatus.ACTIVE,
            "enabled": True,
            "credentials": (Credential("1", publicKey=PUBLIC_KEY),),
            "updatedAt": self.at(minute),
            "updatedBy": "alice",
        } | fields
        record = RegistryRecord(node, revision, **given)
        return self.signed(REGISTRY, node, encode(record), minute, signer or self.operator)

    def command(self, node: str, action: Action, reason: str, minute: int, signer: Operator | None = None) -> Written:
        command = Command(f"{action.value}-{node}-{minute}", node, action, "alice", reason, self.at(minute))
        return self.signed(COMMANDS, node, encode(command), minute, signer or self.operator)

    def row(self, node: str, minute: int, revision: int, signals: tuple[Signal, ...] = (), **fields: Any) -> Written:
        given: dict[str, Any] = {"baseline": HERE, "current": HERE} | fields
        status = given.pop("status", NodeStatus.ACTIVE)
        score = sum(signal.points for signal in signals)
        row = RiskRow(1, node, status, score, signals, revision, 1, self.at(minute), **given)
        return self.written(RISK, node, encode(row), minute)

    def transition(self, node: str, to: NodeStatus, minute: int, revision: int, **fields: Any) -> Written:
        signals = fields.pop("signals", ())
        from_ = NodeStatus.ACTIVE if to is NodeStatus.QUARANTINED else NodeStatus.QUARANTINED
        message = QuarantineTransition(
            transition_id(node, revision),
            node,
            from_,
            to,
            self.at(minute),
            sum(signal.points for signal in signals),
            80,
            signals,
            fields.pop("cause", Cause.POLICY),
            1,
            revision,
            **fields,
        )
        return self.written(QUARANTINE, node, encode(message), minute)

    def decision(self, node: str, minute: int, reason: DenialReason | None = None, **fields: Any) -> Written:
        digest = hashlib.sha256(f"{node}-{minute}".encode()).hexdigest()
        granted: dict[str, Any] = {
            "capsuleId": digest[:32],
            "expiresUtc": str(self.at(minute + 1440))[:-5] + "Z",
            "masterId": "2026-01",
            "fingerprint": FINGERPRINT,
            "runtimeVersion": "2.4.1",
            "riskScore": 0,
        }
        given: dict[str, Any] = {"riskRevision": 1, "current": HERE} | fields
        message = CapsuleDecision(
            f"request-{digest[:16]}",
            node,
            digest,
            self.at(minute),
            denied=reason is not None,
            reason=reason,
            **({} if reason else granted),
            **given,
        )
        return self.written(DECISIONS, node, encode(message), minute)

    def dead(self, topic: str, node: str, offset: int, minute: int, exception: str, message: str) -> Written:
        settings = KafkaSettings(prefix="kordon.")
        source = incoming(
            settings.topic(topic),
            partition_of(node.encode(), self.partitions),
            offset,
            self.at(minute),
            node.encode(),
            b'{"token":"hunter-in-a-value"}',
            [("authorization", b"hunter-in-a-header")],
        )
        letter = dead_letter(settings, source, exception, message)
        return Written(
            dlq_of(topic),
            letter.partition,
            letter.key or b"",
            letter.value or b"",
            [(name, value or b"") for name, value in letter.headers],
            self.at(minute),
        )

    def day(self) -> Iterator[Written]:
        """Every record, in the order of the day."""
        mallory = Operator(self.operator.kid)
        sealed = (Credential("token", CredentialType.HMAC, sealedVerifier=SEALED_VERIFIER),)
        for node, minute, fields in (
            ("amber", 0, {"ring": "canary", "architecture": "arm64"}),
            ("basalt", 1, {"ring": "stable", "credentials": sealed}),
            ("cobalt", 2, {"ring": "stable"}),
            ("dahlia", 3, {"ring": "stable", "servicePrincipal": "till@shop"}),
        ):
            yield self.enrolment(node, minute, **fields)
            yield self.row(node, minute + 5, 1)
        yield self.enrolment("mallory", 4, signer=mallory)
        yield self.written(BINDINGS, "amber", encode(Binding("amber", FINGERPRINT, 0, self.at(10))), 10)
        yield self.decision("amber", 10)
        yield self.decision("basalt", 11)
        yield self.decision("dahlia", 12)
        yield from self._cobalt()
        yield from self._dahlia()
        yield self.dead(TELEMETRY, "amber", 17, 60, "DecodeError", "kind: Invalid enum value 'hunter-in-an-enum'")
        yield self.dead(TELEMETRY, "amber", 18, 61, "FromTheFuture", "observedAt: more than 300 s after the record")
        yield self.dead(NETWORK, "basalt", 5, 62, "KeyMismatch", "the record's key must equal its nodeId")
        yield self.written(dlq_of(NETWORK), "basalt", b"nobody said why", 63)
        bad = b'{"commandId":"c","nodeId":"amber","action":"hunter-in-an-enum","actor":"a","reason":"r"}'
        yield self.written(COMMANDS, "amber", bad, 64)
        yield self.enrolment("basalt", 70, 2, signer=self.revoker, enabled=False, credentials=(), updatedBy="bob")
        yield self.enrolment("amber", 71, 1, updatedBy="carol")

    def _cobalt(self) -> Iterator[Written]:
        signals = (self.signal(SignalKind.ASN_CHANGED, 40, 20), self.signal(SignalKind.REGION_CHANGED, 50, 20))
        held = Quarantine(transition_id("cobalt", 2), self.at(20), Cause.POLICY, 90)
        yield self.row(
            "cobalt", 20, 2, signals, status=NodeStatus.QUARANTINED, current=THERE, quarantine=held, capsulesValidFrom=2
        )
        yield self.transition("cobalt", NodeStatus.QUARANTINED, 20, 2, signals=signals)
        yield self.decision("cobalt", 21, DenialReason.NETWORK_POLICY_VIOLATION, riskScore=90, riskRevision=2)
        yield self.command("cobalt", Action.RELEASE, "moved to the new data centre, ticket 4712", 30)
        yield self.row("cobalt", 30, 4, baseline=THERE, current=THERE, baselineRevision=4, capsulesValidFrom=2)
        yield self.transition(
            "cobalt",
            NodeStatus.ACTIVE,
            30,
            4,
            cause=Cause.OPERATOR,
            actor="alice",
            reason="moved to the new data centre, ticket 4712",
        )
        yield self.decision("cobalt", 31, riskRevision=4, current=THERE)

    def _dahlia(self) -> Iterator[Written]:
        signals = (self.signal(SignalKind.ABRUPT_STOP, 80, 40, TELEMETRY),)
        held = Quarantine(transition_id("dahlia", 2), self.at(40), Cause.POLICY, 80)
        yield self.row("dahlia", 40, 2, signals, status=NodeStatus.QUARANTINED, quarantine=held, capsulesValidFrom=2)
        yield self.transition("dahlia", NodeStatus.QUARANTINED, 40, 2, signals=signals)
        yield self.decision("dahlia", 41, DenialReason.NETWORK_POLICY_VIOLATION, riskScore=80, riskRevision=2)
        yield self.decision("dahlia", 45, DenialReason.NETWORK_POLICY_VIOLATION, riskScore=80, riskRevision=2)
        yield self.command("dahlia", Action.RELEASE, "let me out", 46, signer=self.revoker)

    def signal(self, kind: SignalKind, points: int, minute: int, topic: str = NETWORK) -> Signal:
        was: dict[SignalKind, tuple[str | int, str | int]] = {
            SignalKind.ASN_CHANGED: (64500, 64511),
            SignalKind.REGION_CHANGED: ("eu-west-1", "us-east-1"),
            SignalKind.ABRUPT_STOP: ("boot-1", "boot-2"),
        }
        before, after = was[kind]
        return Signal(kind, points, self.at(minute), Evidence(topic, 1, 43), before, after)


def incoming(
    topic: str,
    partition: int,
    offset: int,
    timestamp: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]] = (),
) -> ConsumerRecord[bytes, bytes]:
    """A record as a consumer hands it over; ``topic`` in full."""
    sizes = (len(key or b""), len(value or b""))
    return ConsumerRecord(topic, partition, offset, int(timestamp), 0, key, value, None, *sizes, headers)


class Log:
    """Topics in memory: gives each record its offset."""

    def __init__(self, prefix: str = "kordon.", partitions: int = PARTITIONS) -> None:
        self.records: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
        self._prefix = prefix
        self._partitions = partitions

    def append(self, written: Written) -> ConsumerRecord[bytes, bytes]:
        place = TopicPartition(self._prefix + written.topic, written.partition)
        record = incoming(
            place.topic,
            place.partition,
            len(self.records[place]),
            written.timestamp,
            written.key,
            written.value,
            written.headers,
        )
        self.records[place].append(record)
        return record

    @property
    def ends(self) -> dict[TopicPartition, int]:
        places = [TopicPartition(self._prefix + topic, p) for topic in FOLLOWED for p in range(self._partitions)]
        return {place: len(self.records[place]) for place in places}
