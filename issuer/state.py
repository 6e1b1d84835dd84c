"""What the issuer knows of one co-partition: the registry, bindings, risk rows, the worker's progress, its own memory.

It is rebuilt from the topics at every take-over and never written anywhere but there. The registry's records count
only if an operator signed them; they are read again at each start, so what is ignored is logged and counted and makes
no dead letter (design.md section 3).
"""

from dataclasses import dataclass, field
from typing import Final

import structlog

from issuer.counts import Counts
from issuer.credentials import Credentials, read_credentials
from issuer.envelopes import FirstGrant
from issuer.errors import NewerStateError, UnreadableStateError
from issuer.key_ring import KeyRing
from schemas.codec import DecodeError, decode
from schemas.decisions import CapsuleDecision, DenialReason
from schemas.progress import PROGRESS_SCHEMA_VERSION, StreamsProgress
from schemas.registry import Binding, RegistryRecord
from schemas.risk import RISK_SCHEMA_VERSION, RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import BINDINGS, DECISIONS, REGISTRY, RISK, STREAMS_PROGRESS
from transport.incoming import IncomingRecord
from transport.partitioner import partition_of
from transport.signed_records import Refusal, authorise, authorised_part, verify
from transport.trust import Trust

_log: Final = structlog.get_logger("kordon.issuer")

_BEFORE_MEMORY: Final = frozenset({DenialReason.REQUEST_EXPIRED, DenialReason.REPLAYED_REQUEST})
"""Denials by check 3: what they deny never passed it."""

_SECOND_MILLIS: Final = 1000


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A node's latest counting registry record and the keys it may prove itself by."""

    record: RegistryRecord
    credentials: Credentials = field(repr=False)


@dataclass(slots=True)
class Remembered:
    """The first request of a node and requestId that passed check 3, and what it was granted if it was."""

    digest: str
    grant: FirstGrant | None


