"""A process that commits one transaction and ends, as by a power cut, at a given step: bootstrap, prefix, step."""

from __future__ import annotations

import asyncio
import os
import sys

from aiokafka import TopicPartition

from transport.settings import KafkaSettings
from transport.writer import OutgoingRecord, Step, TransactionalWriter

EXIT_STATUS = 77


async def main(bootstrap_servers: str, prefix: str, last_step: Step) -> None:
    kafka = KafkaSettings(bootstrap_servers=bootstrap_servers, prefix=prefix)

    def end(step: Step) -> None:
        if step is last_step:
            os._exit(EXIT_STATUS)

    rows, progress = kafka.topic("rows"), kafka.topic("progress")
    writer = TransactionalWriter(kafka, kafka.transactional_id("streams", 0), on_step=end)
    await writer.open()
    await writer.commit(
        [OutgoingRecord(rows, 0, b"key", b"row")],
        {TopicPartition(kafka.topic("source"), 0): 7},
        kafka.group_id("streams"),
        lambda _: [OutgoingRecord(progress, 0, b"key", b"progress")],
    )
    await writer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Step[sys.argv[3]]))
