"""A worker of a Kordon to come: its progress records have a newer schema than today's worker knows."""

from __future__ import annotations

from schemas import progress

__all__ = ["app"]

NEWER = progress.PROGRESS_SCHEMA_VERSION + 1
setattr(progress, "PROGRESS_SCHEMA_VERSION", NEWER)  # noqa: B010 - it is final, except in a Kordon to come

from streams.app import app  # noqa: E402 - it has to find the newer version
