"""The files that are written from the code, as text by their path in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import schemas
from kordon.contracts.asyncapi import asyncapi
from kordon.contracts.messages import CONTRACTS
from schemas.json_schema import as_text
from schemas.trust import json_schema as trust_schema

GENERATED: Final = "schemas/generated"
ASYNCAPI: Final = "asyncapi.json"
TRUST_SCHEMA: Final = "docs/trust.schema.json"


def installed() -> Path:
    """Return the folder of the generated files as they were installed."""
    return Path(schemas.__file__).with_name("generated")


def file_of(message: str) -> str:
    """Return the file name of a message's schema."""
    return f"{message}.schema.json"


def generated_files() -> dict[str, str]:
    """Return every generated file by its path from the repository's root."""
    files = {file_of(contract.name): as_text(contract.schema()) for contract in CONTRACTS.values()}
    files[ASYNCAPI] = as_text(asyncapi())
    return {f"{GENERATED}/{name}": text for name, text in files.items()} | {TRUST_SCHEMA: as_text(trust_schema())}
