"""Prepared brokers: made once for each workload and size, kept in ``bench/.cache``, started again by later runs."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from bench.broker import BenchBroker
from bench.workloads import BenchRecord
from kordon.output import remark
from kordon.progress import progress_on_stderr
from transport.settings import KafkaSettings

CACHE: Final = Path(__file__).with_name(".cache")
FORMAT: Final = 2
"""Raise it when prepared records would be other ones than before."""

_READY: Final = "ready.json"


@contextmanager
def prepared(
    name: str, parameters: Mapping[str, int], prepare: Callable[[BenchBroker, Path], None], *, copied: bool = False
) -> Iterator[tuple[BenchBroker, Path]]:
    """Yield a running broker that ``prepare(broker, folder)`` has filled, now or in an earlier run, and its folder.

    ``copied``: what happens to the broker is forgotten afterwards, so that every run finds it as it was prepared.
    """
    described = json.dumps({"format": FORMAT, "name": name, **parameters}, sort_keys=True)
    folder = CACHE / f"{name}-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
    if not (folder / _READY).exists():
        shutil.rmtree(folder, ignore_errors=True)
        remark(f"  preparing {name} ({', '.join(f'{key} {value:,}' for key, value in parameters.items())})")
        with BenchBroker(folder / "broker") as broker:
            prepare(broker, folder)
        (folder / _READY).write_text(described)
    if not copied:
        with BenchBroker(folder / "broker") as broker:
            yield broker, folder
        return
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="run-") as scratch:
        shutil.copytree(folder / "broker", Path(scratch) / "broker")
        with BenchBroker(Path(scratch) / "broker") as broker:
            yield broker, folder


def write(
    kafka: KafkaSettings, records: Iterator[BenchRecord], total: int, note: Callable[[BenchRecord], None] | None = None
) -> int:
    """Write records to their partitions and return how many; ``note`` sees each.

    Raises:
        RuntimeError: Kafka did not take all.
    """
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 262_144,
            "queue.buffering.max.messages": 500_000,
            "enable.idempotence": True,
            "log_level": 2,  # that the broker has just started is no news
        }
    )
    names: dict[str, str] = {}
    count = 0
    with progress_on_stderr("writing", total) as advance:
        for record in records:
            topic = names.get(record.topic) or names.setdefault(record.topic, kafka.topic(record.topic))
            while True:
                try:
                    producer.produce(
                        topic,
                        record.value,
                        record.key,
                        record.partition,
                        timestamp=record.timestamp,
                        headers=list(record.headers),
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            if note is not None:
                note(record)
            count += 1
            if count % 10_000 == 0:
                producer.poll(0)
                advance(10_000)
        left = producer.flush(120)
    if left:
        raise RuntimeError(f"Kafka did not take {left} of {count} records within two minutes")
    return count
