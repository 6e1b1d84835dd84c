"""JSON Schema 2020-12 of the messages, from the types that decode them.

What msgspec can state it states. What a ``__post_init__`` refuses besides stands in :data:`RULES`, as far as JSON
Schema can say it; a test decodes what a schema lets pass and the other way round. Two rules it cannot say: that the
credentials of one record have different ``kid`` and that the keys of a ``trust.json`` have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from types import MappingProxyType
from typing import Any, Final

import msgspec

from schemas.capsules import CapsuleClaims, DenialClaims
from schemas.commands import Command
from schemas.network import Network, NetworkObservation
from schemas.registry import Credential
from schemas.timestamp import Timestamp

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

TIMESTAMP: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
        r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
    }
)
"""RFC 3339 with a zone; the pattern says so where a validator takes ``format`` for a remark."""


def _given(name: str) -> Schema:
    # An optional field that is null is absent, so that being listed in `required` is not enough.
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _absent(name: str) -> Schema:
    return {"properties": {name: {"type": "null"}}}


def _always(name: str, value: object) -> Schema:
    return {"properties": {name: {"const": value}}}


_ADDRESS: Final[Schema] = {
    "properties": {"ip": {"anyOf": [{"type": "null"}, {"format": "ipv4"}, {"format": "ipv6", "pattern": "^[^%]*$"}]}}
}
_ED25519: Final[Schema] = {"allOf": [_given("publicKey"), _absent("sealedVerifier")]}
_HMAC: Final[Schema] = {"allOf": [_given("sealedVerifier"), _absent("publicKey")]}

RULES: Final[Mapping[type[msgspec.Struct], Sequence[Schema]]] = MappingProxyType(
    {
        Network: (_ADDRESS,),
        NetworkObservation: (_ADDRESS, {"anyOf": [_given("ip"), _given("asn"), _given("region")]}),
        Command: ({"if": _always("action", "exempt"), "then": _given("expiresAt")},),
        Credential: ({"if": _always("type", "hmac") | {"required": ["type"]}, "then": _HMAC, "else": _ED25519},),
        CapsuleClaims: (_always("denied", False),),
        DenialClaims: (_always("denied", True),),
    }
)
"""What a type refuses beyond its fields' own constraints, each to be joined by ``allOf``."""


def components(types: Iterable[type[msgspec.Struct]], ref_template: str = "#/$defs/{name}") -> dict[str, Schema]:
    """Return the schemas of these types and of all that they hold, by name."""
    _, found = msgspec.json.schema_components(types, schema_hook=_of_custom, ref_template=ref_template)
    for message_type, rules in RULES.items():
        if message_type.__name__ in found:
            found[message_type.__name__]["allOf"] = list(rules)
    portable: dict[str, Schema] = _portable(found)
    return portable


def schema_of(message_type: type[msgspec.Struct], identifier: str | None = None) -> Schema:
    """Return a document of its own: the type's schema, and below ``$defs`` those it refers to."""
    found = components((message_type,))
    root = found.pop(message_type.__name__)
    return (
        {"$schema": DIALECT}
        | ({"$id": identifier} if identifier else {})
        | root
        | ({"$defs": {name: found[name] for name in sorted(found)}} if found else {})
    )


def as_text(document: object) -> str:
    """Return a generated document as it is committed: indented JSON and a final newline."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _of_custom(custom_type: type) -> Schema:
    if custom_type is Timestamp:
        return dict(TIMESTAMP)
    raise NotImplementedError(custom_type)


def _portable(schema: Any) -> Any:
    """Return a schema that reads the same everywhere.

    ``$`` of Python's ``re`` needs a look-ahead that ECMA 262 does not and RE2 does not know. Docstrings lose their
    indentation, which the compiler takes away from Python 3.13 on, and the mark-up that is Sphinx's alone.
    """
    if isinstance(schema, dict):
        return {name: _PORTABLE.get(name, _portable)(value) for name, value in schema.items()}
    return [_portable(each) for each in schema] if isinstance(schema, list) else schema


def _description(text: Any) -> Any:
    return (
        re.sub(r"(?::[a-z]+:)?`{1,2}([^`]+)`{1,2}", r"`\1`", cleandoc(text))
        if isinstance(text, str)
        else _portable(text)
    )


def _pattern(text: Any) -> Any:
    return text.replace(r"$(?!\n)", "$") if isinstance(text, str) else _portable(text)


_PORTABLE: Final = {"description": _description, "pattern": _pattern}
