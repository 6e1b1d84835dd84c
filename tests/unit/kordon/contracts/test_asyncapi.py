"""The AsyncAPI document, without its own tools: references, examples, and that it says what the registry says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from issuer.correlation import ReplyTopics, reply_address
from kordon.contracts.files import ASYNCAPI, installed
from kordon.contracts.messages import CONTRACTS
from schemas.topics import REPLIES, REQUESTS, TOPICS, Party

DOCUMENT: dict[str, Any] = json.loads((installed() / ASYNCAPI).read_text())
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]


def pointed_at(reference: str) -> Any:
    part: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def errors(schema: dict[str, Any], value: Any) -> list[str]:
    # Its references are the document's, so the schema is read at its place in it.
    registry: Registry[Any] = Registry().with_resource("urn:document", Resource.from_contents(DOCUMENT, DRAFT7))
    schema = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
    validator = Draft7Validator(schema, registry=registry, format_checker=Draft7Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(value)]


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > len(TOPICS)
    for reference in found:
        assert pointed_at(reference)


def test_every_topic_is_a_channel_with_its_settings() -> None:
    for name, spec in TOPICS.items():
        channel = DOCUMENT["channels"][name]
        assert channel["address"] == f"{{prefix}}{name}"
        configuration = channel["bindings"]["kafka"]["topicConfiguration"]
        assert configuration["cleanup.policy"] == [spec.cleanup]
        if "retention.ms" in configuration:
            kept = configuration["retention.ms"]
            assert (None if kept == -1 else timedelta(milliseconds=kept)) == spec.retention


def test_kordon_sends_what_its_services_write_and_receives_what_they_read() -> None:
    services = {Party.STREAMS, Party.ISSUER}
    for action, parties in (("send", "writers"), ("receive", "readers")):
        channels = {
            operation["channel"]["$ref"].removeprefix("#/channels/")
            for operation in DOCUMENT["operations"].values()
            if operation["action"] == action
        }
        assert channels == {name for name, spec in TOPICS.items() if getattr(spec, parties) & services}


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_of_a_message_keeps_its_schemas(name: str) -> None:
    message = MESSAGES[name]
    for example in message.get("examples", []):
        assert not errors(message["payload"], example["payload"])
        if "headers" in message:
            assert not errors(message["headers"], example.get("headers", {}))


def test_an_example_that_does_not_keep_its_schema_is_noticed() -> None:
    message = MESSAGES["node-telemetry"]
    assert errors(message["payload"], message["examples"][0]["payload"] | {"lastShutdownClean": "yes"})
    progress = MESSAGES["streams-progress"]
    assert errors(progress["payload"], progress["examples"][0]["payload"] | {"batches": [{"t": [1]}]})
    assert errors(MESSAGES["node-commands"]["headers"], {})


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_schema_in_the_document_is_one_of_draft_7(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    Draft7Validator.check_schema(schema)
    assert "prefixItems" not in json.dumps(schema)


def test_a_reply_goes_where_the_document_says() -> None:
    operation = DOCUMENT["operations"]["receive-capsule-requests"]
    message = pointed_at(operation["messages"][0]["$ref"])
    message = pointed_at(message["$ref"])
    correlation = message["correlationId"]["location"].removeprefix("$message.header#/")
    reply_to = operation["reply"]["address"]["location"].removeprefix("$message.header#/")
    topics = ReplyTopics(REPLIES, {REPLIES: 12, "elsewhere": 12})
    address = reply_address([(correlation, b"c-1"), (reply_to, b"elsewhere")], b"cobalt", topics, 0)
    assert (address.topic, address.headers) == ("elsewhere", ((correlation, b"c-1"),))
    assert REQUESTS in operation["channel"]["$ref"]
    assert pointed_at(operation["reply"]["channel"]["$ref"])["address"] is None
