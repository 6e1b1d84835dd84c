"""One request record, from its bytes to everything that answers it: reply, decision, binding or dead letter.

The checks themselves are :func:`policy.issuance.decide`; here their facts are gathered and its outcome is put into
records. Nothing a record holds makes this raise; what does raise is a bug, an expired key ring or foreign state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from issuer.correlation import ReplyTopics, reply_address
from issuer.counts import Counts
from issuer.credentials import verify_proof
from issuer.envelopes import EnvelopeBuilder, FirstGrant, Judged, is_authenticated
from issuer.key_ring import KeyRing
from issuer.refusal_rate import RefusalRate
from issuer.requests import MalformedRequest, WellFormedRequest, read_node_id, read_request
from issuer.state import CopartitionState, Enrolled
from policy.issuance import Denial, Grant, IssuanceLimits, Request, View, decide
from policy.policy_file import Policy
from schemas.capsules import CapsuleReply
from schemas.codec import DecodeError, encode
from schemas.decisions import CapsuleDecision, DenialReason
from schemas.registry import Binding, NodeRegistryStatus
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import BINDINGS, DECISIONS, REQUESTS, dlq_of
from transport.dead_letters import dead_letter
from transport.incoming import IncomingRecord
from transport.outgoing import OutgoingRecord, RecordTooLargeError
from transport.partitioner import partition_of
from transport.repartition import ForwardedRecordError, forwarded, read_forwarded
from transport.settings import KafkaSettings

_log: Final = structlog.get_logger("kordon.issuer")


@dataclass(frozen=True, slots=True)
class Rules:
    """What every judgement of this issuer goes by. ``audience`` is ``clusterId/prefix``."""

    audience: str
    policy: Policy
    limits: IssuanceLimits
    ring: KeyRing
    builder: EnvelopeBuilder
    reply_topics: ReplyTopics


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A judged request. ``decision`` is absent for one that was not authenticated."""

    reply: CapsuleReply
    decision: CapsuleDecision | None = None
    binding: Binding | None = None
    letter: Denial | None = None


