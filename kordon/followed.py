"""A topic followed live, for people: from now on, or from the first record that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from transport.views import View
from transport.watermarks import Watermarks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import ConsumerRecord

    from transport.settings import KafkaSettings


async def view_of(
    settings: KafkaSettings, topic: str, on_record: Callable[[ConsumerRecord], None], *, from_beginning: bool
) -> View:
    """Return a view, not yet open, of every partition of ``topic`` (without prefix), at read_committed.

    From now means from the high watermark at this call: what is committed later is seen, what was before is not.

    Raises:
        UnknownTopicOrPartitionError: there is no such topic.
        KafkaError: the broker cannot be reached.
    """
    name = settings.topic(topic)
    async with Watermarks(settings) as watermarks:
        partitions = [TopicPartition(name, number) for number in range(await watermarks.partition_count(name))]
        if not partitions:
            raise UnknownTopicOrPartitionError(name)
        start = None if from_beginning else await watermarks.high(partitions)

    def on_batch(_partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            on_record(record)

    return View(settings, partitions, on_batch, start=start)


async def follow(
    settings: KafkaSettings, topic: str, on_record: Callable[[ConsumerRecord], None], *, from_beginning: bool
) -> None:
    """Follow a topic until cancelled, or until following fails; as :func:`view_of`.

    Raises:
        ViewFailedError: what is still wanted is no longer kept, the broker refuses, or ``on_record`` raised.
    """
    async with await view_of(settings, topic, on_record, from_beginning=from_beginning) as view:
        await view.failed()
