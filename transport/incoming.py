"""The shape of a record as it was read: that of aiokafka's `ConsumerRecord`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class IncomingRecord(Protocol):
    """A record on a topic.

    `topic` is the full name, with prefix; `timestamp` is in ms since the epoch, -1 if none.
    """

    @property
    def topic(self) -> str:
        """Full topic name."""

    @property
    def partition(self) -> int:
        """Partition number."""

    @property
    def offset(self) -> int:
        """Offset in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch."""

    @property
    def key(self) -> bytes | None:
        """Raw key."""

    @property
    def value(self) -> bytes | None:
        """Raw value."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Names and raw values, in the order written; a name may come more than once."""
