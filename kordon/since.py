"""A time on the command line: RFC 3339, or how long ago."""

from __future__ import annotations

import re
import time
from typing import Any, Final

import click

from schemas.timestamp import Timestamp

_AGO: Final = re.compile(r"(?P<count>[1-9][0-9]{0,8})(?P<unit>[smhd])")
_MILLIS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def millis_of(text: str, now: int) -> int:
    """Return ms since the epoch of ``90s``, ``15m``, ``36h`` or ``7d`` before ``now``, or of an RFC 3339 time.

    Raises:
        ValueError: it is none of these.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return max(0, now - int(ago["count"]) * _MILLIS[ago["unit"]])
    return int(Timestamp.parse(text))


class Since(click.ParamType):
    """Converts to ms since the epoch."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: D102 - click's interface
        if isinstance(value, int):
            return value
        try:
            return millis_of(value, time.time_ns() // 1_000_000)
        except ValueError:
            self.fail(f"{value!r} is neither like 90s, 15m, 36h, 7d nor an RFC 3339 time with a zone", param, ctx)
