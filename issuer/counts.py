"""What the issuer counted since it started; Prometheus reads it when it asks."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import REGISTRY, Collector


class Counts:
    """Requests by outcome, and registry records without effect by reason.

    An outcome is ``granted``, a denial's reason, ``dropped``, ``forwarded`` or ``unreadable``. A request that is judged
    again after a crash counts again.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.ignored_registry_records: Counter[str] = Counter()


class CountsCollector(Collector):
    """Shows the counts as ``kordon_issuer_requests_total`` and ``kordon_issuer_registry_records_ignored_total``."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the metrics as of now."""
        for name, text, label, counter in (
            ("requests", "Requests judged by this issuer since it started", "outcome", self._counts.requests),
            (
                "registry_records_ignored",
                "Registry records without effect",
                "reason",
                self._counts.ignored_registry_records,
            ),
        ):
            metric = CounterMetricFamily(f"kordon_issuer_{name}", text, labels=[label])
            for value, count in sorted(counter.items()):
                metric.add_metric([value], count)
            yield metric


def serve_metrics(counts: Counts, port: int) -> None:
    """Serve the counts to Prometheus on 127.0.0.1, never on a public interface."""
    REGISTRY.register(CountsCollector(counts))
    start_http_server(port, addr="127.0.0.1")
