"""The Faust application: ``faust -A streams.app worker -l info``.

What goes in and out::

    node.telemetry.v1, node.network.v1 (and their .repartition), node.commands.v1, capsule.decisions.v1
        └─► assess ─► node.risk.v1, node.quarantine.v1, <topic>.dlq, <topic>.repartition, streams.progress.v1

Read on in :mod:`streams.assessment` (what happens to a record), :mod:`policy` (how it is judged) and
:mod:`streams.runtime` (how it is delivered exactly once). Settings: :mod:`streams.settings`.
"""

from __future__ import annotations

from typing import cast

from faust.streams import Stream
from faust.types import StreamT

from policy.policy_file import PolicyError
from streams.assessment import Assessment
from streams.composition import new_runtime
from streams.counts import Counts, serve_metrics
from streams.logs import configure_logs
from streams.runtime.application import new_app
from streams.runtime.batches import Batch
from streams.runtime.worker import refusing
from streams.settings import WorkerSettings
from streams.signatures import command_gate
from transport.settings import KafkaSettings
from transport.settings_file import InvalidSettingsError
from transport.trust import TrustFileError

configure_logs()
with refusing(InvalidSettingsError, PolicyError, TrustFileError):
    kafka = KafkaSettings.load()
    worker = WorkerSettings.load()
    counts = Counts()
    assessment = Assessment(kafka, command_gate(worker.trust_file), counts)
    runtime = new_runtime(kafka, worker)
app = new_app(runtime)


@app.agent(app.batches())
async def assess(batches: StreamT[Batch]) -> None:
    """Judge the records of each co-partition, batch by batch."""
    async for event in cast("Stream[Batch]", batches).noack().events():
        await runtime.copartitions.fold(event.value, assessment)


if worker.metrics_port is not None:
    serve_metrics(counts, worker.metrics_port)
