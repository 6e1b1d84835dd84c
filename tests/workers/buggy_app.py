"""The worker's application with a bug: its fold raises at a record that says so."""

from __future__ import annotations

from policy.admission import Rejection
from policy.fleet import Fleet
from policy.risk import Folded, Late
from streams.app import app

__all__ = ["app"]

_fold = Fleet.fold


def _fold_with_a_bug(
    self: Fleet,
    topic: str,
    partition: int,
    offset: int,
    timestamp: int,
    key: bytes | str | None,
    value: bytes | None,
) -> Folded | Late | Rejection:
    if value is not None and b"trips the bug" in value:
        raise ZeroDivisionError("the bug")
    return _fold(self, topic, partition, offset, timestamp, key, value)


Fleet.fold = _fold_with_a_bug  # type: ignore[method-assign]
