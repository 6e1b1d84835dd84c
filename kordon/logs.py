"""The supervising commands' log: one line an event on stderr, JSON when that is no terminal."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs() -> None:
    """Configure structlog for this process; called once, by a command that runs as a service."""
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
