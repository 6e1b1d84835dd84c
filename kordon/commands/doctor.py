"""``kordon doctor``: every part examined, with what to do about what is not well."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import click

from kordon.failures import ExitStatus
from kordon.output import console, counted, json_option, print_json, remark
from kordon.progress import waiting_on_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kordon.operations.checks import Check

_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command(
    epilog="""
\b
Examples:
  kordon doctor
  kordon doctor --json | jq '.checks[] | select(.verdict != "ok")'

It examines what it can reach from here, as the settings say, and changes nothing: brokers and their API versions;
topics and their copies; clocks; progress and lag of worker and issuer; the policy's version; dead letters of the
last hour; the ledger; trust.json, the operator's key and the issuer's key ring. Without a broker the files remain.

Clocks are compared with the brokers' by the marker with which a broker ends a transaction of the worker or the
issuer: it carries the broker's time, and one is written about once a second. Nothing is measured while both are away.

\b
The exit status is 1 if a check failed; a warning does not change it.
With --json: {"failed": count, "warnings": count, "checks": [{name, verdict: ok, warning or failed, found, remedy}]}.
"""
)
@json_option
def doctor(*, as_json: bool) -> int:
    """Examine brokers, topics, clocks, services, dead letters, keys and trust, and say what to do."""
    from kordon.operations.doctor import Settings, examine  # noqa: PLC0415 - so that --help is fast

    settings = Settings()

    async def examine_all() -> list[Check]:
        async with waiting_on_stderr("examining"):
            return await examine(settings)

    found = asyncio.run(examine_all())
    failed = sum(check.verdict.value == "failed" for check in found)
    warnings = sum(check.verdict.value == "warning" for check in found)
    if as_json:
        print_json({"failed": failed, "warnings": warnings, "checks": [_json(check) for check in found]})
    else:
        _print(found)
        remark(f"{counted(len(found), 'check')}, {failed} failed, {counted(warnings, 'warning')}.")
    return ExitStatus.UNEXPECTED if failed else ExitStatus.OK


def _json(check: Check) -> dict[str, str | None]:
    return {"name": check.name, "verdict": check.verdict.value, "found": check.found, "remedy": check.remedy}


def _print(found: Sequence[Check]) -> None:
    width = max(len(check.name) for check in found)
    out = console() if sys.stdout.isatty() else None
    for check in found:
        verdict, rest = check.verdict.value.ljust(7), f"  {check.name.ljust(width)}  {check.found}"
        if out is None:
            click.echo(verdict + rest)
        else:
            from rich.text import Text  # noqa: PLC0415 - only a terminal pays for rich

            out.print(Text.assemble((verdict, _COLOURS[check.verdict.value]), rest))
        if check.remedy is not None:
            click.echo(f"{' ' * (9 + width)}  → {check.remedy}")
