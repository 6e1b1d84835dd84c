"""Why a node has the score it has and is held or not: points that add up, the records behind them, and what would help.

Pure: the parts were read before (``node_reading``, ``evidence_reading``, ``log_reading``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kordon.nodes.node_state import quarantine_view
from kordon.nodes.refold import Refolded, Step, differences
from schemas.risk import NodeStatus, Signal, SignalKind
from schemas.timestamp import Timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kordon.nodes.evidence_reading import FoundEvidence
    from kordon.nodes.log_reading import Kept, NodeLog
    from kordon.nodes.node_state import NodeState
    from kordon.nodes.reading import KeptRecord
    from kordon.nodes.recorded_order import NodeRecord
    from schemas.risk import Evidence, RiskRow


def explanation_of(state: NodeState, evidence: Mapping[Evidence, FoundEvidence]) -> dict[str, Any]:
    """Return a node's score and standing explained, as ``kordon node explain --json`` prints it without ``fromLog``."""
    row = state.row
    return {
        "nodeId": state.node_id,
        "status": None if row is None else row.status.value,
        "score": 0 if row is None else row.score,
        "revision": 0 if row is None else row.revision,
        "policyVersion": None if row is None else row.policyVersion,
        "signals": [] if row is None else [_explained(signal, evidence.get(signal.evidence)) for signal in row.signals],
        "addsUp": row is None or row.score == sum(signal.points for signal in row.signals),
        "quarantine": _held(state, evidence),
        "exemptUntil": None if row is None or row.exemptUntil is None else str(row.exemptUntil),
        "remedies": [] if row is None else remedies(row),
    }


def wanted_evidence(state: NodeState) -> set[Evidence]:
    """Return where the records lie that an explanation shows: of the raised signals, and of those that held it."""
    signals: tuple[Signal, ...] = () if state.row is None else state.row.signals
    if state.held_by is not None:
        signals += state.held_by.signals
    return {signal.evidence for signal in signals}


def remedies(row: RiskRow) -> list[str]:
    """Return what would lift the quarantine, or lower the score of a node that is not held."""
    if row.status is NodeStatus.QUARANTINED:
        return [
            (
                f"An operator's `kordon quarantine release {row.nodeId} --reason …`, and nothing else: then where the "
                "node is becomes its baseline, abruptStop is cleared and the score is 0."
            )
        ]
    return [_remedy(signal) for signal in row.signals]


def log_view(log: NodeLog, refolded: Refolded, stored: RiskRow | None, policy_version: int) -> dict[str, Any]:
    """Return what the log tells, as ``fromLog`` of ``kordon node explain --from-log --json``.

    ``verdict`` is ``equal``; ``incomplete``, where the rows differ and records or their order are gone;
    ``other policy``, where another version folded them; ``different`` where nothing excuses the difference, or where a
    row lies on the topic that the worker has not recorded.
    """
    order, kept = log.order, log.kept
    different = differences(refolded.row, stored)
    whole = all(each.is_whole for each in kept) and order.before == 0
    if log.unrecorded_row is not None:
        verdict = "different"
    elif not different:
        verdict = "equal"
    elif not whole:
        verdict = "incomplete"
    elif order.policy_versions - {policy_version}:
        verdict = "other policy"
    else:
        verdict = "different"
    return {
        "verdict": verdict,
        "differences": list(different),
        "unrecordedRow": log.unrecorded_row,
        "whole": whole,
        "kept": [_kept_view(each) for each in kept],
        "folded": refolded.folded,
        "late": refolded.late,
        "rejected": refolded.rejected,
        "refusedCommands": refolded.refused,
        "orderUnknown": order.before,
        "notYetFolded": order.after,
        "policyVersions": sorted(order.policy_versions),
        "foldedBy": policy_version,
        "revision": {
            "rebuilt": 0 if refolded.row is None else refolded.row.revision,
            "stored": 0 if stored is None else stored.revision,
        },
        "steps": [_step_view(step) for step in refolded.steps],
    }


def _explained(signal: Signal, found: FoundEvidence | None) -> dict[str, Any]:
    place = signal.evidence
    evidence: dict[str, Any] = {"topic": place.topic, "partition": place.partition, "offset": place.offset}
    if found is not None:
        evidence |= {"state": found.state.value, "firstKept": found.first_kept}
        if found.record is not None:
            evidence |= _record_view(found.record)
    return {
        "kind": signal.kind.value,
        "points": signal.points,
        "from": signal.from_,
        "to": signal.to,
        "raisedAt": str(signal.raisedAt),
        "evidence": evidence,
    }


def _record_view(record: KeptRecord | NodeRecord) -> dict[str, Any]:
    return {
        "timestamp": str(Timestamp(record.timestamp)),
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "value": None if record.value is None else record.value.decode(errors="replace"),
    }


def _held(state: NodeState, evidence: Mapping[Evidence, FoundEvidence]) -> dict[str, Any] | None:
    told = quarantine_view(state)
    if told is not None and state.held_by is not None:
        told["signals"] = [_explained(signal, evidence.get(signal.evidence)) for signal in state.held_by.signals]
    return told


def _remedy(signal: Signal) -> str:
    if signal.kind is SignalKind.ABRUPT_STOP:
        return "abruptStop: a report of a boot after a clean shutdown, or a release."
    return (
        f"{signal.kind.value}: an observation at {signal.from_} again, a granted capsule, which accepts where the node "
        "was when it was judged, or a release."
    )


def _kept_view(kept: Kept) -> dict[str, Any]:
    return {
        "topic": kept.topic,
        "partition": kept.partition,
        "firstOffset": kept.first_offset,
        "nextOffset": kept.next_offset,
        "since": None if kept.since is None else str(kept.since),
        "whole": kept.is_whole,
    }


def _step_view(step: Step) -> dict[str, Any]:
    record, transition = step.record, step.transition
    return {
        "topic": record.topic,
        "partition": record.origin_partition,
        "offset": record.origin_offset,
        **_record_view(record),
        "from": {"status": step.status_before.value, "score": step.score_before},
        "to": {"status": step.status_after.value, "score": step.score_after},
        "points": step.score_after - step.score_before,
        "signals": {signal.kind.value: signal.points for signal in step.signals},
        "cause": None if transition is None else transition.cause.value,
        "actor": None if transition is None else transition.actor,
        "reason": None if transition is None else transition.reason,
    }
