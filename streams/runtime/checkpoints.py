"""Whether a checkpoint fits this worker and the topics as they are (step 4 of a take-over), decided from arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from schemas.progress import PROGRESS_SCHEMA_VERSION, StreamsProgress
from streams.runtime.errors import (
    CheckpointMissingError,
    CheckpointOutOfRangeError,
    NewerStateError,
    PartitionCountError,
)

if TYPE_CHECKING:
    from streams.runtime.runtime import Runtime

Positions = dict[str, int]
"""Next offset by source topic, without prefix."""


def positions_at(
    runtime: Runtime,
    checkpoint: StreamsProgress,
    partition_count: int,
    low: Mapping[TopicPartition, int],
    high: Mapping[TopicPartition, int],
) -> Positions:
    """Return where the fold goes on from ``checkpoint``.

    ``low`` are the log's start offsets of the source topics, ``high`` their high watermarks (next offsets) and the
    changelog's, all read after the checkpoint.

    Raises:
        RefusedError: it does not fit; the text says what would be lost.
    """
    _check_versions(runtime, checkpoint, partition_count)
    _check_rows(runtime, checkpoint, high)
    return _check_offsets(runtime, checkpoint, low, high)


def _check_versions(runtime: Runtime, checkpoint: StreamsProgress, partition_count: int) -> None:
    where = f"the checkpoint of co-partition {checkpoint.partition}"
    if checkpoint.schemaVersion > PROGRESS_SCHEMA_VERSION:
        raise NewerStateError(
            f"{where} was written by a newer Kordon (schema {checkpoint.schemaVersion}, this one knows "
            f"{PROGRESS_SCHEMA_VERSION}); what it says beyond would be lost. Run that version"
        )
    if checkpoint.policyVersion > runtime.policy_version:
        raise NewerStateError(
            f"{where} was written under policy version {checkpoint.policyVersion}, this worker has version "
            f"{runtime.policy_version}: nodes would be judged by rules that were replaced. Give it the newer file"
        )
    if checkpoint.partitionCount != partition_count:
        raise PartitionCountError(
            f"{where} was written with {checkpoint.partitionCount} partitions, now there are {partition_count}: nodes "
            "belong to other co-partitions now, and their rows and quarantines would be lost to them. Create topics "
            "with the new count under another prefix and fold the log anew"
        )


def _check_rows(runtime: Runtime, checkpoint: StreamsProgress, high: Mapping[TopicPartition, int]) -> None:
    tp = TopicPartition(runtime.changelog, checkpoint.partition)
    if checkpoint.riskEnd > high[tp]:
        raise CheckpointOutOfRangeError(
            f"{tp.topic} [{tp.partition}] ends at offset {high[tp]}, but rows were written to it up to offset "
            f"{checkpoint.riskEnd}: the topic was created anew or its broker lost data. Going on from the checkpoint, "
            "what the lost rows said would be missing and their quarantines would be forgotten"
        )


def _check_offsets(
    runtime: Runtime,
    checkpoint: StreamsProgress,
    low: Mapping[TopicPartition, int],
    high: Mapping[TopicPartition, int],
) -> Positions:
    partition = checkpoint.partition
    if missing := [topic for topic in runtime.sources if topic not in checkpoint.offsets]:
        raise CheckpointMissingError(
            f"the checkpoint of co-partition {partition} names no offset for {', '.join(missing)}, so it is not known "
            "which of its records were folded"
        )
    for topic in runtime.sources:
        tp, offset = TopicPartition(runtime.source(topic), partition), checkpoint.offsets[topic]
        if offset < low[tp]:
            raise CheckpointOutOfRangeError(
                f"{tp.topic} [{partition}] begins at offset {low[tp]}, the checkpoint stands at {offset}: "
                f"{low[tp] - offset} offsets were deleted before they were folded. What they said of nodes is lost"
            )
        if offset > high[tp]:
            raise CheckpointOutOfRangeError(
                f"{tp.topic} [{partition}] ends at offset {high[tp]}, the checkpoint stands at {offset}: the topic was "
                "created anew or its broker lost data. Records that come below the checkpoint would never be folded"
            )
    return {topic: checkpoint.offsets[topic] for topic in runtime.sources}
