"""The AsyncAPI 3.0 document: every topic with key, headers, payload and examples, and who does what on it.

It speaks from Kordon's side, as AsyncAPI does: ``receive`` is what others write. Payloads are the messages' schemas in
the form that AsyncAPI takes (JSON Schema draft 7); they say the same as the documents of 2020-12 beside it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final

from kordon.contracts.examples import Example, examples_of
from kordon.contracts.headers import CORRELATION, REPLY_TO, headers_of, note_headers
from kordon.contracts.messages import CONTRACTS, SERVICES
from schemas.capsules import MAX_COMPACT_JWS_BYTES
from schemas.json_schema import components
from schemas.topics import DEFAULT_PARTITIONS, REPLIES, REQUESTS, TOPICS, Party, TopicSpec, source_of
from transport.replay import REPLAYABLE
from transport.settings import KafkaSettings

BINDING: Final = "0.5.0"
ADDRESSED_REPLY: Final = "addressed-reply"
"""The channel of a reply whose request said where it is to go: its address is known at run time alone."""
REPLAY_NOTE: Final = "replay-note"
"""The message that lies among the dead letters that can be replayed."""

Object = dict[str, Any]

_COMPACT_JWS: Final[Object] = {
    "type": "string",
    "description": "A compact JWS, ASCII; its claims are RequestClaims. How it is built: docs/design.md, section 6.",
    "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
    "maxLength": MAX_COMPACT_JWS_BYTES,
}
_RAW: Final[Object] = {
    "type": "string",
    "description": "The rejected record's own bytes, whatever they were; cut at the end if they are too many.",
}


def asyncapi() -> Object:
    """Return the document."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:kordon",
        "info": {
            "title": "Kordon",
            "version": version("kordon"),
            "description": (
                "Risk-scoring of a fleet of nodes on Kafka. Every node topic is keyed by nodeId and placed by murmur2. "
                "Fields that a reader does not know it ignores; an optional field that is null is absent."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrapServers}",
                "protocol": "kafka",
                "description": "Your brokers, over TLS and SASL as they ask for it.",
                "variables": {"bootstrapServers": {"default": "127.0.0.1:9092"}},
            }
        },
        "channels": {spec.name: _channel(spec) for spec in TOPICS.values()} | {ADDRESSED_REPLY: _addressed_reply()},
        "operations": _operations(),
        "components": {
            "messages": {_message_name(spec): _message(spec) for spec in TOPICS.values()}
            | {REPLAY_NOTE: _replay_note()},
            "schemas": _schemas(),
            "parameters": {
                "prefix": {
                    "description": "Put before every topic's name; empty, or ending in a dot.",
                    "default": str(KafkaSettings.model_fields["prefix"].default),
                    "examples": ["kordon.", ""],
                }
            },
        },
    }


def _channel(spec: TopicSpec) -> Object:
    configuration: Object = {"cleanup.policy": [spec.cleanup.value]}
    if spec.cleanup.value == "delete":
        configuration["retention.ms"] = -1 if spec.retention is None else spec.retention // timedelta(milliseconds=1)
    return {
        "address": f"{{prefix}}{spec.name}",
        "description": f"Written by {_parties(spec.writers)}; read by {_parties(spec.readers)}.",
        "messages": {name: _ref("messages", name) for name in _messages_on(spec)},
        "parameters": {"prefix": _ref("parameters", "prefix")},
        "bindings": {
            "kafka": {
                "partitions": DEFAULT_PARTITIONS,
                "topicConfiguration": configuration,
                "bindingVersion": BINDING,
            }
        },
    }


def _messages_on(spec: TopicSpec) -> list[str]:
    replayed = spec.name.endswith(".dlq") and spec.name.removesuffix(".dlq") in REPLAYABLE
    return [_message_name(spec), *([REPLAY_NOTE] if replayed else [])]


def _replay_note() -> Object:
    return {
        "name": REPLAY_NOTE,
        "title": "A note that a dead letter was sent again by `kordon dlq replay`; it has no value",
        "contentType": "application/octet-stream",
        "headers": note_headers(),
        "payload": {"type": "null"},
    }


def _addressed_reply() -> Object:
    name = _message_name(TOPICS[REPLIES])
    return {
        "address": None,
        "description": f"The topic that a request's {REPLY_TO} names, if the issuer allows it.",
        "messages": {name: _ref("messages", name)},
    }


