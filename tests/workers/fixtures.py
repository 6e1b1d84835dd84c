"""A fixture for the worker's integration tests; a module imports it to have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workers.process import WorkerProcess
from transport.settings import KafkaSettings

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Return what starts a worker: ``start_worker(kafka, **arguments of WorkerProcess)``. None outlives the test."""
    started: list[WorkerProcess] = []

    def start(kafka: KafkaSettings, name: str = "worker", **arguments: object) -> WorkerProcess:
        worker = WorkerProcess(kafka, tmp_path / f"{name}.log", **arguments)  # type: ignore[arg-type]
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
