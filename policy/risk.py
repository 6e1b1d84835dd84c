"""A row and a record give a row and perhaps a transition (design.md section 5).

The states and what moves a node between them::

    active ──── score >= threshold, not exempt ────► quarantined (cause policy)
    active ──── command `quarantine` ──────────────► quarantined (cause operator)
    quarantined ─ command `quarantine` ────────────► quarantined (cause operator; no transition)
    quarantined ─ command `release` ───────────────► active      (cause operator)

Nothing else leaves ``quarantined``: a score that falls does not. Every accepted record that is not late adds 1 to the
row's revision, and after it the node is judged. Records arrive here admitted (:mod:`policy.admission`).
"""

from typing import Any, Final

import msgspec

from policy.admission import RiskInput
from policy.boots import judge_boot
from policy.policy_file import Policy
from policy.scoring import NOWHERE, Source, overlay, raised_signals, score_of, signal_of
from schemas.commands import Action, Command
from schemas.decisions import CapsuleDecision, DenialReason
from schemas.network import Network, NetworkObservation
from schemas.quarantine import QuarantineTransition, transition_id
from schemas.risk import (
    RISK_SCHEMA_VERSION,
    Cause,
    LastCapsule,
    NodeStatus,
    Quarantine,
    RiskRow,
    Signal,
    SignalKind,
)
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp

REASON_CHARACTERS: Final = 1024
"""How much of an operator's reason a transition carries: an order is obeyed however long its reason is."""


class Folded(msgspec.Struct, frozen=True, gc=False):
    """The node's new row, and the transition the record caused."""

    row: RiskRow
    transition: QuarantineTransition | None = None


class Late(msgspec.Struct, frozen=True):
    """The record is older than what was folded in; it changes nothing and is counted."""


LATE: Final = Late()


def fold(row: RiskRow | None, message: RiskInput, source: Source, policy: Policy) -> Folded | Late:
    """Fold one admitted record into its node's row (``None``: the node's first record).

    Total: returns for every admitted record, whatever the row.
    """
    if row is None:
        row = _first_row(message.nodeId, policy, source.timestamp)
    if isinstance(message, NetworkObservation):
        return _observe(row, message, source, policy)
    if isinstance(message, Telemetry):
        return _report(row, message, source, policy)
    if isinstance(message, Command):
        return _obey(row, message, source, policy)
    return _note_decision(row, message, source, policy)


def _first_row(node_id: str, policy: Policy, at: Timestamp) -> RiskRow:
    return RiskRow(
        schemaVersion=RISK_SCHEMA_VERSION,
        nodeId=node_id,
        status=NodeStatus.ACTIVE,
        score=0,
        signals=(),
        revision=0,
        policyVersion=policy.version,
        updatedAt=at,
    )


def _observe(row: RiskRow, observation: NetworkObservation, source: Source, policy: Policy) -> Folded | Late:
    if row.lastNetworkAt is not None and observation.observedAt < row.lastNetworkAt:
        return LATE
    before = row.current or NOWHERE
    current = overlay(before, Network(observation.ip, observation.asn, observation.region))
    # A baseline field that is unknown takes the first value seen, on trust.
    baseline = overlay(current, row.baseline or NOWHERE)
    return _settle(row, source, policy, current=current, baseline=baseline, lastNetworkAt=observation.observedAt)


def _report(row: RiskRow, report: Telemetry, source: Source, policy: Policy) -> Folded | Late:
    if row.lastTelemetryAt is not None and report.observedAt < row.lastTelemetryAt:
        return LATE
    before = signal_of(row.signals, SignalKind.ABRUPT_STOP)
    abrupt_stop = judge_boot(row, report, before, source, policy)
    return _settle(
        _with_abrupt_stop(row, abrupt_stop),
        source,
        policy,
        lastTelemetryAt=report.observedAt,
        lastShutdownClean=report.lastShutdownClean,
        lastBootId=row.lastBootId if report.bootId is None else report.bootId,
    )


def _obey(row: RiskRow, command: Command, source: Source, policy: Policy) -> Folded | Late:
    if command.commandId == row.lastCommandId:
        return LATE
    if row.lastCommandAt is not None and command.issuedAt < row.lastCommandAt:
        return LATE
    noted: dict[str, Any] = {"lastCommandId": command.commandId, "lastCommandAt": command.issuedAt}
    if command.action is Action.RELEASE:
        return _release(row, command, source, policy, noted)
    if command.action is Action.QUARANTINE:
        return _hold(row, command, source, policy, noted)
    until = command.expiresAt if command.action is Action.EXEMPT else None
    return _settle(row, source, policy, exemptUntil=until, **noted)


def _release(row: RiskRow, command: Command, source: Source, policy: Policy, noted: dict[str, Any]) -> Folded:
    released = _settle(
        _with_abrupt_stop(row, None),
        source,
        policy,
        baseline=row.current,
        baselineRevision=row.revision + 1,
        status=NodeStatus.ACTIVE,
        quarantine=None,
        **noted,
    )
    if row.status is NodeStatus.ACTIVE:
        return released
    transition = _transition(released.row, released.row.signals, Cause.OPERATOR, source, policy, command)
    return Folded(released.row, transition)


