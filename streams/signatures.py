"""Who may order what: a command counts only if an operator with the right role signed it (design.md section 3)."""

from __future__ import annotations

from pathlib import Path

from schemas.codec import DecodeError, decode
from schemas.commands import Command
from schemas.topics import COMMANDS
from streams.assessment import CheckSignature, Received, Refusal
from transport import signed_records
from transport.trust import Trust


def command_gate(trust_file: Path | None) -> CheckSignature:
    """Return the check of a command's signature. Without a trust file it refuses every command.

    Raises:
        TrustFileError: the file cannot be used.
    """
    if trust_file is None:
        return _refuse
    trust = Trust.load(trust_file)

    def check(record: Received) -> Refusal | None:
        return _check(record, trust)

    return check


def _refuse(_: Received) -> Refusal:
    return Refusal("NoTrustFile", "this worker trusts no operator: set KORDON_WORKER_TRUST_FILE")


def _check(record: Received, trust: Trust) -> Refusal | None:
    signer = signed_records.verify(
        record.headers, topic=COMMANDS, key=record.key, value=record.value, trust=trust, at=record.timestamp
    )
    if isinstance(signer, signed_records.Refusal):
        return _named(signer)
    try:
        command = decode(Command, record.value, COMMANDS)
    except DecodeError:
        return None  # signed, but no command: that is the policy's to reject
    refusal = signed_records.authorise(signer, command)
    return None if refusal is None else _named(refusal)


def _named(refusal: signed_records.Refusal) -> Refusal:
    return Refusal("SignatureRefused", f"{refusal.reason}: {refusal.text}")
