"""``python -m issuer``: the issuer without a supervisor. ``kordon issuer`` restarts it after a crash."""

import asyncio
import logging
import signal
import sys
from typing import Final

import structlog

from issuer.counts import serve_metrics
from issuer.errors import RefusedError
from issuer.key_ring import KeyRingError
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from policy.policy_file import PolicyError
from transport.key_files import KeyFileError
from transport.private_files import PrivateFileError
from transport.settings import KafkaSettings
from transport.settings_file import InvalidSettingsError
from transport.trust import TrustFileError

EX_CONFIG: Final = 78
"""Of sysexits.h: a person has to decide first. A supervisor does not restart after it."""

EX_CRASH: Final = 70
"""Of sysexits.h (EX_SOFTWARE): a crash; a restart resumes at the checkpoint."""

_PERSONS_MATTER: Final = (
    InvalidSettingsError,
    KeyFileError,
    KeyRingError,
    PolicyError,
    PrivateFileError,
    RefusedError,
    TrustFileError,
)


def main() -> int:
    """Run until SIGTERM or SIGINT and return the exit status."""
    configure_logs()
    try:
        settings = IssuerSettings.load()
        issuer = Issuer(KafkaSettings.load(), settings)
        if settings.metrics_port is not None:
            serve_metrics(issuer.counts, settings.metrics_port)
        asyncio.run(run(issuer))
    except _PERSONS_MATTER as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return EX_CONFIG
    except Exception:  # noqa: BLE001 - the last resort: logged, with a status that says a restart helps
        structlog.get_logger("kordon.issuer").exception("issuer.crashed")
        return EX_CRASH
    return 0


async def run(issuer: Issuer) -> None:
    """Run an issuer until a signal asks it to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await issuer.run(stop)


def configure_logs() -> None:
    """Configure structlog for this process, once: lines on standard error, no local variables in tracebacks."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
