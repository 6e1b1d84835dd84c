"""Which of a node's registry records counts: judged as the issuer does (design.md sections 3 and 4)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from kordon.ledger.signatures import Signature, SignatureCheck
from schemas.codec import DecodeError, decode
from schemas.registry import NodeRegistryStatus, RegistryRecord
from schemas.topics import REGISTRY
from transport.signed_records import authorised_part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transport.incoming import IncomingRecord


class Standing(StrEnum):
    """Where a node stands in the registry, in one word."""

    ACTIVE = "active"
    DISABLED = "disabled"
    """Active, but not enabled: it gets no capsule for a while."""
    REVOKED = "revoked"
    REMOVED = "removed"
    REFUSED = "refused"
    """There are records of it, of which none counts."""


class Refused(NamedTuple):
    """A registry record without effect, and why."""

    offset: int
    reason: str


class Registration(NamedTuple):
    """What counts of a node's registry records.

    ``record`` is None where none counts; ``offset`` and ``kid`` (None if unverified) are of the record that made it.
    """

    record: RegistryRecord | None
    signature: Signature
    offset: int | None
    kid: str | None
    refused: tuple[Refused, ...]

    @property
    def standing(self) -> Standing:
        """The node's standing."""
        if self.record is None:
            return Standing.REFUSED
        if self.record.status is NodeRegistryStatus.ACTIVE and not self.record.enabled:
            return Standing.DISABLED
        return Standing(self.record.status.value)


def registration_of(records: Iterable[IncomingRecord], check: SignatureCheck) -> Registration | None:
    """Return what counts of one node's records, in the order of their offsets; None without any.

    Unverified, without a trust.json, every readable record counts that lies where it belongs.
    """
    latest = Registration(None, Signature.REFUSED, None, None, ())
    refused: list[Refused] = []
    any_record = False
    for record in records:
        any_record = True
        try:
            message = decode(RegistryRecord, record.value, REGISTRY)
        except DecodeError as error:
            refused.append(Refused(record.offset, f"DecodeError at {error.field}"))
            continue
        judgement = check.judge(record, message)
        if judgement.refusal is not None:
            refused.append(Refused(record.offset, judgement.refusal))
        elif latest.record is not None and message.revision <= latest.record.revision:
            refused.append(Refused(record.offset, "OLD_REVISION"))
        else:
            signer = judgement.signer
            counting = message if signer is None else authorised_part(signer, message, latest.record)
            latest = Registration(counting, judgement.signature, record.offset, judgement.kid, ())
    return latest._replace(refused=tuple(refused)) if any_record else None
