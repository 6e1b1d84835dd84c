"""One node's state, read from its own partition alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kordon.failures import CommandFailed, ExitStatus
from kordon.ledger.signatures import SignatureCheck
from kordon.nodes.node_state import TOPICS, NodeState, UnreadableRecordError, last_row, state_of
from kordon.nodes.reading import KeptRecord, bounds_of, read
from kordon.progress import progress_on_stderr
from schemas.topics import REGISTRY, RISK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord, TopicPartition

    from schemas.risk import RiskRow
    from transport.settings import KafkaSettings
    from transport.trust import Trust


async def read_state(settings: KafkaSettings, node_id: str, trust: Trust | None) -> NodeState:
    """Return a node's state.

    Raises:
        CommandFailed: no topic knows it, or what is known cannot be read.
        UnknownTopicOrPartitionError, NotCaughtUpError, KafkaError: as :func:`kordon.nodes.reading.read`.
    """
    found, partitions = await _records_of(settings, TOPICS, node_id)
    try:
        state = state_of(node_id, found, SignatureCheck(REGISTRY, trust, partitions))
    except UnreadableRecordError as error:
        raise _unreadable(error) from None
    if not state.is_known:
        raise CommandFailed(
            ExitStatus.UNEXPECTED,
            f"no topic under {settings.prefix or 'the empty prefix'!r} knows {node_id}",
            "Check the name and KORDON_KAFKA_PREFIX; `kordon node list` shows all, `kordon node enroll` adds one.",
        )
    return state


async def read_row(settings: KafkaSettings, node_id: str) -> RiskRow | None:
    """Return a node's risk row, None without one. Raises as :func:`read_state`."""
    found, _ = await _records_of(settings, (RISK,), node_id)
    try:
        return last_row(found[RISK])
    except UnreadableRecordError as error:
        raise _unreadable(error) from None


async def _records_of(
    settings: KafkaSettings, topics: Sequence[str], node_id: str
) -> tuple[dict[str, list[KeptRecord]], int]:
    """Return the node's records by topic (without prefix), and how many partitions the topics have."""
    bounds = await bounds_of(settings, topics, node_id)
    found: dict[str, list[KeptRecord]] = {topic: [] for topic in topics}
    key = node_id.encode()

    def keep(place: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        mine = [KeptRecord.of(record) for record in records if record.key == key]
        found[settings.without_prefix(place.topic)].extend(mine)

    with progress_on_stderr(f"reading the partition of {node_id}", bounds.offsets(bounds.high)) as advance:
        await read(settings, list(bounds.high), bounds, keep, advance)
    return found, bounds.partitions


def _unreadable(error: UnreadableRecordError) -> CommandFailed:
    return CommandFailed(ExitStatus.REFUSED, str(error), "Was it written by a newer Kordon? Then use its command.")
