"""The registry's records, each with whether it counts, and what they make of each node."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from kordon.ledger.rows import Row, credential_names, enrolment_row, time_of
from kordon.ledger.signatures import Judgement, Signature, SignatureCheck
from kordon.ledger.tables import NODES, REGISTRY
from schemas.registry import NodeRegistryStatus, RegistryRecord
from schemas.timestamp import Timestamp
from schemas.trust import Role
from transport.incoming import IncomingRecord
from transport.signed_records import authorised_part

_COLUMNS: Final = (
    "revision, status, enabled, credentials, fingerprint, binding_epoch, service_principal, runtime_version, ring, "
    "architecture, updated_at, updated_by"
)


@dataclass(frozen=True)
class Known:
    """A node as its last counting record left it; ``credentials`` are names only."""

    record: RegistryRecord
    credentials: str


class Enrolments:
    """Writes ``registry`` and ``nodes`` within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, check: SignatureCheck) -> None:
        self._connection = connection
        self._check = check

    def add(self, record: IncomingRecord, message: RegistryRecord) -> None:
        """Take in one record, in the order of its partition."""
        judgement = self._check.judge(record, message)
        known = self._known(message.nodeId) if judgement.refusal is None else None
        if known is not None and message.revision <= known.record.revision:
            judgement = Judgement(judgement.signature, judgement.signer, "OLD_REVISION")
        self._connection.execute(REGISTRY.insert, _history_row(record, message, judgement))
        if judgement.refusal is None:
            self._connection.execute(NODES.upsert, _node_row(record, message, judgement, known))

    def _known(self, node_id: str) -> Known | None:
        found = self._connection.execute(f"SELECT {_COLUMNS} FROM nodes WHERE node_id = ?", (node_id,)).fetchone()  # noqa: S608 - fixed names
        if found is None:
            return None
        revision, status, enabled, credentials, fingerprint, epoch, principal, version, ring, architecture, at, by = (
            found
        )
        record = RegistryRecord(
            node_id,
            revision,
            NodeRegistryStatus(status),
            bool(enabled),
            (),
            epoch,
            fingerprint,
            principal,
            version,
            ring,
            architecture,
            None if at is None else Timestamp.parse(at),
            by,
        )
        return Known(record, credentials)


def _history_row(record: IncomingRecord, message: RegistryRecord, judgement: Judgement) -> Row:
    return (
        record.partition,
        record.offset,
        time_of(record),
        message.nodeId,
        *enrolment_row(message, credential_names(message)),
        judgement.signature.value,
        judgement.kid,
        judgement.refusal is None,
        judgement.refusal,
    )


def _node_row(record: IncomingRecord, message: RegistryRecord, judgement: Judgement, known: Known | None) -> Row:
    counting, credentials = message, credential_names(message)
    if judgement.signature is Signature.VERIFIED and judgement.signer is not None:
        counting = authorised_part(judgement.signer, message, None if known is None else known.record)
        if not judgement.signer.has_role(Role.ENROL):
            credentials = "[]" if known is None else known.credentials
    return (
        message.nodeId,
        *enrolment_row(counting, credentials),
        judgement.signature.value,
        judgement.kid,
        record.partition,
        record.offset,
    )
