"""The worker's settings: environment ``KORDON_WORKER_*``, or ``[worker]`` in the file KORDON_CONFIG_FILE names."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from transport.settings_file import SectionSettings, section_config

SERVICE: Final = "streams"
"""What the worker's group and transactional ids are named after."""


class WorkerSettings(SectionSettings):
    """Intervals, sizes and files of the worker. Times are in milliseconds; all bounds are inclusive."""

    section: ClassVar[str] = "worker"
    model_config = section_config("KORDON_WORKER_")

    instance_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="group.instance.id, different for each worker: a restart has its co-partitions back at once.",
    )
    commit_interval_ms: int = Field(
        75,
        ge=1,
        le=10_000,
        description="Milliseconds from one commit of a co-partition that has news to its next, begin to begin.",
    )
    transition_interval_ms: int = Field(
        35,
        ge=1,
        le=10_000,
        description="The same once a node was quarantined or released, if that is shorter.",
    )
    catch_up_interval_ms: int = Field(
        1_000,
        ge=1,
        le=10_000,
        description="The same while the co-partition lags behind by two seconds or more, if that is longer; "
        "a quarter of it where rows change once only.",
    )
    progress_interval_ms: int = Field(
        1_000, ge=100, le=10_000, description="Milliseconds after which an idle co-partition reports its progress."
    )
    session_timeout_ms: int = Field(
        10_000, ge=1_000, le=300_000, description="Milliseconds without a heartbeat until others take over."
    )
    heartbeat_interval_ms: int = Field(
        2_000,
        ge=100,
        le=100_000,
        description="Milliseconds between heartbeats, at most a third of session_timeout_ms.",
    )
    rebalance_timeout_ms: int = Field(
        30_000, ge=1_000, le=600_000, description="Milliseconds that members have to rejoin in a rebalance."
    )
    poll_records: int = Field(
        2_000, ge=1, le=100_000, description="Most records of one topic and partition folded without a pause."
    )
    buffered_batches: int = Field(8, ge=1, le=1_000, description="Batches that wait for the fold before reading stops.")
    uncommitted_records: int = Field(
        50_000, ge=1, le=10_000_000, description="Most records of a co-partition folded ahead of its last commit."
    )
    shutdown_timeout_ms: int = Field(
        15_000, ge=1_000, le=300_000, description="Milliseconds after a crash until the process ends by force."
    )
    huge_pages: bool = Field(
        True,
        description="Move rows to huge pages, on which a large fleet's are reached sooner: on Linux 6.1 or later, "
        "where /sys/kernel/mm/transparent_hugepage/enabled does not say never.",
    )
    policy_file: Path | None = Field(
        None, description="TOML policy file; without it the policy that ships with Kordon."
    )
    trust_file: Path | None = Field(
        None, description="trust.json with the operators' keys; without it every command is refused."
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65_535, description="Port on 127.0.0.1 for Prometheus; without it there are no metrics."
    )

    @model_validator(mode="after")
    def _check_heartbeat(self) -> Self:
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            raise ValueError("heartbeat_interval_ms must be at most a third of session_timeout_ms")
        return self
