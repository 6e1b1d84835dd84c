"""Messages as rows, in the column order of ``tables.py``. Nothing of a credential, and no raw value, gets this far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kordon.ledger.signatures import Judgement
from schemas.codec import DecodeError
from schemas.commands import Command
from schemas.decisions import CapsuleDecision
from schemas.network import Network
from schemas.quarantine import QuarantineTransition
from schemas.registry import Binding, RegistryRecord
from schemas.risk import RiskRow, Signal
from schemas.timestamp import Timestamp
from transport.dead_letters import CUT, DIGEST, LONGEST_EXCEPTION_BYTES, LONGEST_MESSAGE_BYTES, TIMESTAMP, cause_of
from transport.incoming import IncomingRecord
from transport.settings import KafkaSettings

Row = tuple[Any, ...]

LONGEST_REASON: Final = 1_024
"""Characters of an operator's reason that are kept, as many as a transition carries."""

_LARGEST_INTEGER: Final = 2**63 - 1
_NODE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_NOWHERE: Final = (None, None, None)
_QUOTED: Final = re.compile(r"(?<![A-Za-z])'[^']*'|\"[^\"]*\"")


def time_of(record: IncomingRecord) -> str | None:
    """The record's timestamp as the ledger writes times; None if it has none that can be written."""
    return _time(record.timestamp)


def enrolment_row(message: RegistryRecord, credentials: str) -> Row:
    """The columns that ``nodes`` and ``registry`` share; ``credentials`` as :func:`credential_names` says."""
    return (
        message.revision,
        message.status.value,
        message.enabled,
        credentials,
        message.fingerprint,
        message.bindingEpoch,
        message.servicePrincipal,
        message.runtimeVersion,
        message.ring,
        message.architecture,
        _text(message.updatedAt),
        message.updatedBy,
    )


def credential_names(message: RegistryRecord) -> str:
    """The kids and types of a record's credentials as JSON; never a key, nor a verifier, sealed or not."""
    names = [{"kid": each.kid, "type": each.credential_type.value} for each in message.credentials]
    return msgspec.json.encode(names).decode()


def binding_row(message: Binding, record: IncomingRecord) -> Row:
    """One row of ``bindings``."""
    return (
        message.nodeId,
        message.fingerprint,
        message.bindingEpoch,
        str(message.boundAt),
        record.partition,
        record.offset,
    )


def risk_row(message: RiskRow, record: IncomingRecord) -> Row:
    """One row of ``risk``."""
    quarantine, capsule = message.quarantine, message.lastCapsule
    return (
        message.nodeId,
        message.status.value,
        message.score,
        message.revision,
        message.policyVersion,
        str(message.updatedAt),
        *_network(message.baseline),
        *_network(message.current),
        message.baselineRevision,
        _text(message.lastNetworkAt),
        _text(message.lastTelemetryAt),
        message.lastBootId,
        message.lastShutdownClean,
        message.lastCommandId,
        _text(message.lastCommandAt),
        *(
            (None, None, None, None)
            if quarantine is None
            else (quarantine.transitionId, str(quarantine.since), quarantine.cause.value, quarantine.score)
        ),
        _text(message.exemptUntil),
        message.capsulesValidFrom,
        *((None, None) if capsule is None else (capsule.capsuleId, capsule.expiresUtc)),
        _signals(message.signals),
        record.partition,
        record.offset,
    )


def transition_row(message: QuarantineTransition, record: IncomingRecord) -> Row:
    """One row of ``transitions``."""
    return (
        record.partition,
        record.offset,
        str(message.at),
        message.nodeId,
        message.from_.value,
        message.to.value,
        message.score,
        message.threshold,
        message.cause.value,
        message.actor,
        _reason(message.reason),
        message.policyVersion,
        message.revision,
        message.transitionId,
        _signals(message.signals),
    )


