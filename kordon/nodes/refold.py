"""One node's row made anew of its records by the rules, and which of them changed its score or its status."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from policy.admission import Rejection
from policy.fleet import Fleet
from policy.risk import Folded
from schemas.risk import NodeStatus, RiskRow, Signal
from schemas.topics import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kordon.nodes.recorded_order import NodeRecord
    from policy.policy_file import Policy
    from schemas.quarantine import QuarantineTransition


class Step(NamedTuple):
    """A record that changed the node's score, signals or status: how it stood before and after."""

    record: NodeRecord
    score_before: int
    score_after: int
    status_before: NodeStatus
    status_after: NodeStatus
    signals: tuple[Signal, ...]
    transition: QuarantineTransition | None


class Refolded(NamedTuple):
    """What the records come to; ``row`` is None where none of them was folded.

    ``refused`` are commands that the worker did not obey, ``rejected`` records that no rule reads.
    """

    row: RiskRow | None
    steps: tuple[Step, ...]
    folded: int
    late: int
    rejected: int
    refused: int


def refold(
    node_id: str, ordered: Iterable[NodeRecord], policy: Policy, refused_commands: Mapping[int, str]
) -> Refolded:
    """Fold a node's records in the order given.

    ``refused_commands`` are those the worker found not to be signed by one who may order them, by their offset: who was
    trusted then is not known now, but each of them has its dead letter.
    """
    fleet = Fleet(policy)
    steps: list[Step] = []
    folded = late = rejected = refused = 0
    for record in ordered:
        if record.topic == COMMANDS and record.origin_offset in refused_commands:
            refused += 1
            continue
        before = fleet.row(node_id)
        outcome = fleet.fold(
            record.topic, record.origin_partition, record.origin_offset, record.timestamp, record.key, record.value
        )
        if isinstance(outcome, Folded):
            folded += 1
            step = _step(record, before, outcome)
            if step is not None:
                steps.append(step)
        elif isinstance(outcome, Rejection):
            rejected += 1
        else:
            late += 1
    return Refolded(fleet.row(node_id), tuple(steps), folded, late, rejected, refused)


def differences(rebuilt: RiskRow | None, stored: RiskRow | None) -> tuple[str, ...]:
    """Return the names of the fields in which two rows differ; all of them where one of the rows is missing."""
    return tuple(
        name
        for name in RiskRow.__struct_fields__
        if rebuilt is not stored
        and (rebuilt is None or stored is None or getattr(rebuilt, name) != getattr(stored, name))
    )


def _step(record: NodeRecord, before: RiskRow | None, outcome: Folded) -> Step | None:
    row = outcome.row
    status, score = (NodeStatus.ACTIVE, 0) if before is None else (before.status, before.score)
    signals = () if before is None else before.signals
    if (status, score, signals) == (row.status, row.score, row.signals) and outcome.transition is None:
        return None
    return Step(record, score, row.score, status, row.status, row.signals, outcome.transition)
