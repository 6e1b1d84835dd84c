"""What a person at the command line sets: where the trust file and the operator's key are, how long to wait."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from transport.settings_file import SectionSettings, section_config


class CommandSettings(SectionSettings):
    """Settings of the ``kordon`` command and the node's client; environment ``KORDON_…``, section ``[kordon]``."""

    section: ClassVar[str] = "kordon"
    model_config = section_config("KORDON_")

    trust_file: Path = Field(Path(".kordon/trust.json"), description="Whom this cluster believes; mode 0600.")
    operator_key_file: Path = Field(
        Path(".kordon/operator.json"), description="The operator's signing key, for `node` and `quarantine`; mode 0600."
    )
    reply_timeout_seconds: float = Field(
        10.0, gt=0, le=300, description="Seconds to wait for the answer to a capsule request before it is sent again."
    )
