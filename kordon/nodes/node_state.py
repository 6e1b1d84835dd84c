"""Everything the topics say of one node now, and how it is told; no secret, and no sealed one either, is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kordon.nodes.registrations import Registration, registration_of
from policy.issuance import known_fingerprint
from schemas.codec import DecodeError, decode
from schemas.quarantine import QuarantineTransition
from schemas.registry import Binding, Credential
from schemas.risk import RiskRow
from schemas.topics import BINDINGS, QUARANTINE, REGISTRY, RISK
from transport.compact_jws import thumbprint
from transport.public_keys import InvalidPublicKeyError, ed25519_public_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kordon.ledger.signatures import SignatureCheck
    from schemas.timestamp import Timestamp
    from transport.incoming import IncomingRecord

TOPICS = (REGISTRY, BINDINGS, RISK, QUARANTINE)
"""Where a node's state lies; each of them in the partition of its id."""


class NodeState(NamedTuple):
    """One node, as its partition of :data:`TOPICS` has it.

    ``held_by`` is the transition that began the present quarantine. It is None where that was not found, which can only
    be if somebody deleted it: the topic is kept for ever.
    """

    node_id: str
    registration: Registration | None
    binding: Binding | None
    row: RiskRow | None
    held_by: QuarantineTransition | None

    @property
    def is_known(self) -> bool:
        """Whether any topic knows the node."""
        return self.registration is not None or self.binding is not None or self.row is not None


class UnreadableRecordError(Exception):
    """What a service wrote cannot be read; the text names the topic and says no more of the value."""


def state_of(node_id: str, records: Mapping[str, Sequence[IncomingRecord]], check: SignatureCheck) -> NodeState:
    """Return the state that a node's records, by topic and in the order of their offsets, come to.

    Raises:
        UnreadableRecordError: the last row or binding cannot be read.
    """
    row = last_row(records[RISK])
    return NodeState(
        node_id,
        registration_of(records[REGISTRY], check),
        _last(Binding, records[BINDINGS], BINDINGS),
        row,
        _transition_of(row, records[QUARANTINE]),
    )


def last_row(records: Sequence[IncomingRecord]) -> RiskRow | None:
    """Return the row in the last of a node's records of the risk topic, None without one.

    Raises:
        UnreadableRecordError: it cannot be read.
    """
    row: RiskRow | None = _last(RiskRow, records, RISK)
    return row


def view_of(state: NodeState, now: Timestamp) -> dict[str, Any]:
    """Return the state as ``kordon node show --json`` prints it."""
    row = state.row
    return {
        "nodeId": state.node_id,
        "registry": _registry_view(state.registration),
        "binding": _binding_view(state),
        "risk": None if row is None else msgspec.to_builtins(row, enc_hook=str),
        "quarantine": quarantine_view(state),
        "exemption": None if row is None or row.exemptUntil is None else _exemption_view(row.exemptUntil, now),
        "lastCapsule": None if row is None or row.lastCapsule is None else msgspec.to_builtins(row.lastCapsule),
    }


def quarantine_view(state: NodeState) -> dict[str, Any] | None:
    """Return why a node is held, None if it is not; actor and reason are those of the transition."""
    if state.row is None or state.row.quarantine is None:
        return None
    held, transition = state.row.quarantine, state.held_by
    return {
        "since": str(held.since),
        "cause": held.cause.value,
        "score": held.score,
        "transitionId": held.transitionId,
        # Policy held it, then an operator took it over: there is no transition of that, only the command's id.
        "takenOver": transition is not None and transition.cause is not held.cause,
        "threshold": None if transition is None else transition.threshold,
        "revision": state.row.capsulesValidFrom,
        "actor": None if transition is None else transition.actor,
        "reason": None if transition is None else transition.reason,
        "signals": [] if transition is None else msgspec.to_builtins(transition.signals, enc_hook=str),
    }


def credential_view(credential: Credential) -> dict[str, str | None]:
    """Return a credential by name: of a public key its RFC 7638 thumbprint, of a sealed verifier nothing."""
    found = None
    if credential.publicKey is not None:
        try:
            found = thumbprint(ed25519_public_key(credential.publicKey))
        except InvalidPublicKeyError:
            found = None
    return {"kid": credential.kid, "type": credential.credential_type.value, "thumbprint": found}


def _registry_view(registration: Registration | None) -> dict[str, Any] | None:
    if registration is None:
        return None
    record = registration.record
    told: dict[str, Any] = {
        "standing": registration.standing.value,
        "signature": registration.signature.value,
        "signedBy": registration.kid,
        "offset": registration.offset,
    }
    if record is not None:
        fields = msgspec.to_builtins(record, enc_hook=str)
        fields["credentials"] = [credential_view(credential) for credential in record.credentials]
        fields["bindingEpoch"] = record.binding_epoch
        del fields["nodeId"]
        told |= fields
    return told | {"refused": [{"offset": each.offset, "reason": each.reason} for each in registration.refused]}


def _binding_view(state: NodeState) -> dict[str, Any] | None:
    binding = state.binding
    if binding is None:
        return None
    record = None if state.registration is None else state.registration.record
    counts = (
        record is not None and record.fingerprint is None and known_fingerprint(record, binding) == binding.fingerprint
    )
    return {
        "fingerprint": binding.fingerprint,
        "bindingEpoch": binding.bindingEpoch,
        "boundAt": str(binding.boundAt),
        "counts": counts,
    }


def _exemption_view(until: Timestamp, now: Timestamp) -> dict[str, Any]:
    return {"until": str(until), "running": now < until}


def _last(message_type: type[Any], records: Sequence[IncomingRecord], topic: str) -> Any:
    if not records or records[-1].value is None:
        return None
    try:
        return decode(message_type, records[-1].value, topic)
    except DecodeError as error:
        raise UnreadableRecordError(
            f"{records[-1].topic} [{records[-1].partition}] offset {records[-1].offset} cannot be read: {error.field}: "
            f"{error.reason}"
        ) from None


def _transition_of(row: RiskRow | None, records: Sequence[IncomingRecord]) -> QuarantineTransition | None:
    if row is None or row.quarantine is None:
        return None
    for record in reversed(records):
        try:
            transition = decode(QuarantineTransition, record.value, QUARANTINE)
        except DecodeError:
            continue
        if transition.transitionId == row.quarantine.transitionId:
            return transition
    return None
