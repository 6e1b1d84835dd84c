"""The contracts of released versions, as they are kept in a checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from kordon.contracts.compatibility import Break, contract_breaks
from kordon.contracts.files import ASYNCAPI, file_of
from kordon.contracts.topic_compatibility import topic_breaks

RELEASED: Final = "schemas/released"
"""Below it, one folder a version."""


def versions(root: Path) -> list[str]:
    """Return the released versions in a checkout, the oldest first."""
    found = [path.name for path in (root / RELEASED).iterdir() if path.is_dir()]
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


def read_schemas(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the messages' schemas in a folder, by the message's name."""
    ending = file_of("")
    return {path.name.removesuffix(ending): json.loads(path.read_text()) for path in sorted(folder.glob(f"*{ending}"))}


def read_document(folder: Path) -> dict[str, Any]:
    """Return the AsyncAPI document in a folder."""
    document: dict[str, Any] = json.loads((folder / ASYNCAPI).read_text())
    return document


def breaks_between(old: Path, new: Path) -> list[Break]:
    """Return every promise of the contracts in one folder that those in another break."""
    return [
        *contract_breaks(read_schemas(old), read_schemas(new)),
        *topic_breaks(read_document(old), read_document(new)),
    ]
