"""The worker's application, to which any fleet is a large one: what it keeps is moved to huge pages at once."""

from __future__ import annotations

from streams.app import app
from streams.runtime import huge_pages

__all__ = ["app"]

huge_pages.LARGE_BYTES = 0  # type: ignore[misc] # final for everybody else
