"""The `.dlq` topics read: to their ends for counts, from one offset on for one letter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from kordon.failures import CommandFailed, ExitStatus
from kordon.operations.letters import Letter, letter_of
from kordon.progress import progress_on_stderr
from schemas.topics import TOPICS, dlq_of
from transport.replay import Place, actor_of, noted_letter
from transport.settings import KafkaSettings
from transport.views import read_to_high_watermark
from transport.watermarks import Watermarks

READ_SECONDS: Final = 600.0

DEAD_LETTERED: Final = tuple(spec.name for spec in TOPICS.values() if spec.dead_lettered)
"""Topics, without prefix, that have a dead-letter topic."""


def dead_letter_topic(settings: KafkaSettings, name: str) -> str:
    """Return the full name of the dead-letter topic that ``name`` means: a topic or its `.dlq`, prefixed or not.

    Raises:
        CommandFailed: there is no such topic.
    """
    source = name.removeprefix(settings.prefix).removesuffix(".dlq")
    if source not in DEAD_LETTERED:
        raise CommandFailed(
            ExitStatus.REFUSED, f"{name} has no dead letters", f"These have: {', '.join(DEAD_LETTERED)}."
        )
    return settings.topic(dlq_of(source))


async def places_of(watermarks: Watermarks, topics: Collection[str]) -> list[TopicPartition]:
    """Return every partition of those of ``topics`` (full names) that exist.

    Raises:
        CommandFailed: none of them does.
        KafkaError: the broker cannot be reached.
    """
    places = [
        TopicPartition(topic, number) for topic in topics for number in range(await watermarks.partition_count(topic))
    ]
    if not places:
        raise CommandFailed(
            ExitStatus.UNAVAILABLE,
            f"Kafka has no topic {', '.join(topics)}",
            "Create Kordon's topics with `kordon topics apply`, and check KORDON_KAFKA_PREFIX.",
        )
    return places


async def read_letters(
    settings: KafkaSettings,
    topics: Collection[str],
    take: Callable[[Sequence[ConsumerRecord]], None],
    *,
    since: int | None = None,
    shown: bool = True,
) -> None:
    """Hand over what the topics (full names) hold, letters and notes; ``since`` is ms since the epoch, inclusive.

    Progress is shown on a terminal unless ``shown`` is False.

    Raises:
        CommandFailed: none of the topics exists.
        NotCaughtUpError, KafkaError: they could not be read to their ends.
    """
    async with Watermarks(settings) as watermarks:
        places = await places_of(watermarks, topics)
        low, high = await watermarks.low(places), await watermarks.high(places)
        start = {} if since is None else dict(await watermarks.since(places, since))
    # What retention may delete meanwhile is not asked for by its offset.
    start = {place: offset for place, offset in start.items() if offset > low[place]}
    total = sum(high[place] - start.get(place, low[place]) for place in places)
    with progress_on_stderr("reading dead letters", total) if shown else nullcontext(_unseen) as advance:

        def on_batch(_place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
            take(records)
            advance(len(records))

        await read_to_high_watermark(settings, places, on_batch, start=start, timeout_seconds=READ_SECONDS)


async def letter_at(settings: KafkaSettings, place: Place) -> tuple[Letter, str | None]:
    """Return a letter, and who replayed it, None if nobody did.

    Raises:
        CommandFailed: there is none at this place.
        NotCaughtUpError, KafkaError: the partition could not be read to its end, where a note may be.
    """
    partition = TopicPartition(place.topic, place.partition)
    async with Watermarks(settings) as watermarks:
        places = await places_of(watermarks, [place.topic])
        if partition not in places:
            raise _none_there(place, f"{place.topic} has {len(places)} partitions")
        low, high = (await watermarks.low([partition]))[partition], (await watermarks.high([partition]))[partition]
    if not low <= place.offset < high:
        raise _none_there(place, f"it holds offsets {low} to {high - 1}" if low < high else "it is empty")
    letter: Letter | None = None
    actor: str | None = None

    def on_batch(_partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        nonlocal letter, actor
        for record in records:
            noted = noted_letter(record)
            if record.offset == place.offset and noted is None:
                letter = letter_of(record)
            elif noted == place:
                actor = actor_of(record.headers)

    await read_to_high_watermark(
        settings, [partition], on_batch, start={partition: place.offset}, timeout_seconds=READ_SECONDS
    )
    if letter is None:
        raise _none_there(place, "that offset is a transaction's marker, or the note of a replay")
    return letter, actor


def _unseen(_count: int) -> None:
    pass


def _none_there(place: Place, why: str) -> CommandFailed:
    return CommandFailed(
        ExitStatus.REFUSED,
        f"{place.topic} [{place.partition}] has no dead letter at offset {place.offset}: {why}",
        "`kordon dlq list` names the newest letters and where they lie.",
    )