def decision_row(message: CapsuleDecision, record: IncomingRecord) -> Row:
    """One row of ``decisions``."""
    return (
        record.partition,
        record.offset,
        str(message.decidedAt),
        message.nodeId,
        message.denied,
        None if message.reason is None else message.reason.value,
        message.riskScore,
        message.riskRevision,
        message.requestId,
        message.requestDigest,
        message.capsuleId,
        message.expiresUtc,
        message.masterId,
        message.fingerprint,
        message.runtimeVersion,
        *_network(message.current),
        *_network(message.claims),
    )


def command_row(message: Command, record: IncomingRecord, judgement: Judgement) -> Row:
    """One row of ``commands``."""
    return (
        record.partition,
        record.offset,
        time_of(record),
        message.commandId,
        message.nodeId,
        message.action.value,
        message.actor,
        _reason(message.reason),
        str(message.issuedAt),
        _text(message.expiresAt),
        judgement.signature.value,
        judgement.kid,
        judgement.refusal,
    )


def dead_letter_row(topic: str, record: IncomingRecord, settings: KafkaSettings) -> Row:
    """One row of ``dead_letters``: KIP-1034's headers as columns; absent ones, and malformed ones, are NULL.

    Key, value and the record's own headers are not kept, only their sizes: a dead letter may hold anything, a token
    sent to the wrong topic too. A key that is a node's id is.
    """
    cause = cause_of(record.headers)
    last = dict(record.headers)
    source: Row = (None, None, None)
    if cause is not None:
        name = cause.topic.removeprefix(settings.prefix)
        source = (name[:LONGEST_EXCEPTION_BYTES], _integer(cause.partition), _integer(cause.offset))
    return (
        topic,
        record.partition,
        record.offset,
        time_of(record),
        _node_id(record.key),
        *source,
        _header_time(last.get(TIMESTAMP)),
        None if cause is None else cause.exception[:LONGEST_EXCEPTION_BYTES],
        None if cause is None else unquoted(cause.message)[:LONGEST_MESSAGE_BYTES],
        _ascii(last.get(DIGEST)),
        _ascii(last.get(CUT)),
        len(record.key or b""),
        len(record.value or b""),
        len(record.headers),
    )


def unreadable_row(topic: str, record: IncomingRecord, error: DecodeError | str) -> Row:
    """One row of ``unreadable``, for a value that does not decode or (a text) breaks a rule beyond its form."""
    exception, field, message = (
        (error, "$", None) if isinstance(error, str) else ("DecodeError", error.field, unquoted(error.reason))
    )
    return (
        topic,
        record.partition,
        record.offset,
        time_of(record),
        exception,
        field[:LONGEST_EXCEPTION_BYTES],
        None if message is None else message[:LONGEST_MESSAGE_BYTES],
        len(record.value or b""),
    )


def unquoted(text: str) -> str:
    """A decoder's message without the input it quotes, which may be a secret in the wrong field."""
    return _QUOTED.sub("'…'", text)


def _network(network: Network | None) -> tuple[str | None, int | None, str | None]:
    return _NOWHERE if network is None else (network.ip, network.asn, network.region)


def _signals(signals: Sequence[Signal]) -> str:
    return msgspec.json.encode(signals, enc_hook=str).decode() if signals else "[]"


def _text(time: Timestamp | None) -> str | None:
    return None if time is None else str(time)


def _time(millis: int) -> str | None:
    return str(Timestamp(millis)) if 0 <= millis <= Timestamp.LATEST else None


def _reason(text: str | None) -> str | None:
    return None if text is None else text[:LONGEST_REASON]


def _integer(number: int) -> int | None:
    return number if 0 <= number <= _LARGEST_INTEGER else None


def _header_time(value: bytes | None) -> str | None:
    text = _ascii(value)
    return _time(int(text)) if text is not None and text.isdecimal() else None


def _ascii(value: bytes | None) -> str | None:
    if value is None or not value.isascii() or len(value) > LONGEST_EXCEPTION_BYTES:
        return None
    return value.decode()


def _node_id(key: bytes | None) -> str | None:
    return key.decode() if key is not None and _NODE_ID.fullmatch(key) else None
