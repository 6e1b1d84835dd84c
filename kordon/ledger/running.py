"""The ledger as a service: lock, check, follow, and a log line now and then."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from kordon.ledger.database import open_for_writing
from kordon.ledger.following import Follower
from kordon.ledger.lock import writing
from kordon.ledger.origin import begin, look
from kordon.ledger.settings import LedgerSettings
from kordon.ledger.writer import LedgerWriter
from transport.settings import KafkaSettings
from transport.trust import Trust

_REPORT_SECONDS: Final = 60.0

_log: Final = structlog.get_logger("kordon.ledger")


class Reports:
    """Says once a minute, at most, how much was written."""

    def __init__(self) -> None:
        self.records = 0
        self._told = 0
        self._told_at = time.monotonic()

    def __call__(self, records: int, _offsets: int) -> None:
        """Count one transaction."""
        self.records += records
        now = time.monotonic()
        if self.records > self._told and now - self._told_at >= _REPORT_SECONDS:
            _log.info("ledger.written", records=self.records - self._told, seconds=round(now - self._told_at))
            self._told, self._told_at = self.records, now


async def run(
    kafka: KafkaSettings,
    settings: LedgerSettings,
    trust: Trust | None,
    stopping: asyncio.Event,
    *,
    until_current: bool,
) -> int:
    """Follow the topics into the ledger until told to stop, or up to the high watermark; return the records written.

    Raises:
        LedgerError, KafkaError, sqlite3.Error: as :meth:`Follower.follow`, and where ledger and topics do not fit.
    """
    with writing(settings.file):
        origin = await look(kafka)
        database = open_for_writing(settings.file)
        try:
            positions = begin(database, kafka, origin, verifying=trust is not None)
            behind = sum(origin.high[place] - offset for place, offset in positions.items())
            _log.info("ledger.following", file=str(settings.file), behind=behind, verified=trust is not None)
            reports = Reports()
            writer = LedgerWriter(database, kafka, trust, origin.partitions)
            follower = Follower(kafka, settings, writer, positions, reports)
            if until_current:
                await follower.read_to(origin.high)
            else:
                await follower.follow(stopping)
            _log.info("ledger.ended", records=reports.records)
            return reports.records
        finally:
            database.close()
