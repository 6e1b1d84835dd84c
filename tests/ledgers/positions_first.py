"""``kordon ledger run`` with a fault put in: positions are committed before what they stand behind.

The negative control of the test that kills the ledger: it must lose records, and the test must see that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition

from kordon.command_line import run
from kordon.ledger import writer

_write = writer.LedgerWriter.write


def positions_first(self: writer.LedgerWriter, batches: Mapping[TopicPartition, Any], positions: Any) -> None:
    _write(self, {}, positions)
    time.sleep(0.2)  # so that a kill falls in between
    _write(self, batches, {})


if __name__ == "__main__":
    writer.LedgerWriter.write = positions_first  # type: ignore[method-assign]
    sys.exit(run(sys.argv[1:]))
