"""Who may order what: a command counts only if an operator with the right role signed it."""

from __future__ import annotations

from pathlib import Path

from streams.assessment import CheckSignature, Received, Refusal


def command_gate(trust_file: Path | None) -> CheckSignature:
    """Return the check of a command's signature. Without trusted keys it refuses every command."""

    def refuse(_: Received) -> Refusal:
        return Refusal("NoTrustFile", "this worker trusts no operator: set KORDON_WORKER_TRUST_FILE")

    del trust_file
    return refuse
