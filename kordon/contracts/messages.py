"""The messages that have a contract, and whom each one binds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from schemas.capsules import CapsuleClaims, DenialClaims, RequestClaims
from schemas.json_schema import Schema, schema_of
from schemas.topics import TOPICS, Party

SERVICES: Final = frozenset({Party.STREAMS, Party.ISSUER})
"""Whose records are Kordon's own; all other writers are people's programs."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One message. ``written_by_kordon``: others read it, so a change must suit their old readers too."""

    message: type[msgspec.Struct]
    written_by_kordon: bool

    @property
    def name(self) -> str:
        """The message's name, which is its file's too."""
        return self.message.__name__

    def schema(self) -> Schema:
        """Return its JSON Schema, a document of its own."""
        return schema_of(self.message, f"urn:kordon:schema:{self.name}")


def _contracts() -> dict[str, Contract]:
    found = [
        Contract(spec.value, spec.writers <= SERVICES)
        for spec in TOPICS.values()
        if spec.value is not None and not spec.name.endswith(".repartition")
    ]
    # Not a value by themselves but the payload of a compact JWS: of a request's, or of a reply's envelope.
    found += [Contract(RequestClaims, False), Contract(CapsuleClaims, True), Contract(DenialClaims, True)]
    return {contract.name: contract for contract in sorted(found, key=lambda contract: contract.name)}


CONTRACTS: Final[Mapping[str, Contract]] = MappingProxyType(_contracts())
"""Every message by its name."""
