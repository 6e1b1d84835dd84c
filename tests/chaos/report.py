"""What a run found, as text (its last line is the verdict), as JSON, and as a section of docs/reliability.md."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.brokers.kafka_cluster import SAFE_NODES
from tests.chaos.run import Outcome, Strike

PLANNED_SECONDS = 2.0
KILLED_SECONDS = 15.0
CLAIMS = {
    "restart-worker": PLANNED_SECONDS,
    "restart-issuer": PLANNED_SECONDS,
    "kill-worker": KILLED_SECONDS,
    "kill-dynamic-worker": KILLED_SECONDS,
    "kill-issuer": KILLED_SECONDS,
    "kill-dynamic-issuer": KILLED_SECONDS,
}
"""Seconds, beside the restore time, after which a co-partition is to be back: measured, not part of the verdict."""


@dataclass(frozen=True)
class Setting:
    """What a run was: enough to repeat it."""

    seed: int
    minutes: float
    faults: tuple[str, ...]
    brokers: int
    control: str | None

    @property
    def mark(self) -> str:
        """The line of a document after which the report belongs: each choice of faults has a section of its own."""
        return f"<!-- report{': ' if self.faults else ''}{','.join(self.faults)} -->"

    @property
    def command(self) -> str:
        """The command line of this run."""
        kinds = f" --faults {','.join(self.faults)}" if self.faults else ""
        brokers = f" --brokers {self.brokers}" if self.brokers != SAFE_NODES else ""
        control = f" --negative-control {self.control}" if self.control else ""
        return f"python -m tests.chaos --seed {self.seed} --minutes {self.minutes:g}{kinds}{brokers}{control}"


@dataclass(frozen=True)
class Row:
    """A fault's strikes together. Times in s; ``over`` counts strikes that took longer than is claimed."""

    fault: str
    strikes: int
    recovered: int
    median_recovery: float | None
    longest_recovery: float | None
    longest_restore: float
    longest_stall: float
    claim: float | None
    over: int


def rows(strikes: Sequence[Strike]) -> list[Row]:
    """Return one row a fault, by the faults' numbers and names."""
    found = []
    for number, name in sorted({(one.number, one.fault) for one in strikes}):
        mine = [one for one in strikes if one.fault == name]
        times = [one.recovery for one in mine if one.recovery is not None]
        claim = CLAIMS.get(name)
        over = sum(claim is not None and (one.recovery is None or one.recovery > claim + one.restore) for one in mine)
        found.append(
            Row(
                f"{number} {name}",
                len(mine),
                len(times),
                round(statistics.median(times), 2) if times else None,
                round(max(times), 2) if times else None,
                max(one.restore for one in mine),
                max(one.stall for one in mine),
                claim,
                over,
            )
        )
    return found


def text_of(outcome: Outcome, setting: Setting) -> str:
    """Return the report for a terminal, the verdict on its last line."""
    lines = [setting.command, machine(), ""]
    lines.append(f"{'fault':30} {'strikes':>7} {'recovery s':>16} {'restore s':>9} {'stall s':>8}  claim")
    lines.append(f"{'':30} {'':7} {'median':>8}{'longest':>8} {'longest':>9} {'longest':>8}")
    lines += [
        f"{row.fault:30} {row.strikes:7} {_seconds(row.median_recovery):>8}{_seconds(row.longest_recovery):>8} "
        f"{row.longest_restore:9.2f} {row.longest_stall:8.2f}  {_claim(row)}"
        for row in rows(outcome.strikes)
    ]
    lines += ["", *(f"{count:6} {what}" for what, count in outcome.counts.items())]
    lines += ["", summary(outcome), *outcome.notes]
    lines += [f"DIFFERS  {detail}" for detail in outcome.verdict.details]
    lines += [f"NOT WELL {problem}" for problem in outcome.problems]
    return "\n".join([*lines, str(outcome.verdict)])


def json_of(outcome: Outcome, setting: Setting) -> str:
    """Return the report as one JSON document."""
    document = {
        "command": setting.command,
        "machine": machine(),
        "commit": commit(),
        **asdict(setting),
        "seconds": round(outcome.seconds, 1),
        "verdict": asdict(outcome.verdict),
        "passed": outcome.passed,
        "faults": [asdict(row) for row in rows(outcome.strikes)],
        "strikes": [asdict(strike) for strike in outcome.strikes],
        "counts": outcome.counts,
        "notes": outcome.notes,
        "problems": outcome.problems,
        "unacknowledged": outcome.unacknowledged,
    }
    return json.dumps(document, indent=2)


def markdown_of(outcome: Outcome, setting: Setting) -> str:
    """Return the section of docs/reliability.md that tells of a run."""
    lines = [
        f"`{setting.command}` at commit `{commit()}`, {machine()}: `{outcome.verdict}`, "
        f"{'every process was well' if not outcome.problems else f'{len(outcome.problems)} problems'}.",
        "",
        summary(outcome),
        "",
        "| fault | strikes | median recovery s | longest recovery s | longest restore s | longest stall s | claim |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.fault} | {row.strikes} | {_seconds(row.median_recovery)} | {_seconds(row.longest_recovery)} "
        f"| {row.longest_restore:.2f} | {row.longest_stall:.2f} | {_claim(row)} |"
        for row in rows(outcome.strikes)
    ]
    lines += ["", "| what happened | how often |", "|---|---|"]
    lines += [f"| {what} | {count} |" for what, count in outcome.counts.items()]
    if outcome.notes or outcome.problems:
        lines += ["", *(f"- {text}" for text in (*outcome.notes, *outcome.problems))]
    return "\n".join(lines)


def require_mark(document: Path, mark: str) -> None:
    """Check that :func:`write_into` will find where to write: a run takes long.

    Raises:
        ValueError: the document has no such marks.
    """
    if not _between(mark).search(document.read_text(encoding="utf-8")):
        raise ValueError(f"{document} has no lines {mark} and <!-- end --> to write a report between; add them")


def write_into(document: Path, mark: str, section: str) -> None:
    """Put a report between a mark of a document and the next ``<!-- end -->``, in place of the last one.

    Raises:
        ValueError: the document has no such marks.
    """
    require_mark(document, mark)
    text = document.read_text(encoding="utf-8")
    new = _between(mark).sub(lambda found: f"{found[1]}\n{section}\n\n{found[2]}", text, count=1)
    document.write_text(new, encoding="utf-8")


def _between(mark: str) -> re.Pattern[str]:
    return re.compile(rf"({re.escape(mark)}\n).*?(<!-- end -->)", re.DOTALL)


def summary(outcome: Outcome) -> str:
    """Return what was judged, in a sentence."""
    verdict = outcome.verdict
    return (
        f"{len(outcome.strikes)} strikes in {outcome.seconds:.0f} s; {verdict.folded} records folded, "
        f"{verdict.transitions} transitions, {verdict.decided} decisions, {verdict.dead_letters} dead letters; "
        f"{outcome.unacknowledged} sends were not acknowledged."
    )


def machine() -> str:
    """Return what this ran on, and how busy it was."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {system}, load {os.getloadavg()[1]:.1f}"


def commit() -> str:
    """Return the commit that is checked out, ``-dirty`` if files differ from it, or ``unknown``."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"


def _claim(row: Row) -> str:
    if row.claim is None:
        return ""
    return f"{row.claim:g} + restore: " + ("kept" if not row.over else f"missed by {row.over} of {row.strikes}")
