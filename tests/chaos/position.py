"""Where a record is, and what its value was."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Position(NamedTuple):
    """``topic`` without prefix."""

    topic: str
    partition: int
    offset: int


def digest_of(value: bytes) -> str:
    """Return the lowercase hex SHA-256, which is what a decision calls a request's digest."""
    return hashlib.sha256(value).hexdigest()
