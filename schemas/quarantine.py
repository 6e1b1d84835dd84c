"""A node crossing the line, in either direction; the records of ``node.quarantine.v1``."""

from hashlib import sha256
from typing import Annotated

import msgspec

from schemas.identifiers import Identifier, NodeId, Reason, Revision, Score
from schemas.risk import Cause, NodeStatus, Signal
from schemas.timestamp import Timestamp


class QuarantineTransition(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One transition, written once.

    ``at`` is the timestamp of the record that caused it. The points of ``signals`` sum to ``score``. ``actor`` and
    ``reason`` are the operator's, present when ``cause`` is ``operator``.
    """

    transitionId: str
    nodeId: NodeId
    from_: NodeStatus = msgspec.field(name="from")
    to: NodeStatus
    at: Timestamp
    score: Score
    threshold: Score
    signals: tuple[Signal, ...]
    cause: Cause
    policyVersion: Annotated[int, msgspec.Meta(ge=1)]
    revision: Revision
    actor: Identifier | None = None
    reason: Reason | None = None


def transition_id(node_id: str, revision: int) -> str:
    """Return the id of the transition at a row's revision: the first 32 hex digits of SHA-256(``nodeId:revision``)."""
    return sha256(f"{node_id}:{revision}".encode()).hexdigest()[:32]
