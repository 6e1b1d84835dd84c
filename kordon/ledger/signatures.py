"""Whether a registry record or command counts: judged as the issuer does, and written down either way.

Without a trust.json nobody can tell, so everything is ``unverified``; the ledger then shows what the topics say, and
says with each row that nobody vouches for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.commands import Command
from schemas.registry import RegistryRecord
from transport.incoming import IncomingRecord
from transport.partitioner import partition_of
from transport.signed_records import Refusal, authorise, verify
from transport.trust import Signer, Trust


class Signature(StrEnum):
    """What is known of a record's signature."""

    VERIFIED = "verified"
    """An operator whose role covers it signed it."""
    REFUSED = "refused"
    """trust.json says that it has no effect; ``refusal`` says why."""
    UNVERIFIED = "unverified"
    """There is no trust.json to judge it by."""


@dataclass(frozen=True)
class Judgement:
    """The signature, who made it (known only if verified), and why the record has no effect, if so."""

    signature: Signature
    signer: Signer | None = None
    refusal: str | None = None

    @property
    def kid(self) -> str | None:
        """The signer's key."""
        return None if self.signer is None else self.signer.kid


_UNVERIFIED: Final = Judgement(Signature.UNVERIFIED)


class SignatureCheck:
    """The check of one topic's records, ``partitions`` being its partition count."""

    def __init__(self, topic: str, trust: Trust | None, partitions: int) -> None:
        self._topic = topic
        self._trust = trust
        self._partitions = partitions

    def judge(self, record: IncomingRecord, message: RegistryRecord | Command) -> Judgement:
        """Judge a record that was decoded to ``message``: signature, role, then that it lies where its node does."""
        judgement = _UNVERIFIED if self._trust is None else self._signature(record, message, self._trust)
        if judgement.refusal is None:
            key = message.nodeId.encode()
            if key != record.key:
                return Judgement(judgement.signature, judgement.signer, "KEY_IS_NOT_NODE_ID")
            if partition_of(key, self._partitions) != record.partition:
                return Judgement(judgement.signature, judgement.signer, "MISPLACED")
        return judgement

    def _signature(self, record: IncomingRecord, message: RegistryRecord | Command, trust: Trust) -> Judgement:
        signer = verify(
            record.headers, topic=self._topic, key=record.key, value=record.value, trust=trust, at=record.timestamp
        )
        if isinstance(signer, Refusal):
            return Judgement(Signature.REFUSED, refusal=signer.reason.value)
        refusal = authorise(signer, message)
        if refusal is not None:
            return Judgement(Signature.REFUSED, refusal=refusal.reason.value)
        return Judgement(Signature.VERIFIED, signer)
