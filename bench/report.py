"""The tables of docs/performance.md, from what the last call of the benchmark left in ``bench/results``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).with_name("results")
LATEST: Final = "latest.json"
DETAILS: Final = "latest-details.json"

NOTHING: Final = "Nothing has been measured yet: `make bench`, then `make documents`."


def results_table() -> str:
    """Return a Markdown table of the medians."""
    if not (RESULTS / LATEST).exists():
        return NOTHING
    lines = ["| workload | engine | records/s | CPU µs a record | p50, p99 ms | MB resident |", "| --- " * 6 + "|"]
    for result in json.loads((RESULTS / LATEST).read_text()):
        latency = result["latencyMillis"]
        cells = (
            result["workload"],
            result["engine"],
            _number(result["recordsPerSecond"], 0),
            _number(result["cpuMicrosPerRecord"], 1),
            "" if latency is None else f"{latency['p50']:.0f}, {latency['p99']:.0f}",
            "" if result["rssBytes"] is None else _number(result["rssBytes"] / 1_048_576, 0),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def musts_table() -> str:
    """Return a Markdown table of the bounds and what they came to, and under what conditions."""
    if not (RESULTS / DETAILS).exists():
        return NOTHING
    details = json.loads((RESULTS / DETAILS).read_text())
    lines = ["| workload | what | must | aim | measured | |", "| --- " * 6 + "|"]
    for must in details["musts"]:
        measured = "" if must["measured"] is None else f"{must['measured']:,.2f} {must['unit']}"
        verdict = {True: "met", False: "**missed**", None: "not judged"}[must["met"]]
        cells = (must["workload"], must["claim"], f"{must['must']:g}", f"{must['aim']:g}", measured, verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_conditions(details.get("conditions", {}))])


def _conditions(conditions: dict[str, Any]) -> list[str]:
    """Return what was measured on what, a line for all workloads of one machine and commit."""
    alike: dict[str, list[str]] = {}
    for workload, each in conditions.items():
        where = (
            f"on {each['cores']} cores ({each['processor']}) that broker, engine and load share, "
            f"{each['memoryBytes'] / 2**30:.0f} GB, {each['system']}, Python {each['python']}, commit {each['commit']}"
        )
        load = f"{workload} (load average {each['load'][0]:.1f} before, {each['loadAfter']:.1f} after)"
        alike.setdefault(where, []).append(load)
    return [f"Measured {where}: {', '.join(workloads)}." for where, workloads in alike.items()]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
