"""``python -m tests.chaos.issuer_app``: the issuer with forced exits, which production code does not have."""

from __future__ import annotations

import asyncio
import sys

from issuer.__main__ import EX_CRASH, configure_logs, run
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from tests.chaos import exits
from transport.settings import KafkaSettings

if __name__ == "__main__":
    configure_logs()
    on_step = exits.arm(exits.ISSUER_STEPS)
    try:
        asyncio.run(run(Issuer(KafkaSettings.load(), IssuerSettings.load(), on_step=on_step)))
    except Exception as error:  # noqa: BLE001 - as the issuer itself ends
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(EX_CRASH)
