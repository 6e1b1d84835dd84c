"""Which parts make the worker: topics, policy, tables and the runtime, from settings. No environment is read here."""

from __future__ import annotations

from policy.policy_file import load_policy
from schemas.topics import (
    COMMANDS,
    DECISIONS,
    NETWORK,
    QUARANTINE,
    RISK,
    STREAMS_PROGRESS,
    TELEMETRY,
    dlq_of,
    repartition_of,
)
from streams.risk_table import RiskTable
from streams.runtime.runtime import Runtime
from streams.settings import SERVICE, WorkerSettings
from transport.settings import KafkaSettings

SOURCES = (COMMANDS, DECISIONS, NETWORK, repartition_of(NETWORK), TELEMETRY, repartition_of(TELEMETRY))
OUTPUTS = (QUARANTINE, dlq_of(COMMANDS), dlq_of(NETWORK), dlq_of(TELEMETRY))
"""Beside the rows, what only the owner of a co-partition writes into its partition.

Not among them: ``.repartition``, which takes other co-partitions' records, and the decisions' dead letters, which the
issuer writes too.
"""


def new_runtime(kafka: KafkaSettings, worker: WorkerSettings) -> Runtime:
    """Return the worker's runtime.

    Raises:
        PolicyError: the policy file cannot be used.
    """
    policy = load_policy(worker.policy_file)
    return Runtime(
        kafka,
        worker,
        service=SERVICE,
        sources=SOURCES,
        changelog=RISK,
        progress=STREAMS_PROGRESS,
        outputs=OUTPUTS,
        others=(dlq_of(DECISIONS),),
        policy_version=policy.version,
        new_table=lambda _: RiskTable(policy),
    )
