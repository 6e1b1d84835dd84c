"""Rows as their log held them, until the log is read to its end: mere bytes, the last of each key."""

from array import array
from collections.abc import Iterator


class UncheckedRows:
    """The last value of each key: kept one by one, gathered once all are there, then taken.

    Values that superseded others lie all over the memory. Freed one by one, as rows are made of them, they leave holes
    in which the rows come to lie: half as much memory again, and rows further apart. Gathered into one piece they leave
    nothing behind; so of all that share a process :meth:`gather` comes first.
    """

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._lengths = array("Q")
        self._content = b""

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value in place of the key's earlier one; not after :meth:`gather`."""
        self._values[key] = value

    def remove(self, key: bytes) -> None:
        """Keep nothing of a key; there need not be anything."""
        self._values.pop(key, None)

    def gather(self) -> None:
        """Bring what is kept together; again does nothing."""
        if self._values:
            values, self._values = self._values, {}
            self._keys, self._lengths = list(values), array("Q", map(len, values.values()))
            self._content = b"".join(values.values())

    def taken(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield what is kept as (key, value), and keep it no longer."""
        self.gather()
        keys, self._keys = self._keys, []
        lengths, self._lengths = self._lengths, array("Q")
        content, self._content = self._content, b""
        end = len(content)
        while keys:
            # The last first, one by one, so that the keys' memory is there for the rows'.
            start = end - lengths.pop()
            yield keys.pop(), content[start:end]
            end = start
