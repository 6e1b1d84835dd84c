"""The published schemas are valid 2020-12, and let pass exactly what the code decodes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kordon.contracts.examples import examples
from kordon.contracts.files import file_of, installed
from kordon.contracts.messages import CONTRACTS
from schemas.codec import DecodeError, decode
from schemas.json_schema import DIALECT
from schemas.topics import TOPICS
from tests.unit.schemas.test_golden_bytes import GOLDEN

WHOLE = [json.loads(wire) | {"$message": type(message).__name__} for message, wire in GOLDEN]

# What is put in the place of each part of a message: every JSON type, and both sides of the bounds that are in use.
REPLACEMENTS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    2**32 - 1,
    2**32,
    2**63 - 1,
    "",
    "x",
    "x" * 128,
    "x" * 129,
    "a b",
    "é",
    "ab" * 16,
    "AB" * 16,
    "g" * 32,
    "A" * 43,
    "A" * 44,
    "0" * 64,
    "2026-11-23T20:00:10.123456+01:00",
    "2026-11-23t20:00:10z",
    "2026-11-23T20:00:10",
    "2026-11-23T24:00:00Z",
    "2026-11-23T20:00:60Z",
    "2026-11-23T20:00:10+24:00",
    "2026-02-30T20:00:10Z",
    "192.0.2.1",
    "192.0.2.256",
    "2001:db8::1",
    "::ffff:192.0.2.1",
    "fe80::1%eth0",
    "exempt",
    "release",
    "hmac",
    "ed25519",
    "active",
    "removed",
    "boot",
    "NODE_REVOKED",
    [],
    {},
    [1],
    {"x": 1},
    {"x": "y"},
    {"x": [1, 2]},
    [{"x": [1, 2]}],
    [{"x": [1, 2, 3]}],
)


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((installed() / file_of(name)).read_text())
    return found


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER)


def decodes(name: str, document: object) -> bool:
    try:
        decode(CONTRACTS[name].message, json.dumps(document).encode(), "t")
    except DecodeError:
        return False
    return True


def places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, from the outside in; of a list the first."""
    if path:
        yield path
    items: Any = part.items() if isinstance(part, dict) else enumerate(part[:1]) if isinstance(part, list) else ()
    for name, value in items:
        yield from places(value, (*path, name))


def variants(document: Any, replacements: Sequence[Any]) -> Iterator[Any]:
    """The document with one part left out, added or replaced, at every place."""
    yield document
    yield document | {"unheardOf": {"a": [1]}}
    for *outer, last in places(document):
        for replacement in (..., *replacements):
            changed = copy.deepcopy(document)
            holder = changed
            for name in outer:
                holder = holder[name]
            if replacement is ...:
                del holder[last]
            else:
                holder[last] = replacement
            yield changed


def test_every_message_on_a_topic_has_a_schema_and_golden_bytes() -> None:
    on_topics = {spec.value.__name__ for spec in TOPICS.values() if spec.value}
    assert on_topics <= set(CONTRACTS)
    assert {document["$message"] for document in WHOLE} == set(CONTRACTS)


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_schema_keeps_the_official_meta_schema(name: str) -> None:
    assert schema(name)["$schema"] == DIALECT == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("document", WHOLE, ids=lambda document: document["$message"])
def test_a_schema_lets_pass_exactly_what_is_decoded(document: dict[str, Any]) -> None:
    name = document["$message"]
    message = {field: value for field, value in document.items() if field != "$message"}
    against = validator(name)
    outcomes = set()
    # What Kordon writes itself is large and is met by nobody's mistakes: every third has to do.
    replacements = REPLACEMENTS[::3] if CONTRACTS[name].written_by_kordon else REPLACEMENTS
    for variant in variants(message, replacements):
        accepted = decodes(name, variant)
        assert against.is_valid(variant) is accepted, variant
        outcomes.add(accepted)
    assert outcomes == {True, False}


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example.topic}: {example.title}")
def test_every_example_keeps_its_schema(example: Any) -> None:
    value = TOPICS[example.topic].value
    if value is None:
        return  # a compact JWS or a dead letter: test_examples.py reads these
    validator(value.__name__).validate(json.loads(example.value))
