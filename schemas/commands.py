"""What an operator orders. Commands count only when signed (design.md section 3)."""

from enum import StrEnum

import msgspec

from schemas.identifiers import Identifier, NodeId, Reason
from schemas.network import InvalidFieldError
from schemas.timestamp import Timestamp


class Action(StrEnum):
    """What a command does to its node; the rules are in :mod:`policy.commands`."""

    RELEASE = "release"
    QUARANTINE = "quarantine"
    EXEMPT = "exempt"
    UNEXEMPT = "unexempt"


class Command(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An operator's order. ``expiresAt`` (exclusive) is required for ``exempt``, where it ends the exemption."""

    commandId: Identifier
    nodeId: NodeId
    action: Action
    actor: Identifier
    reason: Reason
    issuedAt: Timestamp
    expiresAt: Timestamp | None = None

    def __post_init__(self) -> None:
        if self.action is Action.EXEMPT and self.expiresAt is None:
            raise InvalidFieldError("expiresAt", "required for exempt: it is the exemption's end")
