"""What was measured, kept in files: a workload's figures replace those of its last measurement, the others' stay.

A whole benchmark takes more than an hour. So it is written after each workload, and a part can be measured again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.musts import Verdict
from bench.report import DETAILS, LATEST
from bench.results import Failure, Run, grouped, summed_up


def keep(
    folder: Path,
    workload: str,
    runs: Sequence[Run],
    verdicts: Sequence[Verdict],
    failures: Sequence[Failure],
    conditions: Mapping[str, object],
) -> None:
    """Put what ``workload`` came to into ``folder``; ``conditions`` say on what and under what load."""
    names = {workload, *(run.workload for run in runs), *(failure.workload for failure in failures)}
    results = [summed_up(group) for group in grouped(runs)]
    _write(folder / LATEST, _others(_read(folder / LATEST, []), names) + msgspec.to_builtins(results))
    details = _read(folder / DETAILS, {})
    told = {"runs": runs, "musts": verdicts, "failures": failures}
    kept = {what: _others(details.get(what, []), names) + msgspec.to_builtins(new) for what, new in told.items()}
    _write(folder / DETAILS, {"conditions": {**details.get("conditions", {}), workload: conditions}, **kept})


def _others(entries: Sequence[Mapping[str, Any]], names: Collection[str]) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if entry["workload"] not in names]


def _read(path: Path, nothing: Any) -> Any:
    return msgspec.json.decode(path.read_bytes()) if path.exists() else nothing


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
