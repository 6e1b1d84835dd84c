"""noida-db as the demo embeds it."""

from __future__ import annotations

from kordon.demo.broker import EmbeddedBroker


class NoidaDb(EmbeddedBroker):
    """The demo's broker; it never expires dead members, so claims that need that are not made on it."""

    name = "noida-db"
