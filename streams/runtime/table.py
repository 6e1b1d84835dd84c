"""What the application gives the runtime to keep, and gets asked for at each commit."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Protocol, TypeVar


class Table(Protocol):
    """What the application keeps of a co-partition; its changelog topic is its public view."""

    @property
    def changed(self) -> Sized:
        """What stands for each row changed since :meth:`take_changes`."""

    def restore(self, key: bytes | None, value: bytes | None) -> None:
        """Take a row from the changelog; ``None`` as value removes it. Raises RefusedError."""

    def gather_restored(self) -> None:
        """Make ready for the check; called once all tables of a take-over are restored, and before any is checked."""

    def check_restored(self) -> None:
        """Look at what was restored, once it is complete. Raises RefusedError: nothing can go on from it."""

    def take_changes(self) -> Sequence[tuple[bytes, bytes | None]]:
        """Return the rows changed since the last call as (key, value), and forget that they changed."""


TableT = TypeVar("TableT", bound=Table)
