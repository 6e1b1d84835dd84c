"""`make model`: check every configuration, say how far each went, and fail where one does not do what it must."""

from __future__ import annotations

import sys
import time

from tests.model.configurations import ALL
from tests.model.tlc import CheckerUnavailable, check


def main() -> int:
    """Return 0 if the sound model holds and each bug is found, 1 if not, 69 where TLC cannot run."""
    wrong = 0
    for configuration in ALL:
        sys.stdout.write(f"  {configuration.name:<56}")
        sys.stdout.flush()
        began = time.monotonic()
        try:
            verdict = check(configuration)
        except CheckerUnavailable as missing:
            sys.stdout.write(f"\nNOT RUN: {missing}\n")
            return 69
        seconds = time.monotonic() - began
        found = f"{verdict.broken} breaks in {len(verdict.steps)} steps" if verdict.broken else "holds"
        as_wanted = verdict.broken == configuration.breaks
        wrong += not as_wanted
        sys.stdout.write(f"{found:<42}{verdict.states:>9,} states {seconds:5.1f} s{'' if as_wanted else '  WRONG'}\n")
        if not as_wanted:
            sys.stdout.write("".join(f"      {step}\n" for step in verdict.steps))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
