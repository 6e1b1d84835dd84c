"""``kordon policy fold`` on a file, against ``json.loads`` of the same lines and payloads: processes, no Kafka."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from bench.preparation import CACHE
from bench.results import Failure, Run, load_average
from kordon.output import remark

RECORDS: Final = 500_000
NODES: Final = 2_000
ENGINES: Final = ("kordon", "json.loads")

_JSON_LOADS: Final = """
import json, sys
with open(sys.argv[1], "rb") as lines:
    for line in lines:
        record = json.loads(line)
        try:
            json.loads(record["payload"])
        except ValueError:
            pass  # a bad record among the simulated ones
"""


def measure(rounds: int, records: int | None) -> Iterator[Run | Failure]:
    """Yield lines a second of either, in turns; both begin and end as a process."""
    records = records or RECORDS
    file = _lines(records)
    commands = {
        "kordon": [sys.executable, "-m", "kordon", "policy", "fold", str(file)],
        "json.loads": [sys.executable, "-c", _JSON_LOADS, str(file)],
    }
    for number in range(rounds):
        for engine, command in commands.items():
            run = _run(engine, command, records)
            if isinstance(run, Run):
                remark(f"  fold {number + 1}/{rounds} {engine}: {run.records_per_second:,.0f}/s")
            yield run


def _lines(records: int) -> Path:
    file = CACHE / f"fleet-{NODES}-{records}.jsonl"
    if not file.exists():
        CACHE.mkdir(exist_ok=True)
        remark(f"  writing {records:,} simulated records to a file")
        partial = file.with_suffix(".partial")
        command = ("simulate", "--nodes", str(NODES), "--count", str(records), "--output", str(partial))
        subprocess.run([sys.executable, "-m", "kordon", *command], check=True)
        partial.rename(file)
    return file


def _run(engine: str, command: list[str], records: int) -> Run | Failure:
    before = _cpu_of_children()
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    most = 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            family = (watched, *watched.children(recursive=True))
            most = max(most, sum(each.memory_info().rss for each in family))
        except psutil.Error:
            pass  # one of them has just ended
        time.sleep(0.02)
    seconds = time.monotonic() - began
    said = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode:
        return Failure("fold", engine, f"it ended with status {process.returncode}: {said}")
    return Run(
        workload="fold",
        engine=engine,
        records=records,
        seconds=seconds,
        records_per_second=records / seconds,
        cpu_micros_per_record=(_cpu_of_children() - before) / records * 1e6,
        rss_bytes=most,
        load=load_average(),
    )


def _cpu_of_children() -> float:
    """Return the CPU seconds of all children that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
