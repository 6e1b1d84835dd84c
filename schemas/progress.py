"""How far a service has come in one co-partition: its checkpoint and its sign of life in one record."""

from typing import Annotated, Final

import msgspec

from schemas.identifiers import Offset, Partition
from schemas.timestamp import Timestamp

PROGRESS_SCHEMA_VERSION: Final = 1
"""A successor that meets a progress record of a higher version stops (design.md section 7)."""

Offsets = dict[str, Offset]
"""Next offset to read by source topic, names without prefix."""

Batch = dict[str, tuple[Offset, Offset]]
"""The records folded together: by source topic, the offset range [first, next)."""


class IssuerProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """The issuer's progress. ``at`` is its own clock; ``topicIds`` are Kafka's, where a client can read them."""

    schemaVersion: Annotated[int, msgspec.Meta(ge=1)]
    partition: Partition
    at: Timestamp
    offsets: Offsets
    partitionCount: Annotated[int, msgspec.Meta(ge=1)]
    topicIds: dict[str, str] | None = None


class StreamsProgress(msgspec.Struct, frozen=True, omit_defaults=True):
    """The worker's progress.

    ``batches`` is the fold order since the previous record, so the log can be folded again exactly. ``riskEnd`` is the
    risk topic's next offset after this transaction's rows; ``lagMillis`` the age of the oldest unfolded record.
    """

    schemaVersion: Annotated[int, msgspec.Meta(ge=1)]
    partition: Partition
    at: Timestamp
    offsets: Offsets
    partitionCount: Annotated[int, msgspec.Meta(ge=1)]
    batches: tuple[Batch, ...]
    riskEnd: Offset
    lagMillis: Annotated[int, msgspec.Meta(ge=0)]
    policyVersion: Annotated[int, msgspec.Meta(ge=1)]
    topicIds: dict[str, str] | None = None
