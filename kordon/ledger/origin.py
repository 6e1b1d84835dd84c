"""What a ledger is of, and whether the topics are still those it was written from.

Checked before the first record and from time to time after: another cluster or prefix, a topic created anew, another
partition count, and positions that the topics no longer hold are errors that say what is lost, never a silent jump.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from sqlite_utils import Database

from kordon.ledger.database import about
from kordon.ledger.errors import ForeignLedgerError, MissingTopicsError, PositionLostError
from kordon.ledger.tables import ABOUT, POSITIONS
from kordon.ledger.writer import FOLLOWED
from transport.client import admin_arguments
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks

Offsets = Mapping[TopicPartition, int]

_NAMED_RANGES: Final = 6
"""Lost ranges that an error names one by one; the rest it counts."""


@dataclass(frozen=True)
class Origin:
    """The cluster and topics as they are now: ids by name without prefix, bounds by partition."""

    cluster_id: str
    prefix: str
    partitions: int
    topic_ids: Mapping[str, str]
    low: Offsets
    high: Offsets


async def look(settings: KafkaSettings) -> Origin:
    """Ask the broker.

    Raises:
        MissingTopicsError: topics are not there, or they differ in partitions.
        KafkaError: the broker does not answer as it should.
    """
    cluster_id = await _cluster_id(settings)
    names = {settings.topic(name): name for name in FOLLOWED}
    async with Watermarks(settings) as watermarks:
        counts = {topic: await watermarks.partition_count(topic) for topic in names}
        if missing := sorted(topic for topic, count in counts.items() if not count):
            raise MissingTopicsError(f"there is no topic {', '.join(missing)}", "Create it with `kordon topics apply`.")
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
            raise MissingTopicsError(f"the topics differ in partitions: {listed}", "See `kordon topics apply`.")
        partitions = next(iter(counts.values()))
        places = [TopicPartition(topic, number) for topic in names for number in range(partitions)]
        ids = await watermarks.topic_ids(names)
        low, high = await watermarks.low(places), await watermarks.high(places)
    return Origin(
        cluster_id, settings.prefix, partitions, {names[topic]: each for topic, each in ids.items()}, low, high
    )


def begin(database: Database, settings: KafkaSettings, origin: Origin, *, verifying: bool) -> dict[TopicPartition, int]:
    """Return where to read on, having written down where a new ledger begins: at the first record kept.

    Raises:
        ForeignLedgerError: the ledger is of another cluster, prefix or partition count, or was written with a
            trust.json where there is none now, or the other way round.
        PositionLostError: the topics do not hold what comes next.
    """
    trust = "verified" if verifying else "unverified"
    now = {
        "cluster_id": origin.cluster_id,
        "prefix": origin.prefix,
        "partitions": str(origin.partitions),
        "trust": trust,
    }
    known = about(database)
    if "cluster_id" not in known:
        with database.atomic():
            database.conn.executemany(ABOUT.insert, now.items())
            database.conn.executemany(
                POSITIONS.insert,
                [_first_position(settings, origin, place, offset) for place, offset in origin.low.items()],
            )
    elif different := [name for name, value in now.items() if known.get(name) != value]:
        told = ", ".join(f"{name} was {known.get(name)!r} and is {now[name]!r}" for name in different)
        raise ForeignLedgerError(
            f"the ledger was written from something else: {told}",
            "Set KORDON_KAFKA_… or KORDON_LEDGER_TRUST_FILE as they were, name another file with KORDON_LEDGER_FILE, "
            "or run `kordon ledger rebuild`.",
        )
    positions = positions_of(database, settings)
    check(database, origin, positions)
    return positions


def positions_of(database: Database, settings: KafkaSettings) -> dict[TopicPartition, int]:
    """Return the next offset of each partition, full topic names."""
    found = database.conn.execute("SELECT topic, partition, next_offset FROM positions ORDER BY topic, partition")
    return {TopicPartition(settings.topic(topic), partition): offset for topic, partition, offset in found}


def check(database: Database, origin: Origin, positions: Offsets) -> None:
    """Hold positions against the topics as they are now.

    Raises:
        PositionLostError: a topic was created anew, or no longer holds a position.
    """
    lost = [*_recreated(database, origin), *_out_of_range(origin, positions)]
    if lost:
        more = f"; and {len(lost) - _NAMED_RANGES} more" if len(lost) > _NAMED_RANGES else ""
        raise PositionLostError("; ".join(lost[:_NAMED_RANGES]) + more)


def _first_position(settings: KafkaSettings, origin: Origin, place: TopicPartition, offset: int) -> Sequence[object]:
    name = settings.without_prefix(place.topic)
    return name, place.partition, offset, offset, origin.topic_ids.get(name)


def _recreated(database: Database, origin: Origin) -> list[str]:
    known = database.conn.execute("SELECT DISTINCT topic, topic_id FROM positions ORDER BY topic").fetchall()
    return [
        f"{origin.prefix}{topic} was created anew: its id was {topic_id}, now it is {origin.topic_ids[topic]}, so its "
        "offsets mean other records, and what the former one held beyond the ledger is lost"
        for topic, topic_id in known
        if topic_id is not None and origin.topic_ids.get(topic, topic_id) != topic_id
    ]


def _out_of_range(origin: Origin, positions: Offsets) -> list[str]:
    lost = []
    for place, position in sorted(positions.items()):
        low, high = origin.low.get(place), origin.high.get(place)
        if low is None or high is None:
            lost.append(f"{place.topic} [{place.partition}] is gone")
        elif position < low:
            lost.append(
                f"{place.topic} [{place.partition}] begins at offset {low}, the ledger stands at {position}: offsets "
                f"{position} to {low - 1} ({low - position}) were deleted before the ledger read them and are lost"
            )
        elif position > high:
            lost.append(
                f"{place.topic} [{place.partition}] ends at offset {high}, the ledger stands at {position}: the broker "
                f"lost offsets {high} to {position - 1}, or the topic was created anew"
            )
    return lost


async def _cluster_id(settings: KafkaSettings) -> str:
    administrator = AIOKafkaAdminClient(**admin_arguments(settings))
    try:
        await administrator.start()
        return str((await administrator.describe_cluster()).get("cluster_id") or "")
    finally:
        await administrator.close()
