"""The ledger's settings: environment ``KORDON_LEDGER_*``, or ``[ledger]`` in the file KORDON_CONFIG_FILE names."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from transport.settings_file import SectionSettings, section_config

_LONGEST_DAYS = 36_500


def _keep(what: str, default: int | None) -> int | None:
    text = f"Days that {what} are kept, by their own time; without it for ever."
    days: int | None = Field(default, ge=1, le=_LONGEST_DAYS, description=text)
    return days


class LedgerSettings(SectionSettings):
    """Where the ledger is, how it is written, and how long what is kept. All bounds are inclusive."""

    section: ClassVar[str] = "ledger"
    model_config = section_config("KORDON_LEDGER_")

    file: Path = Field(Path(".kordon/ledger.db"), description="The SQLite file; its folder is made if it is missing.")
    trust_file: Path | None = Field(
        None,
        description="trust.json with the operators' keys; without it registry and commands stand there as unverified.",
    )
    batch_records: int = Field(
        10_000, ge=1, le=100_000, description="Most records that are written in one SQLite transaction."
    )
    check_interval_seconds: int = Field(
        10, ge=1, le=3_600, description="Seconds between two looks whether the topics are still the same."
    )
    prune_interval_minutes: int = Field(
        60, ge=1, le=10_080, description="Minutes between two prunings while the ledger runs."
    )
    keep_registry_days: int | None = _keep("registry records", None)
    keep_transitions_days: int | None = _keep("transitions", None)
    keep_commands_days: int | None = _keep("commands", None)
    keep_decisions_days: int | None = _keep("decisions", 90)
    keep_dead_letters_days: int | None = _keep("dead letters", 30)
    keep_unreadable_days: int | None = _keep("notes of unreadable records", 30)
