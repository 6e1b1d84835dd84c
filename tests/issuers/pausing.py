"""``python -m tests.issuers.pausing``: the issuer, which stops itself by SIGSTOP in its take-over, once.

It does so where it has read the progress records and nothing else. Production code has no switch for it.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from issuer import takeover
from issuer.__main__ import main
from transport.views import last_records


async def _stop_there(*arguments: Any, **named: Any) -> Any:
    found = await last_records(*arguments, **named)
    vars(takeover)["last_records"] = last_records
    os.kill(os.getpid(), signal.SIGSTOP)
    return found


if __name__ == "__main__":
    vars(takeover)["last_records"] = _stop_there
    raise SystemExit(main())
