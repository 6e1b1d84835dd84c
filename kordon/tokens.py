"""Bearer tokens in files, for fleets that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kordon.failures import CommandFailed, ExitStatus
from transport.private_files import read_private_file

if TYPE_CHECKING:
    from pathlib import Path


def load_token(path: Path) -> bytes:
    """Return a file's bearer token: its bytes without the newline at the end.

    Raises:
        PrivateFileError: the file is missing, or others may read it.
        CommandFailed: it is empty.
    """
    token = read_private_file(path).rstrip(b"\r\n")
    if not token:
        raise CommandFailed(ExitStatus.CONFIGURATION, f"{path} is empty", "Put the node's token into it.")
    return token
