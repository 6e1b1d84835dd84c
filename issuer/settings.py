"""The issuer's settings: environment ``KORDON_ISSUER_*``, or ``[issuer]`` in the file KORDON_CONFIG_FILE names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from policy.issuance import IssuanceLimits
from transport.private_files import read_private_file
from transport.settings_file import SectionSettings, section_config

_LONGEST_LIFETIME_SECONDS = 86_400
_SECOND_MILLIS = 1_000

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class IssuerSettings(SectionSettings):
    """Files, limits, intervals and sizes of the issuer; all bounds are inclusive."""

    section: ClassVar[str] = "issuer"
    model_config = section_config("KORDON_ISSUER_")

    trust_file: Path = Field(Path(".kordon/trust.json"), description="Whom this cluster believes; mode 0600.")
    keys_folder: Path = Field(Path(".kordon/keys"), description="Folder of the key ring's encrypted files.")
    passphrase: SecretStr | None = Field(None, description="Passphrase of the key ring.")
    passphrase_file: Path | None = Field(
        Path(".kordon/passphrase"),
        description="File that holds that passphrase, mode 0600; one trailing newline is cut. Passphrase wins over it.",
    )
    policy_file: Path | None = Field(
        None, description="TOML policy file, the worker's; without it the policy that ships with Kordon."
    )

    capsule_lifetime_seconds: int = Field(
        _LONGEST_LIFETIME_SECONDS,
        ge=600,
        le=_LONGEST_LIFETIME_SECONDS,
        description="Seconds from a request's iat to its capsule's expiry.",
    )
    clock_skew_seconds: int = Field(
        300, ge=1, le=300, description="Seconds that a request's iat may lie from the issuer's clock, either way."
    )
    progress_age_ms: int = Field(
        30_000, ge=1_000, le=300_000, description="Milliseconds after which the worker's last progress is stale."
    )
    lag_ms: int = Field(30_000, ge=1_000, le=300_000, description="Milliseconds of lag of the worker that are stale.")
    freshness_timeout_ms: int = Field(
        2_000, ge=1, le=10_000, description="Milliseconds to wait for registry and risk to be read to their ends."
    )
    refusals_per_second: int = Field(
        50,
        ge=1,
        le=100_000,
        description="Malformed or unauthenticated requests answered a second and co-partition; more are dropped.",
    )
    reply_topics: tuple[TopicName, ...] = Field(
        (), description="Topics, full names, that a request may name for its reply beside capsule.replies.v1."
    )

    instance_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="group.instance.id, different for each issuer: a restart has its co-partitions back at once.",
    )
    progress_interval_ms: int = Field(
        1_000, ge=100, le=10_000, description="Milliseconds after which an idle co-partition reports its progress."
    )
    poll_records: int = Field(
        200, ge=1, le=5_000, description="Most requests of a co-partition answered in one transaction."
    )
    session_timeout_ms: int = Field(
        10_000, ge=1_000, le=300_000, description="Milliseconds without a heartbeat until others take over."
    )
    heartbeat_interval_ms: int = Field(
        2_000, ge=100, le=100_000, description="Milliseconds between heartbeats, at most a third of session_timeout_ms."
    )
    rebalance_timeout_ms: int = Field(
        30_000, ge=1_000, le=600_000, description="Milliseconds that members have to rejoin in a rebalance."
    )
    restore_timeout_ms: int = Field(
        600_000, ge=1_000, le=3_600_000, description="Milliseconds in which a co-partition's state must be read."
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65_535, description="Port on 127.0.0.1 for Prometheus; without it there are no metrics."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            raise ValueError("heartbeat_interval_ms must be at most a third of session_timeout_ms")
        if self.passphrase is None and self.passphrase_file is None:
            raise ValueError("set passphrase_file, or passphrase")
        return self

    @property
    def limits(self) -> IssuanceLimits:
        """The limits as the checks take them."""
        return IssuanceLimits(
            clock_skew_millis=self.clock_skew_seconds * _SECOND_MILLIS,
            progress_age_millis=self.progress_age_ms,
            lag_millis=self.lag_ms,
            lifetime_seconds=self.capsule_lifetime_seconds,
        )

    def read_passphrase(self) -> bytes:
        """Return the key ring's passphrase.

        Raises:
            PrivateFileError: its file is missing, or others may use it.
        """
        if self.passphrase is not None:
            return self.passphrase.get_secret_value().encode("utf-8")
        assert self.passphrase_file is not None, "checked when the settings were loaded"
        return read_private_file(self.passphrase_file).removesuffix(b"\n").removesuffix(b"\r")