class Judge:
    """Judges the requests of one co-partition, whose state it keeps."""

    def __init__(
        self, kafka: KafkaSettings, rules: Rules, state: CopartitionState, rate: RefusalRate, counts: Counts
    ) -> None:
        self._kafka = kafka
        self._rules = rules
        self._state = state
        self._rate = rate
        self._counts = counts

    def judge(self, record: IncomingRecord, *, caught_up: bool, now: Timestamp) -> Sequence[OutgoingRecord]:
        """Return what a record of the request topic leads to.

        ``caught_up``: registry and risk were read to the high watermarks taken after the record was read.
        """
        node_id = read_node_id(record.key)
        if node_id is not None and record.key is not None:
            home = partition_of(record.key, self._state.partition_count)
            if home != self._state.partition:
                return self._forward(record, home)
        return self._answer(record, caught_up=caught_up, now=now)

    def judge_forwarded(self, record: IncomingRecord, *, caught_up: bool, now: Timestamp) -> Sequence[OutgoingRecord]:
        """Return what a record of the request topic's ``.repartition`` topic leads to; as :meth:`judge`."""
        try:
            original = read_forwarded(record)
        except ForwardedRecordError as error:
            return self._unreadable(record, type(error).__name__, str(error))
        node_id = read_node_id(original.key)
        if node_id is None or partition_of(node_id.encode(), self._state.partition_count) != self._state.partition:
            return self._unreadable(record, "ForwardedRecordError", "its key does not belong into this partition")
        return self._answer(original, caught_up=caught_up, now=now)

    def _forward(self, record: IncomingRecord, home: int) -> Sequence[OutgoingRecord]:
        try:
            outgoing = forwarded(self._kafka, record, home)
        except RecordTooLargeError:
            return self._unreadable(record, "RecordTooLargeError", "misplaced, and too large to be forwarded")
        self._counts.requests["forwarded"] += 1
        return (outgoing,)

    def _unreadable(self, record: IncomingRecord, exception: str, reason: str) -> Sequence[OutgoingRecord]:
        self._counts.requests["unreadable"] += 1
        letter = dead_letter(self._kafka, record, exception, reason, self._state.partition)
        # A `.repartition` topic has no dead-letter topic of its own.
        return (letter._replace(topic=self._kafka.topic(dlq_of(REQUESTS))),)

    def _answer(self, record: IncomingRecord, *, caught_up: bool, now: Timestamp) -> Sequence[OutgoingRecord]:
        request = read_request(record.key, record.value)
        if isinstance(request, MalformedRequest):
            denial = Denial(DenialReason.MALFORMED_REQUEST, request.detail)
            outcome = self._refuse(denial, request.digest, read_node_id(record.key), request.request_id, now)
        else:
            outcome = self._judge(request, caught_up=caught_up, now=now)
        if outcome is None:
            self._counts.requests["dropped"] += 1
            return ()
        reason = outcome.reply.reason
        self._counts.requests["granted" if reason is None else reason.value] += 1
        return self._records(record, outcome)

    def _judge(self, request: WellFormedRequest, *, caught_up: bool, now: Timestamp) -> _Outcome | None:
        claims, state, rules = request.claims, self._state, self._rules
        enrolled = state.enrolled(claims.nodeId)
        removed = enrolled is not None and enrolled.record.status is NodeRegistryStatus.REMOVED
        proof = verify_proof(request.token, None if enrolled is None or removed else enrolled.credentials)
        # Not before the proof: whoever proves nothing causes the same work whether there is such a node or not.
        row, readable = self._row(claims.nodeId) if proof.verified else (None, True)
        remembered = state.remembered(claims.nodeId, claims.requestId)
        verdict = decide(
            Request(
                claims=claims,
                digest=request.digest,
                node=None if enrolled is None else enrolled.record,
                binding=state.binding(claims.nodeId),
                proof_verified=proof.verified,
                remembered_digest=None if remembered is None else remembered.digest,
            ),
            View(caught_up=caught_up and readable, progress=state.progress, row=row),
            now,
            rules.audience,
            rules.policy,
            rules.limits,
        )
        if isinstance(verdict, Denial) and not is_authenticated(verdict.reason):
            return self._refuse(verdict, request.digest, claims.nodeId, claims.requestId, now)
        assert enrolled is not None, "an authenticated node is enrolled"
        judged = Judged(now, 0 if row is None else row.revision, rules.policy.version, proof.jkt)
        if isinstance(verdict, Grant):
            first = None if remembered is None else remembered.grant
            return self._grant(request, enrolled, verdict, first, judged, row)
        return self._deny(request, verdict, judged, row)

    def _row(self, node_id: str) -> tuple[RiskRow | None, bool]:
        try:
            return self._state.row(node_id), True
        except DecodeError as error:
            _log.error("risk.unreadable", node=node_id, partition=self._state.partition, field=error.field)
            return None, False

    def _refuse(
        self, denial: Denial, digest: str, node_id: str | None, request_id: str | None, now: Timestamp
    ) -> _Outcome | None:
        """Answer a failure of checks 1 and 2, or ``None`` beyond the rate."""
        if not self._rate.allows():
            return None
        judged = Judged(now, 0, self._rules.policy.version, None)
        reply = self._rules.builder.denial(denial, digest=digest, node_id=node_id, request_id=request_id, judged=judged)
        return _Outcome(reply, letter=denial)

    def _deny(self, request: WellFormedRequest, denial: Denial, judged: Judged, row: RiskRow | None) -> _Outcome:
        claims = request.claims
        reply = self._rules.builder.denial(
            denial, digest=request.digest, node_id=claims.nodeId, request_id=claims.requestId, judged=judged
        )
        return _Outcome(
            reply,
            CapsuleDecision(
                requestId=claims.requestId,
                nodeId=claims.nodeId,
                requestDigest=request.digest,
                decidedAt=judged.now,
                denied=True,
                riskRevision=judged.risk_revision,
                current=None if row is None else row.current,
                claims=claims.network,
                reason=denial.reason,
                riskScore=denial.risk_score,
                fingerprint=claims.fingerprint,
                runtimeVersion=claims.runtimeVersion,
            ),
        )

    def _grant(
        self,
        request: WellFormedRequest,
        enrolled: Enrolled,
        grant: Grant,
        first: FirstGrant | None,
        judged: Judged,
        row: RiskRow | None,
    ) -> _Outcome:
        claims, rules = request.claims, self._rules
        terms = rules.builder.terms_today(
            first or rules.builder.first_grant(request, enrolled.record, judged.now), judged.now
        )
        if terms is None:
            expired = Denial(DenialReason.REQUEST_EXPIRED, "the capsule this request was granted has expired")
            return self._deny(request, expired, judged, row)
        master = rules.ring.master(terms.master_id)
        if master is None:
            # The same runtime key cannot be derived again, and another one must not pass for it: ask anew.
            gone = Denial(DenialReason.REPLAYED_REQUEST, "the master secret of the first grant is gone")
            return self._deny(request, gone, judged, row)
        reply = rules.builder.capsule(request, enrolled.record, grant, terms, master, judged)
        decision = CapsuleDecision(
            requestId=claims.requestId,
            nodeId=claims.nodeId,
            requestDigest=request.digest,
            decidedAt=judged.now,
            denied=False,
            riskRevision=judged.risk_revision,
            current=None if row is None else row.current,
            claims=claims.network,
            riskScore=grant.risk_score,
            capsuleId=terms.capsule_id,
            expiresUtc=terms.expires_utc,
            masterId=terms.master_id,
            fingerprint=claims.fingerprint,
            runtimeVersion=terms.runtime_version,
        )
        binding = None
        if grant.binds_fingerprint:
            binding = Binding(claims.nodeId, claims.fingerprint, enrolled.record.binding_epoch, judged.now)
        return _Outcome(reply, decision, binding)

    def _records(self, record: IncomingRecord, outcome: _Outcome) -> Sequence[OutgoingRecord]:
        """Put an outcome into records, and its decision and binding into the state that the next request meets."""
        partition, reply = self._state.partition, outcome.reply
        key = None if reply.nodeId is None else reply.nodeId.encode()
        address = reply_address(record.headers, key, self._rules.reply_topics, partition)
        records = [OutgoingRecord(address.topic, address.partition, key, encode(reply), address.headers)]
        if outcome.decision is not None:
            self._state.remember(outcome.decision)
            records.append(OutgoingRecord(self._kafka.topic(DECISIONS), partition, key, encode(outcome.decision)))
        if outcome.binding is not None:
            self._state.bind(outcome.binding)
            records.append(OutgoingRecord(self._kafka.topic(BINDINGS), partition, key, encode(outcome.binding)))
        if outcome.letter is not None:
            records.append(dead_letter(self._kafka, record, *_named(outcome.letter), partition))
        return records


def _named(denial: Denial) -> tuple[str, str]:
    """Return a dead letter's exception and message: the true reason, which the requester is not told."""
    if denial.reason is DenialReason.AUTHENTICATION_FAILED:
        return denial.detail, f"answered with {denial.reason.value}"
    return denial.reason.value, denial.detail
