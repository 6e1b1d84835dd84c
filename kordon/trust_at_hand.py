"""The trust.json by which a reader judges signatures, if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kordon.output import remark
from kordon.settings import CommandSettings
from transport.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path


def trust_at_hand(trust_file: Path | None) -> Trust | None:
    """Return the trust.json that is named, else the one in the settings if it exists; else say that nobody vouches.

    Raises:
        TrustFileError: it cannot be used, or the one that is named is missing.
    """
    if trust_file is not None:
        return Trust.load(trust_file)
    default = CommandSettings.load().trust_file
    if default.exists():
        return Trust.load(default)
    remark(f"There is no {default}, so the registry's signatures are not checked: name a trust.json with --trust.")
    return None