class CopartitionState:
    """The state of co-partition ``partition`` of ``partition_count``."""

    def __init__(self, partition: int, partition_count: int, trust: Trust, ring: KeyRing, counts: Counts) -> None:
        self.partition = partition
        self.partition_count = partition_count
        self.progress: StreamsProgress | None = None
        self._trust = trust
        self._ring = ring
        self._counts = counts
        self._enrolled: dict[str, Enrolled] = {}
        self._bindings: dict[str, Binding] = {}
        self._rows: dict[str, bytes] = {}
        self._remembered: dict[tuple[str, str], Remembered] = {}

    def enrolled(self, node_id: str) -> Enrolled | None:
        """The node's enrolment, whatever its status; ``None`` for a node that nobody ever enrolled."""
        return self._enrolled.get(node_id)

    def binding(self, node_id: str) -> Binding | None:
        """The node's bound fingerprint."""
        return self._bindings.get(node_id)

    def remembered(self, node_id: str, request_id: str) -> Remembered | None:
        """What is remembered of a request id."""
        return self._remembered.get((node_id, request_id))

    def row(self, node_id: str) -> RiskRow | None:
        """The node's risk row.

        Raises:
            NewerStateError: it was written by a newer Kordon, whose rules this one does not know.
            DecodeError: it cannot be read; then nobody knows whether the node is quarantined.
        """
        value = self._rows.get(node_id)
        if value is None:
            return None
        row = decode(RiskRow, value, RISK)
        if row.schemaVersion > RISK_SCHEMA_VERSION:
            raise NewerStateError(
                f"a risk row of co-partition {self.partition} has schema {row.schemaVersion}, this issuer knows "
                f"{RISK_SCHEMA_VERSION}; what it says beyond would be lost. Run the worker's version"
            )
        return row

    def read_risk(self, record: IncomingRecord) -> None:
        """Take over a row; it is decoded when its node asks."""
        node_id = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._rows.pop(node_id, None)
        else:
            self._rows[node_id] = record.value

    def read_progress(self, record: IncomingRecord) -> None:
        """Take over the worker's progress. One that cannot be read is no sign of life, so requests become stale."""
        try:
            progress = decode(StreamsProgress, record.value, STREAMS_PROGRESS)
        except DecodeError as error:
            _log.warning("progress.unreadable", partition=self.partition, offset=record.offset, reason=error.reason)
            self.progress = None
            return
        if progress.schemaVersion > PROGRESS_SCHEMA_VERSION or progress.partition != self.partition:
            raise NewerStateError(
                f"the worker's progress at {record.topic} [{record.partition}] offset {record.offset} has schema "
                f"{progress.schemaVersion} and partition {progress.partition}; this issuer cannot judge by it"
            )
        self.progress = progress

    def read_registry(self, record: IncomingRecord) -> None:
        """Take over an enrolment if an authorised operator signed it and it is newer than the one known."""
        reason = self._registry_fault(record)
        if reason is not None:
            self._counts.ignored_registry_records[reason] += 1
            _log.warning("registry.ignored", partition=record.partition, offset=record.offset, reason=reason)

    def _registry_fault(self, record: IncomingRecord) -> str | None:
        signer = verify(
            record.headers,
            topic=REGISTRY,
            key=record.key,
            value=record.value,
            trust=self._trust,
            at=record.timestamp,
        )
        if isinstance(signer, Refusal):
            return signer.reason.value
        try:
            message = decode(RegistryRecord, record.value, REGISTRY)
        except DecodeError as error:
            return f"DecodeError at {error.field}"
        refusal = authorise(signer, message)
        if refusal is not None:
            return refusal.reason.value
        key = message.nodeId.encode()
        if key != record.key:
            return "KEY_IS_NOT_NODE_ID"
        if partition_of(key, self.partition_count) != self.partition:
            return "MISPLACED"
        known = self._enrolled.get(message.nodeId)
        if known is not None and message.revision <= known.record.revision:
            return "OLD_REVISION"
        counting = authorised_part(signer, message, None if known is None else known.record)
        credentials = read_credentials(counting, self._ring, self._trust.cluster_id)
        self._enrolled[message.nodeId] = Enrolled(counting, credentials)
        return None

    def read_binding(self, record: IncomingRecord) -> None:
        """Take over a binding of an earlier life.

        Raises:
            UnreadableStateError: it cannot be read; without it another fingerprint would be bound.
        """
        try:
            self.bind(decode(Binding, record.value, BINDINGS))
        except DecodeError as error:
            raise _unreadable("binding", record, "another fingerprint could be bound in its stead") from error

    def read_decision(self, record: IncomingRecord) -> None:
        """Take over a decision of an earlier life.

        Raises:
            UnreadableStateError: it cannot be read; without it a requestId could be used twice.
        """
        try:
            self.remember(decode(CapsuleDecision, record.value, DECISIONS))
        except ValueError as error:  # a DecodeError, or an expiresUtc that is no day
            raise _unreadable("decision", record, "a requestId could be used again with other bytes") from error

    def bind(self, binding: Binding) -> None:
        """Take over a binding that was decided."""
        self._bindings[binding.nodeId] = binding

    def remember(self, decision: CapsuleDecision) -> None:
        """Take over a decision: the first digest under its node and requestId, and the first grant of those bytes."""
        if decision.reason in _BEFORE_MEMORY:
            return
        key = (decision.nodeId, decision.requestId)
        known = self._remembered.get(key)
        if known is None:
            self._remembered[key] = Remembered(decision.requestDigest, _grant_of(decision))
        elif known.digest == decision.requestDigest and known.grant is None:
            known.grant = _grant_of(decision)


def _grant_of(decision: CapsuleDecision) -> FirstGrant | None:
    if decision.denied or not (
        decision.capsuleId and decision.expiresUtc and decision.masterId and decision.runtimeVersion
    ):
        return None
    expires = Timestamp.parse(decision.expiresUtc) // _SECOND_MILLIS
    return FirstGrant(decision.capsuleId, decision.expiresUtc, expires, decision.masterId, decision.runtimeVersion)


def _unreadable(kind: str, record: IncomingRecord, loss: str) -> UnreadableStateError:
    return UnreadableStateError(
        f"the {kind} at {record.topic} [{record.partition}] offset {record.offset} cannot be read; without it {loss}"
    )
