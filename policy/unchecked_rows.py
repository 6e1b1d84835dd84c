"""Rows as their log held them, until the log is read to its end: mere bytes, the last of each key.

They lie one after another in a single piece of memory that goes back to the system when they are taken. Kept as
objects, those that are superseded would leave holes all over the memory in which the rows have to live afterwards:
a fifth more of it, and further apart.
"""

from collections.abc import Iterator
from typing import Final

_LENGTH_BITS: Final = 32
_LENGTH: Final = (1 << _LENGTH_BITS) - 1
_SUPERSEDED_BYTES: Final = 16 * 1024 * 1024
"""Below it the place of superseded rows is not worth the copying."""


class UncheckedRows:
    """The last value of each key. Takes up to twice what they need (or :data:`_SUPERSEDED_BYTES` more)."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._places: dict[bytes, int] = {}
        """Where in the content a key's value begins, and in the lower bits its length."""
        self._superseded = 0

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value in place of the key's earlier one."""
        before = self._places.get(key)
        if before is not None:
            self._superseded += before & _LENGTH
        self._places[key] = len(self._content) << _LENGTH_BITS | len(value)
        self._content += value
        if self._superseded > _SUPERSEDED_BYTES and self._superseded > len(self._content) // 2:
            self._drop_superseded()

    def remove(self, key: bytes) -> None:
        """Keep nothing of a key; there need not be anything."""
        self._superseded += self._places.pop(key, 0) & _LENGTH

    def taken(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield what is kept as (key, value), and keep it no longer; what is not yielded any more stays."""
        places, content = self._places, self._content
        while places:
            # The last first, one by one, so that the keys' memory is there for the row's.
            key, place = places.popitem()
            start = place >> _LENGTH_BITS
            yield key, bytes(content[start : start + (place & _LENGTH)])
        # An emptied dict keeps its table.
        self._content, self._places, self._superseded = bytearray(), {}, 0

    def _drop_superseded(self) -> None:
        content, places = bytearray(), self._places
        for key, place in places.items():
            start, length = place >> _LENGTH_BITS, place & _LENGTH
            places[key] = len(content) << _LENGTH_BITS | length
            content += self._content[start : start + length]
        self._content, self._superseded = content, 0