def _hold(row: RiskRow, command: Command, source: Source, policy: Policy, noted: dict[str, Any]) -> Folded:
    if row.quarantine is not None:
        taken_over = msgspec.structs.replace(row.quarantine, cause=Cause.OPERATOR)
        return _settle(row, source, policy, quarantine=taken_over, **noted)
    unjudged = _settle(row, source, policy, judge=False, **noted).row
    return _quarantine(unjudged, unjudged.signals, Cause.OPERATOR, source, policy, command)


def _note_decision(row: RiskRow, decision: CapsuleDecision, source: Source, policy: Policy) -> Folded:
    counts = decision.riskRevision >= (row.baselineRevision or 0) and row.status is NodeStatus.ACTIVE
    if counts and not decision.denied:
        return _accept_judged_network(row, decision, source, policy)
    if counts and decision.reason is DenialReason.NETWORK_POLICY_VIOLATION and decision.claims is not None:
        claimed = raised_signals(
            row.baseline or NOWHERE,
            overlay(row.current or NOWHERE, decision.claims),
            signal_of(row.signals, SignalKind.ABRUPT_STOP),
            row.signals,
            source,
            policy,
        )
        return _settle(row, source, policy, claimed=claimed)
    return _settle(row, source, policy)


def _accept_judged_network(row: RiskRow, decision: CapsuleDecision, source: Source, policy: Policy) -> Folded:
    changes: dict[str, Any] = {"baselineRevision": row.revision + 1}
    if decision.current is not None:
        changes["baseline"] = overlay(row.baseline or NOWHERE, decision.current)
    if decision.capsuleId is not None and decision.expiresUtc is not None:
        changes["lastCapsule"] = LastCapsule(decision.capsuleId, decision.expiresUtc)
    return _settle(row, source, policy, **changes)


def _with_abrupt_stop(row: RiskRow, abrupt_stop: Signal | None) -> RiskRow:
    if abrupt_stop is None and not row.signals:
        return row
    others = tuple(signal for signal in row.signals if signal.kind is not SignalKind.ABRUPT_STOP)
    return msgspec.structs.replace(row, signals=others if abrupt_stop is None else (*others, abrupt_stop))


def _settle(
    row: RiskRow,
    source: Source,
    policy: Policy,
    *,
    claimed: tuple[Signal, ...] = (),
    judge: bool = True,
    **changes: Any,
) -> Folded:
    """Apply a record's changes, end a run-out exemption, score, and judge.

    ``claimed`` are the signals a denied request's claims would raise; they can quarantine but are never kept.
    """
    exempt_until: Timestamp | None = changes.pop("exemptUntil", row.exemptUntil)
    if exempt_until is not None and source.timestamp >= exempt_until:
        exempt_until = None
    signals = raised_signals(
        changes.get("baseline", row.baseline) or NOWHERE,
        changes.get("current", row.current) or NOWHERE,
        signal_of(row.signals, SignalKind.ABRUPT_STOP),
        row.signals,
        source,
        policy,
    )
    settled = msgspec.structs.replace(
        row,
        signals=signals,
        score=score_of(signals),
        exemptUntil=exempt_until,
        revision=row.revision + 1,
        policyVersion=policy.version,
        updatedAt=source.timestamp,
        **changes,
    )
    if judge and settled.status is NodeStatus.ACTIVE and exempt_until is None:
        for judged in (claimed, signals):
            if judged and score_of(judged) >= policy.threshold:
                return _quarantine(settled, judged, Cause.POLICY, source, policy)
    return Folded(settled)


def _quarantine(
    row: RiskRow,
    signals: tuple[Signal, ...],
    cause: Cause,
    source: Source,
    policy: Policy,
    command: Command | None = None,
) -> Folded:
    score = score_of(signals)
    held = msgspec.structs.replace(
        row,
        status=NodeStatus.QUARANTINED,
        quarantine=Quarantine(transition_id(row.nodeId, row.revision), source.timestamp, cause, score),
        capsulesValidFrom=row.revision,
    )
    return Folded(held, _transition(held, signals, cause, source, policy, command))


def _transition(
    row: RiskRow,
    signals: tuple[Signal, ...],
    cause: Cause,
    source: Source,
    policy: Policy,
    command: Command | None,
) -> QuarantineTransition:
    quarantined = row.status is NodeStatus.QUARANTINED
    return QuarantineTransition(
        transitionId=transition_id(row.nodeId, row.revision),
        nodeId=row.nodeId,
        from_=NodeStatus.ACTIVE if quarantined else NodeStatus.QUARANTINED,
        to=row.status,
        at=source.timestamp,
        score=score_of(signals),
        threshold=policy.threshold,
        signals=signals,
        cause=cause,
        policyVersion=policy.version,
        revision=row.revision,
        actor=None if command is None else command.actor,
        reason=None if command is None else command.reason[:REASON_CHARACTERS],
    )
