"""What the worker counted since it started. Plain integers on the hot path; Prometheus reads them when it asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from prometheus_client import start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import REGISTRY, Collector


@dataclass(slots=True)
class Counts:
    """Records by how they ended, and transitions. A record that is folded again after a crash counts again."""

    folded: int = 0
    late: int = 0
    rejected: int = 0
    forwarded: int = 0
    transitions: int = 0


class CountsCollector(Collector):
    """Shows the counts as ``kordon_streams_records_total{outcome}`` and ``kordon_streams_transitions_total``."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the metrics as of now."""
        records = CounterMetricFamily(
            "kordon_streams_records", "Records judged by this worker since it started", labels=["outcome"]
        )
        for field in fields(self._counts):
            if field.name != "transitions":
                records.add_metric([field.name], getattr(self._counts, field.name))
        yield records
        yield CounterMetricFamily(
            "kordon_streams_transitions", "Transitions by this worker since it started", value=self._counts.transitions
        )


def serve_metrics(counts: Counts, port: int) -> None:
    """Serve the counts to Prometheus on 127.0.0.1, never on a public interface."""
    REGISTRY.register(CountsCollector(counts))
    start_http_server(port, addr="127.0.0.1")
