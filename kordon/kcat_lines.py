"""Records as lines of JSON, the way ``kcat -J`` prints them and ``kordon policy fold`` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kordon.simulator import SimulatedRecord

_ENCODER = msgspec.json.Encoder()


def lines_of(records: Iterable[SimulatedRecord]) -> Iterator[bytes]:
    """Yield one line a record, without its newline; offsets count from 0 in each partition.

    Keys and values must be UTF-8, as kcat's JSON cannot carry other bytes unharmed.

    Raises:
        UnicodeDecodeError: a key or value is not UTF-8.
    """
    next_offsets: dict[tuple[str, int], int] = {}
    for record in records:
        place = (record.topic, record.partition)
        offset = next_offsets.get(place, 0)
        next_offsets[place] = offset + 1
        yield _ENCODER.encode(
            {
                "topic": record.topic,
                "partition": record.partition,
                "offset": offset,
                "tstype": "create",
                "ts": record.timestamp,
                "key": record.key.decode(),
                "payload": record.value.decode(),
            }
        )
