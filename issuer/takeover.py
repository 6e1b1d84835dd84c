"""Taking co-partitions, in steps. A crash at any of them leaves nothing behind but fenced former owners.

1. Fence: ``InitProducerId`` of each co-partition's transactional id ends the former owner's commits and settles its
   open transaction. From here on nobody else writes decisions, bindings or progress of these co-partitions.
2. Find the checkpoints: the last progress record of each.
3. Without one, make sure that nothing was ever decided, and start at the beginning of the request topics. With one,
   check it: written by this version or an older one, with the same partition count, naming an offset for every
   request topic that the topic still holds (or has just reached).
4. Restore the memory: bindings and decisions, up to the high watermark.
5. Hand over :class:`~issuer.copartition.Copartition` objects that stand at their checkpoints. Requests are read from
   there explicitly; the group's committed offsets are for monitoring only.

What cannot be squared is a :class:`~issuer.errors.RefusedError` that says what would be lost; but who was fenced
meanwhile, and may have read half before its successor's commits and half after them, crashes instead and reads it anew.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition

from issuer.copartition import SERVICE, SOURCES
from issuer.errors import (
    CheckpointMissingError,
    CheckpointOutOfRangeError,
    NewerStateError,
    OvertakenError,
    PartitionCountError,
    RefusedError,
    UnreadableStateError,
)
from issuer.state import CopartitionState
from schemas.codec import DecodeError, decode
from schemas.progress import PROGRESS_SCHEMA_VERSION, IssuerProgress
from schemas.topics import BINDINGS, DECISIONS, ISSUER_PROGRESS
from transport.settings import KafkaSettings
from transport.views import last_records, read_to_high_watermark
from transport.watermarks import Watermarks
from transport.writer import TransactionalWriter

_LAST_RECORD_SECONDS: Final = 60.0
_WATCHED: Final = (*SOURCES, DECISIONS, BINDINGS)
_REMEMBERED_ELSEWHERE: Final = (
    "nodes belong to other co-partitions now, where nobody remembers their requests and bindings. Create topics with "
    "the new count under another prefix"
)


async def restore_memory(kafka: KafkaSettings, states: dict[int, CopartitionState], timeout_seconds: float) -> None:
    """Read the bindings and decisions of these co-partitions, whose writers must have been fenced.

    Raises:
        UnreadableStateError: one cannot be read.
        NotCaughtUpError, KafkaError: the broker does not answer as it should.
    """
    decisions = kafka.topic(DECISIONS)

    def take(place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        state = states[place.partition]
        read = state.read_decision if place.topic == decisions else state.read_binding
        for record in records:
            read(record)

    places = [TopicPartition(topic, p) for p in states for topic in (kafka.topic(BINDINGS), decisions)]
    await read_to_high_watermark(kafka, places, take, timeout_seconds=timeout_seconds)


async def topic_ids(kafka: KafkaSettings, watermarks: Watermarks) -> dict[str, str]:
    """Return Kafka's ids of the request topics and of the memory's, by name without prefix; none if it has no ids.

    Raises:
        KafkaError: the broker does not answer as it should.
    """
    ids = await watermarks.topic_ids([kafka.topic(name) for name in _WATCHED])
    return {kafka.without_prefix(topic): topic_id for topic, topic_id in ids.items()}


async def require_unchanged_topics(
    kafka: KafkaSettings, watermarks: Watermarks, ids: Mapping[str, str], partition_count: int
) -> None:
    """Refuse to go on once topics are not those of the take-over, which had these :func:`topic_ids`.

    Offsets do not tell: a topic that was created anew and has grown beyond them would be read on as if nothing were.

    Raises:
        CheckpointOutOfRangeError: one was created anew.
        PartitionCountError: one has another partition count.
        KafkaError: the broker does not answer as it should.
    """
    states = await watermarks.topic_states([kafka.topic(name) for name in _WATCHED])
    _check_ids(ids, {kafka.without_prefix(topic): state.topic_id for topic, state in states.items()})
    for topic, state in states.items():
        if state.partitions != partition_count:
            raise PartitionCountError(
                f"the co-partitions were taken with {partition_count} partitions, now there are {state.partitions} of "
                f"{topic}: {_REMEMBERED_ELSEWHERE}"
            )


async def checkpoint_offsets(
    kafka: KafkaSettings,
    watermarks: Watermarks,
    partitions: Sequence[int],
    partition_count: int,
    ids: Mapping[str, str],
) -> dict[int, dict[str, int]]:
    """Return where the owner of each co-partition goes on: the next offset by request topic, names without prefix.

    ``ids`` are today's :func:`topic_ids`.

    Raises:
        RefusedError: a person has to decide first; the text says about what.
        NotCaughtUpError, KafkaError: the broker does not answer as it should.
    """
    progress = kafka.topic(ISSUER_PROGRESS)
    reports = await last_records(
        kafka, [TopicPartition(progress, p) for p in partitions], timeout_seconds=_LAST_RECORD_SECONDS
    )
    await _require_untouched(kafka, watermarks, [p for p in partitions if TopicPartition(progress, p) not in reports])
    sources = {TopicPartition(kafka.topic(name), p): name for p in partitions for name in SOURCES}
    low, high = await watermarks.low(sources), await watermarks.high(sources)
    checkpoints = {place.partition: _read_checkpoint(record, partition_count) for place, record in reports.items()}
    for checkpoint in checkpoints.values():
        _check_ids(checkpoint.topicIds or {}, ids)
    offsets: dict[int, dict[str, int]] = {p: {} for p in partitions}
    for place, name in sources.items():
        found = checkpoints.get(place.partition)
        if found is not None:
            _check_offset(found, place, name, low[place], high[place])
        offsets[place.partition][name] = low[place] if found is None else found.offsets[name]
    return offsets


async def require_owned(
    kafka: KafkaSettings, writers: Mapping[int, TransactionalWriter], refusal: RefusedError
) -> None:
    """Let a refusal stand only if nobody else has written while its reason was read.

    ``writers`` are those of the co-partitions being taken.

    Raises:
        OvertakenError: another owner has fenced one of them.
        WriterError, KafkaError: the broker did not say.
    """
    group_id, source = kafka.group_id(SERVICE), kafka.topic(SOURCES[0])
    answers = await asyncio.gather(
        *(writer.is_fenced(group_id, TopicPartition(source, p)) for p, writer in writers.items())
    )
    if fenced := [partition for partition, is_fenced in zip(writers, answers, strict=True) if is_fenced]:
        raise OvertakenError(
            f"another issuer took over co-partitions {fenced} during this take-over, so what was read is no state of "
            f"theirs ({type(refusal).__name__}: {refusal}). A restart reads it anew"
        ) from refusal


def _read_checkpoint(record: ConsumerRecord, partition_count: int) -> IssuerProgress:
    try:
        checkpoint = decode(IssuerProgress, record.value, ISSUER_PROGRESS)
    except DecodeError as error:
        raise UnreadableStateError(
            f"the last progress record of co-partition {record.partition} (offset {record.offset}) cannot be read: "
            f"{error.reason}. Without it nobody knows which requests were answered"
        ) from error
    if checkpoint.partition != record.partition:
        raise UnreadableStateError(
            f"the last progress record on {record.topic} [{record.partition}] describes co-partition "
            f"{checkpoint.partition}"
        )
    _check_versions(checkpoint, record.partition, partition_count)
    return checkpoint


async def _require_untouched(kafka: KafkaSettings, watermarks: Watermarks, partitions: Sequence[int]) -> None:
    """Allow a start at the beginning only where nothing was ever decided.

    Aborted records do not count: a first commit that failed left nothing. What retention has deleted counts.
    """
    if not partitions:
        return
    outputs = [TopicPartition(kafka.topic(name), p) for p in partitions for name in (DECISIONS, BINDINGS)]
    written = [*(TopicPartition(kafka.topic(ISSUER_PROGRESS), p) for p in partitions), *outputs]
    deleted = {place.partition for place, low in (await watermarks.low(written)).items() if low}
    held = await last_records(kafka, outputs, timeout_seconds=_LAST_RECORD_SECONDS)
    touched = deleted | {place.partition for place in held}
    if touched:
        raise CheckpointMissingError(
            f"{_named(touched)} decisions or bindings but no progress record, so it is not known which requests were "
            "answered. From the beginning, requests would be answered twice; from the end, some never. "
            f"Restore {kafka.topic(ISSUER_PROGRESS)}, or delete and create again the topics that the issuer writes"
        )


def _named(partitions: Collection[int]) -> str:
    numbers = ", ".join(map(str, sorted(partitions)))
    return f"co-partition {numbers} has" if len(partitions) == 1 else f"co-partitions {numbers} have"


def _check_versions(checkpoint: IssuerProgress, partition: int, partition_count: int) -> None:
    where = f"the checkpoint of co-partition {partition}"
    if checkpoint.schemaVersion > PROGRESS_SCHEMA_VERSION:
        raise NewerStateError(
            f"{where} was written by a newer Kordon (schema {checkpoint.schemaVersion}, this one knows "
            f"{PROGRESS_SCHEMA_VERSION}); what it says beyond would be lost. Run that version"
        )
    if checkpoint.partitionCount != partition_count:
        raise PartitionCountError(
            f"{where} was written with {checkpoint.partitionCount} partitions, now there are {partition_count}: "
            f"{_REMEMBERED_ELSEWHERE}"
        )


def _check_ids(known: Mapping[str, str], ids: Mapping[str, str]) -> None:
    """Refuse topics that are gone: the offsets of those that bear their names mean something else."""
    for topic, topic_id in ids.items():
        if known.get(topic, topic_id) != topic_id:
            raise CheckpointOutOfRangeError(
                f"{topic} was created anew: its id is {topic_id}, at the last checkpoint it was {known[topic]}. "
                "Requests below the checkpoint would never be answered, and what was decided before would be forgotten"
            )


def _check_offset(checkpoint: IssuerProgress, place: TopicPartition, name: str, low: int, high: int) -> None:
    offset = checkpoint.offsets.get(name)
    if offset is None:
        raise CheckpointMissingError(
            f"the checkpoint of co-partition {place.partition} names no offset for {name}, so it is not known which "
            "of its requests were answered"
        )
    if offset < low:
        raise CheckpointOutOfRangeError(
            f"{place.topic} [{place.partition}] begins at offset {low}, the checkpoint stands at {offset}: "
            f"{low - offset} offsets were deleted before they were answered. Their requests are lost"
        )
    if offset > high:
        raise CheckpointOutOfRangeError(
            f"{place.topic} [{place.partition}] ends at offset {high}, the checkpoint stands at {offset}: the topic "
            "was created anew or its broker lost data. Requests below the checkpoint would never be answered"
        )
