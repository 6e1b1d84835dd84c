"""The worker's log goes through the standard library's, which Faust's ``-l`` and ``-f`` options govern."""

from __future__ import annotations

import logging

import structlog


def configure_logs() -> None:
    """Configure structlog for this process, once, by the application's module."""
    # It announces each reader of a take-over as a subscription.
    logging.getLogger("aiokafka.consumer.subscription_state").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