def _message(spec: TopicSpec) -> Object:
    headers = headers_of(spec)
    payload: Object
    if spec.name.endswith(".dlq"):
        content_type, payload = "application/octet-stream", _RAW
    elif spec.value is None:
        content_type, payload = "application/jose", _COMPACT_JWS
    else:
        content_type, payload = "application/json", _ref("schemas", spec.value.__name__)
    keyed = not spec.name.endswith((".dlq", "progress.v1"))
    key = components((CONTRACTS["Telemetry"].message,))["Telemetry"]["properties"]["nodeId"]
    message: Object = {"name": _message_name(spec), "title": _title(spec), "contentType": content_type}
    if headers is not None:
        message["headers"] = headers
    message["payload"] = payload
    if spec.name in (REQUESTS, REPLIES):
        message["correlationId"] = {
            "description": "kafka_correlationId, as Spring sends it, is taken and echoed as well.",
            "location": f"$message.header#/{CORRELATION}",
        }
    if keyed:
        message["bindings"] = {"kafka": {"key": key, "bindingVersion": BINDING}}
    found = [_example(example) for example in examples_of(spec.name)]
    return message | ({"examples": found} if found else {})


def _example(example: Example) -> Object:
    """An example as AsyncAPI has it: headers as text, JSON as JSON and all else as text."""
    text = example.value.decode()
    payload = json.loads(text) if text.startswith("{") and not example.topic.endswith(".dlq") else text
    headers = {name: value.decode() for name, value in example.headers}
    return (
        {"name": _camel(example.title), "summary": example.title}
        | ({"headers": headers} if headers else {})
        | {"payload": payload}
    )


def _operations() -> Object:
    found: Object = {}
    for spec in TOPICS.values():
        name, messages = _message_name(spec), [{"$ref": f"#/channels/{spec.name}/messages/{_message_name(spec)}"}]
        channel = {"$ref": f"#/channels/{spec.name}"}
        if spec.writers & SERVICES:
            found[f"send-{name}"] = {"action": "send", "channel": channel, "messages": messages}
        if spec.readers & SERVICES:
            found[f"receive-{name}"] = {"action": "receive", "channel": channel, "messages": messages}
    reply = {"$ref": f"#/channels/{ADDRESSED_REPLY}"}
    found[f"receive-{_message_name(TOPICS[REQUESTS])}"] |= {
        "summary": "A capsule, or a signed denial, for every request.",
        "reply": {
            "address": {
                "description": f"Without one, or with one that is not allowed, the reply goes to {REPLIES}.",
                "location": f"$message.header#/{REPLY_TO}",
            },
            "channel": reply,
            "messages": [{"$ref": f"{reply['$ref']}/messages/{_message_name(TOPICS[REPLIES])}"}],
        },
    }
    return found


def _schemas() -> Object:
    values = [contract.message for contract in CONTRACTS.values()]
    found = components(values, ref_template="#/components/schemas/{name}")
    return {name: _draft_7(found[name]) for name in sorted(found)}


def _draft_7(schema: Any) -> Any:
    """Spell a tuple as draft 7 does; nothing else of what is used here has changed since."""
    if isinstance(schema, list):
        return [_draft_7(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    spelled = {name: _draft_7(value) for name, value in schema.items()}
    if "prefixItems" in spelled:
        spelled["additionalItems"] = spelled.pop("items", True)
        spelled["items"] = spelled.pop("prefixItems")
    return spelled


def _ref(kind: str, name: str) -> Object:
    return {"$ref": f"#/components/{kind}/{name}"}


def _message_name(spec: TopicSpec) -> str:
    """Name a topic's message as the topic, in letters that a reference may hold without quoting."""
    return spec.name.replace(".v1", "").replace(".", "-")


def _title(spec: TopicSpec) -> str:
    if spec.name.endswith(".dlq"):
        return f"A record of {spec.name.removesuffix('.dlq')} that could not be accepted"
    value = "CapsuleRequest" if spec.value is None else spec.value.__name__
    return f"{value}, from a wrong partition" if source_of(spec.name) != spec.name else value


def _camel(title: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in title).split()
    return words[0].lower() + "".join(word.capitalize() for word in words[1:])


def _parties(parties: frozenset[Party]) -> str:
    return ", ".join(party.value for party in Party if party in parties)
