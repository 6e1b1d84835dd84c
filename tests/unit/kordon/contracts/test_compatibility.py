"""The contracts keep the promises of the last release, and the checker refuses each way of breaking one."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kordon.contracts.compatibility import breaks, contract_breaks
from kordon.contracts.files import ASYNCAPI, file_of, installed
from kordon.contracts.messages import CONTRACTS
from kordon.contracts.releases import RELEASED, breaks_between, read_document, read_schemas, versions
from kordon.contracts.topic_compatibility import topic_breaks
from schemas.codec import decode
from schemas.topics import TOPICS

ROOT = Path(__file__).parents[4]
LAST = ROOT / RELEASED / versions(ROOT)[-1]
Change = Callable[[dict[str, Any]], object]

OTHERS_WRITE = json.loads((installed() / file_of("Telemetry")).read_text())
KORDON_WRITES = json.loads((installed() / file_of("RiskRow")).read_text())


def changed(document: dict[str, Any], change: Change) -> dict[str, Any]:
    copied = copy.deepcopy(document)
    change(copied)
    assert copied != document
    return copied


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = schema["properties"][name]
    return found


def test_the_contracts_keep_the_promises_of_the_last_release() -> None:
    assert not breaks_between(LAST, installed())


def test_every_example_of_the_last_release_is_still_accepted() -> None:
    messages = read_document(LAST)["components"]["messages"]
    read = 0
    for name, spec in TOPICS.items():
        if spec.value is None:
            continue
        for example in messages[name.replace(".v1", "").replace(".", "-")].get("examples", []):
            decode(spec.value, json.dumps(example["payload"]).encode(), name)
            read += 1
    assert read > len(CONTRACTS) // 2


def test_the_newest_version_is_compared_not_the_last_in_the_alphabet(tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        (tmp_path / RELEASED / version).mkdir(parents=True)
    assert versions(tmp_path) == ["0.2.0", "0.9.0", "0.10.0"]


def test_a_break_in_a_folder_of_contracts_is_found_and_named(tmp_path: Path) -> None:
    shutil.copytree(LAST, tmp_path / "next")
    (tmp_path / "next" / file_of("Binding")).unlink()
    path = tmp_path / "next" / file_of("Telemetry")
    path.write_text(json.dumps(changed(OTHERS_WRITE, lambda schema: schema["required"].append("bootId"))))
    found = breaks_between(LAST, tmp_path / "next")
    assert ("Binding", "the message is gone") in found
    assert ("Telemetry: $.bootId", "the field is required now") in found
    assert len(found) == 2


ACCEPTS_LESS: dict[str, Change] = {
    "a field removed": lambda schema: schema["properties"].pop("eventId"),
    "a required field removed": lambda schema: (
        schema["properties"].pop("lastShutdownClean"),
        schema["required"].remove("lastShutdownClean"),
    ),
    "a field newly required": lambda schema: schema["required"].append("kind"),
    "a new field that is required": lambda schema: (
        schema["properties"].update(fresh={"type": "string"}),
        schema["required"].append("fresh"),
    ),
    "a type changed": lambda schema: field(schema, "lastShutdownClean").update(type="string"),
    "a number narrowed to an integer": lambda schema: field(schema, "uptimeSeconds")["anyOf"][0].update(type="integer"),
    "null no longer taken": lambda schema: field(schema, "bootId")["anyOf"].pop(),
    "a maximum length lowered": lambda schema: field(schema, "bootId")["anyOf"][0].update(maxLength=64),
    "a minimum length raised": lambda schema: field(schema, "bootId")["anyOf"][0].update(minLength=2),
    "a bound where there was none": lambda schema: field(schema, "uptimeSeconds")["anyOf"][0].update(minimum=0),
    "a pattern changed": lambda schema: field(schema, "nodeId").update(pattern="^[a-z]{1,128}$"),
    "a format changed": lambda schema: field(schema, "observedAt").update(format="date"),
    "an enum value gone": lambda schema: schema["$defs"]["TelemetryKind"]["enum"].pop(),
    "values of a map narrowed": lambda schema: field(schema, "metrics")["anyOf"][0]["additionalProperties"].update(
        type="integer"
    ),
    "other fields forbidden": lambda schema: schema.update(additionalProperties=False),
    "a rule across fields": lambda schema: schema.update(allOf=[{"required": ["kind"]}]),
    "a keyword that nobody compares": lambda schema: field(schema, "metrics")["anyOf"][0].update(maxProperties=3),
}

ACCEPTS_MORE: dict[str, Change] = {
    "a maximum length raised": lambda schema: field(schema, "bootId")["anyOf"][0].update(maxLength=256),
    "an enum value more": lambda schema: schema["$defs"]["TelemetryKind"]["enum"].append("wake"),
    "a field no longer required": lambda schema: schema["required"].remove("lastShutdownClean"),
    "another type beside": lambda schema: field(schema, "bootId")["anyOf"].append({"type": "integer"}),
    "null taken": lambda schema: schema["properties"].update(
        lastShutdownClean={"anyOf": [{"type": "boolean"}, {"type": "null"}]}
    ),
}

HARMLESS: dict[str, Change] = {
    "an optional field more": lambda schema: schema["properties"].update(fresh={"type": "string"}),
    "another description": lambda schema: field(schema, "nodeId").update(description="Who."),
    "another example": lambda schema: schema.update(examples=[{}]),
}

PROMISES_LESS: dict[str, Change] = {
    "a field removed": lambda schema: schema["properties"].pop("exemptUntil"),
    "a field that may be absent now": lambda schema: schema["required"].remove("signals"),
    "an enum value that old readers do not know": lambda schema: schema["$defs"]["NodeStatus"]["enum"].append("held"),
    "an enum value gone": lambda schema: schema["$defs"]["SignalKind"]["enum"].pop(),
    "a type changed": lambda schema: field(schema, "score").update(type="number"),
    "a type changed deep inside": lambda schema: schema["$defs"]["Evidence"]["properties"]["offset"].update(
        type="string"
    ),
    "another type beside": lambda schema: field(schema, "exemptUntil")["anyOf"].append({"type": "integer"}),
    "a maximum raised": lambda schema: field(schema, "score").pop("maximum"),
    "a minimum lowered": lambda schema: field(schema, "policyVersion").update(minimum=0),
    "a minimum raised, which old rows do not keep": lambda schema: field(schema, "score").update(minimum=1),
    "a pattern dropped": lambda schema: field(schema, "nodeId").pop("pattern"),
    "items of a list changed": lambda schema: field(schema, "signals").update(items={"type": "string"}),
}


def names(changes: dict[str, Change]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("change", changes.values(), ids=changes.keys())


@names(ACCEPTS_LESS)
def test_what_others_write_must_still_be_accepted(change: Change) -> None:
    assert breaks(OTHERS_WRITE, changed(OTHERS_WRITE, change), written_by_kordon=False)


@names(ACCEPTS_MORE | HARMLESS)
def test_what_others_write_may_be_accepted_more_widely(change: Change) -> None:
    assert not breaks(OTHERS_WRITE, changed(OTHERS_WRITE, change), written_by_kordon=False)


@names(ACCEPTS_MORE | ACCEPTS_LESS)
def test_what_kordon_writes_may_become_neither_wider_nor_narrower(change: Change) -> None:
    assert breaks(OTHERS_WRITE, changed(OTHERS_WRITE, change), written_by_kordon=True)


@names(PROMISES_LESS)
def test_what_kordon_writes_stays_what_readers_were_promised(change: Change) -> None:
    assert breaks(KORDON_WRITES, changed(KORDON_WRITES, change), written_by_kordon=True)


@names(HARMLESS)
def test_what_kordon_writes_may_gain_an_optional_field(change: Change) -> None:
    assert not breaks(KORDON_WRITES, changed(KORDON_WRITES, change), written_by_kordon=True)


def test_a_break_says_where_it_is() -> None:
    def change(schema: dict[str, Any]) -> None:
        schema["$defs"]["Evidence"]["properties"]["offset"]["type"] = "string"

    found = breaks(KORDON_WRITES, changed(KORDON_WRITES, change), written_by_kordon=True)
    assert ("$.signals[].evidence.offset", "its type was integer and is string") in found


def test_each_message_is_judged_by_who_writes_it() -> None:
    schemas = read_schemas(installed())
    ours = {name for name, contract in CONTRACTS.items() if contract.written_by_kordon}
    assert set(schemas) == set(CONTRACTS)
    assert set(CONTRACTS) - ours == {"Telemetry", "NetworkObservation", "Command", "RegistryRecord", "RequestClaims"}
    wider = copy.deepcopy(schemas)
    for name in ("Telemetry", "RiskRow"):
        wider[name]["properties"]["nodeId"].pop("pattern")
    assert [place for place, _ in contract_breaks(schemas, wider)] == ["RiskRow: $.nodeId"]


def document_change(change: Change) -> list[Any]:
    document = read_document(installed())
    return topic_breaks(document, changed(document, change))


TOPIC_BREAKS: dict[str, Change] = {
    "a topic gone": lambda document: document["channels"].pop("node.risk.v1"),
    "another name": lambda document: document["channels"]["node.risk.v1"].update(address="{prefix}risk.v1"),
    "compacted now": lambda document: document["channels"]["node.registry.v1"]["bindings"]["kafka"][
        "topicConfiguration"
    ].update({"cleanup.policy": ["compact"]}),
    "another message": lambda document: document["channels"]["node.risk.v1"].update(messages={}),
    "another content type": lambda document: document["components"]["messages"]["node-risk"].update(
        contentType="application/cbor"
    ),
    "another key": lambda document: document["components"]["messages"]["node-risk"]["bindings"]["kafka"].update(key={}),
    "a header gone": lambda document: document["components"]["messages"]["node-telemetry-dlq"]["headers"][
        "properties"
    ].pop("__streams.errors.offset"),
    "a header newly required": lambda document: document["components"]["messages"]["capsule-requests"][
        "headers"
    ].update(required=["reply-to"]),
    "a longer request refused": lambda document: document["components"]["messages"]["capsule-requests"][
        "payload"
    ].update(maxLength=1024),
    "correlated elsewhere": lambda document: document["components"]["messages"]["capsule-replies"][
        "correlationId"
    ].update(location="$message.header#/id"),
    "an operation gone": lambda document: document["operations"].pop("receive-node-telemetry"),
    "no reply": lambda document: document["operations"]["receive-capsule-requests"].pop("reply"),
}


@names(TOPIC_BREAKS)
def test_topics_keys_headers_and_operations_stay(change: Change) -> None:
    assert document_change(change)


def test_a_new_topic_and_another_retention_are_no_break() -> None:
    def change(document: dict[str, Any]) -> None:
        document["channels"]["node.telemetry.v2"] = document["channels"]["node.telemetry.v1"]
        document["channels"]["node.telemetry.v1"]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] = 1
        document["channels"]["node.telemetry.v1"]["bindings"]["kafka"]["partitions"] = 24

    assert not document_change(change)
    assert (installed() / ASYNCAPI).exists()
