"""Dead letters replayed: chosen, and written back in one Kafka transaction with a note of each.

The order is that of a take-over, and for the same reason: the transactional id is taken over first, which ends any
other replay, and the letters and notes are read to the high watermark after that. So what another replay wrote is
either seen here or was aborted, and no letter is written twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord
from aiokafka.errors import ProducerFenced

from kordon.failures import CommandFailed, ExitStatus
from kordon.operations.letter_reading import read_letters
from kordon.operations.letters import Letter, letter_of
from transport.outgoing import OutgoingRecord
from transport.replay import Place, Unreplayable, note_of, noted_letter, replayed_record
from transport.settings import KafkaSettings
from transport.watermarks import Watermarks
from transport.writer import DeliveryTimeoutError, TransactionalWriter

SERVICE: Final = "replay"
"""Names the transactional id, `<prefix>replay-0`, and the group, which never commits an offset."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant: of these topics (full names of `.dlq` topics), and of all else that is not None.

    ``offsets`` are (partition, offset) pairs of the one topic; ``since`` is ms since the epoch, inclusive. At most
    ``limit`` are taken, the oldest of each partition first.
    """

    topics: tuple[str, ...]
    rule: str | None = None
    offsets: frozenset[tuple[int, int]] | None = None
    since: int | None = None
    limit: int = 1_000

    def takes(self, letter: Letter) -> bool:
        """Tell whether a letter is meant, the limit aside."""
        return (
            (self.rule is None or letter.rule == self.rule)
            and (self.offsets is None or letter.place[1:] in self.offsets)
            and (self.since is None or letter.at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """What is written for a letter."""

    letter: Letter
    record: OutgoingRecord
    note: OutgoingRecord


@dataclass(frozen=True, slots=True)
class Plan:
    """What a selection leads to. ``left`` are letters beyond the limit."""

    replays: Sequence[Replay]
    already: Sequence[Letter]
    refused: Sequence[tuple[Letter, Unreplayable]]
    left: int


def plan(
    settings: KafkaSettings,
    selection: Selection,
    records: Collection[ConsumerRecord],
    noted: Collection[Place],
    partitions: Mapping[str, int],
    actor: str,
) -> Plan:
    """Decide what becomes of each selected letter. ``records`` are the letters selected, ``noted`` those replayed."""
    replays: list[Replay] = []
    already: list[Letter] = []
    refused: list[tuple[Letter, Unreplayable]] = []
    left = 0
    for record in sorted(records, key=lambda each: (each.topic, each.partition, each.offset)):
        letter = letter_of(record)
        if letter.place in noted:
            already.append(letter)
            continue
        outgoing = replayed_record(settings, record, partitions)
        if isinstance(outgoing, Unreplayable):
            refused.append((letter, outgoing))
        elif len(replays) < selection.limit:
            replays.append(Replay(letter, outgoing, note_of(record, actor)))
        else:
            left += 1
    return Plan(replays, already, refused, left)


async def look(settings: KafkaSettings, selection: Selection, actor: str) -> Plan:
    """Return what a replay would write, without writing or ending another replay.

    Raises:
        CommandFailed: none of the topics exists.
        NotCaughtUpError, KafkaError: they could not be read to their ends.
    """
    records: list[ConsumerRecord] = []
    noted: set[Place] = set()

    def take(batch: Sequence[ConsumerRecord]) -> None:
        for record in batch:
            place = noted_letter(record)
            if place is not None:
                noted.add(place)
            elif selection.takes(letter_of(record)):
                records.append(record)

    await read_letters(settings, selection.topics, take, since=selection.since)
    async with Watermarks(settings) as watermarks:
        sources = [topic.removesuffix(".dlq") for topic in selection.topics]
        counts = {source: await watermarks.partition_count(source) for source in sources}
    partitions = {source: count for source, count in counts.items() if count}
    return plan(settings, selection, records, noted, partitions, actor)


async def replay(settings: KafkaSettings, selection: Selection, actor: str) -> Plan:
    """Write the letters that can be replayed, with their notes, all of them or none; raises as :func:`look`.

    Raises:
        CommandFailed: another replay began meanwhile (nothing of this one is written), or the broker did not say in
            time whether the transaction was committed.
    """
    writer = TransactionalWriter(settings, settings.transactional_id(SERVICE, 0))
    try:
        await writer.open()
        planned = await look(settings, selection, actor)
        records = [record for each in planned.replays for record in (each.record, each.note)]
        # The writer takes runs of one target; letters of one partition keep their order.
        records.sort(key=lambda record: record[:2])
        await writer.commit(records, {}, settings.group_id(SERVICE))
    except ProducerFenced:
        raise CommandFailed(
            ExitStatus.REFUSED,
            "another replay has begun meanwhile; nothing of this one is written",
            "Run it again when that one is done; what it replayed is passed over.",
        ) from None
    except DeliveryTimeoutError as error:
        raise CommandFailed(
            ExitStatus.TIMED_OUT,
            f"whether the letters were written is not known: {error}",
            "Run it again: what was replayed has a note by then and is passed over.",
        ) from None
    else:
        return planned
    finally:
        await writer.close()
