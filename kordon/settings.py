"""What a person at the command line sets: where the trust file and the operator's key are, how long to wait."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from transport.private_files import read_private_file
from transport.settings_file import SectionSettings, section_config


class CommandSettings(SectionSettings):
    """Settings of the ``kordon`` command and the node's client; environment ``KORDON_…``, section ``[kordon]``."""

    section: ClassVar[str] = "kordon"
    model_config = section_config("KORDON_")

    trust_file: Path = Field(Path(".kordon/trust.json"), description="Whom this cluster believes; mode 0600.")
    operator_key_file: Path = Field(
        Path(".kordon/operator.json"), description="The operator's signing key, for `node` and `quarantine`; mode 0600."
    )
    operator_key_passphrase: SecretStr | None = Field(None, description="Passphrase of operator_key_file.")
    operator_key_passphrase_file: Path | None = Field(
        None, description="File that holds that passphrase, mode 0600; one trailing newline is cut."
    )
    reply_timeout_seconds: float = Field(
        10.0, gt=0, le=300, description="Seconds to wait for the answer to a capsule request before it is sent again."
    )

    @property
    def passphrase(self) -> bytes | None:
        """The passphrase of the operator's key file, None if it is not encrypted.

        Raises:
            PrivateFileError: its file is missing, or others may read it.
        """
        if self.operator_key_passphrase_file is not None:
            return read_private_file(self.operator_key_passphrase_file).removesuffix(b"\n").removesuffix(b"\r")
        secret = self.operator_key_passphrase
        return None if secret is None else secret.get_secret_value().encode()
