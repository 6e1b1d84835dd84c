"""What anybody at the topics can see: risk rows, transitions, dead letters, forwarded records."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final, Self

from aiokafka import TopicPartition

from schemas.codec import decode
from schemas.progress import StreamsProgress
from schemas.quarantine import QuarantineTransition
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import QUARANTINE, RISK, STREAMS_PROGRESS, TOPICS
from transport.views import View

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import ConsumerRecord

    from transport.settings import KafkaSettings

DEAD_LETTERS: Final = ".dlq"
FORWARDED: Final = ".repartition"


class NotSeenError(Exception):
    """What was waited for did not happen in time; the text names it."""


class Audience:
    """Follows the outputs of a whole cluster at read_committed; an asynchronous context manager.

    ``rows`` has the latest row of each node, ``transitions`` every transition in the order seen; ``on_transition``
    hears of each. ``counts`` has the number of records seen by topic (without prefix).
    """

    def __init__(
        self, settings: KafkaSettings, partitions: int, on_transition: Callable[[QuarantineTransition], None]
    ) -> None:
        self.rows: dict[str, RiskRow] = {}
        self.transitions: list[QuarantineTransition] = []
        self.counts: Counter[str] = Counter()
        self.dead_keys: Counter[tuple[str, bytes | None]] = Counter()
        self._progress: dict[int, Timestamp] = {}
        self._partitions = partitions
        self._on_transition = on_transition
        self._settings = settings
        self._news = asyncio.Event()
        topics = [
            name
            for name in TOPICS
            if name in (RISK, QUARANTINE, STREAMS_PROGRESS) or name.endswith((DEAD_LETTERS, FORWARDED))
        ]
        self._view = View(
            settings,
            [TopicPartition(settings.topic(topic), number) for topic in topics for number in range(partitions)],
            self._see,
        )

    async def __aenter__(self) -> Self:
        """Begin to follow; the topics must exist."""
        await self._view.open()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """Stop following."""
        await self._view.close()

    async def until(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until a condition holds that what is seen can change.

        Raises:
            NotSeenError: it did not within ``seconds``; ``what`` names it.
            ViewFailedError: following has failed.
        """
        failing = asyncio.ensure_future(self._view.failed())
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    waiting = asyncio.ensure_future(self._news.wait())
                    await asyncio.wait({waiting, failing}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
                    if failing.done():
                        await failing
        except TimeoutError:
            raise NotSeenError(f"{what} was not seen within {seconds:g} s") from None
        finally:
            failing.cancel()

    async def row_where(self, node: str, what: str, condition: Callable[[RiskRow], bool], seconds: float) -> RiskRow:
        """Return the node's row as soon as it fulfils a condition; as :meth:`until`."""
        await self.until(
            f"{what} in the row of {node}", lambda: node in self.rows and condition(self.rows[node]), seconds
        )
        return self.rows[node]

    def progress_since(self, at: Timestamp) -> bool:
        """Whether the worker has told its progress in every co-partition after ``at``."""
        return len(self._progress) == self._partitions and min(self._progress.values()) > at

    def _see(self, _partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            topic = self._settings.without_prefix(record.topic)
            self.counts[topic] += 1
            if topic == RISK:
                if record.value is not None:
                    row = decode(RiskRow, record.value, topic)
                    self.rows[row.nodeId] = row
            elif topic == QUARANTINE:
                transition = decode(QuarantineTransition, record.value, topic)
                self.transitions.append(transition)
                self._on_transition(transition)
            elif topic == STREAMS_PROGRESS:
                progress = decode(StreamsProgress, record.value, topic)
                self._progress[progress.partition] = progress.at
            elif topic.endswith(DEAD_LETTERS):
                self.dead_keys[topic, record.key] += 1
        self._news.set()
