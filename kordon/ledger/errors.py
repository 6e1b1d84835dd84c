"""Why a ledger stops. Each text says what is the matter, ``remedy`` what to do; neither holds a secret."""

from __future__ import annotations

from typing import Final

REBUILD: Final = "`kordon ledger rebuild` makes it anew from what the topics still hold."


class LedgerError(Exception):
    """The ledger and what is there do not fit; a person has to decide."""

    def __init__(self, message: str, remedy: str = REBUILD) -> None:
        super().__init__(message)
        self.remedy = remedy


class NoLedgerError(LedgerError):
    """There is no ledger at that path."""


class LedgerInUseError(LedgerError):
    """Another process writes it; the text names its pid."""


class ForeignLedgerError(LedgerError):
    """It was written for another cluster or prefix, by a newer Kordon, or with other trust."""


class PositionLostError(LedgerError):
    """The topics no longer hold what the ledger would read next; the text names each range that is lost."""


class MissingTopicsError(LedgerError):
    """Topics that the ledger follows are not there."""


class NewerRecordError(LedgerError):
    """A record of a newer schema: what it says beyond would be lost."""


class RebuildLossError(LedgerError):
    """A rebuild would drop entries that only the present ledger has."""


class QueryError(LedgerError):
    """A statement that SQLite refuses, or that would write."""
