"""Whether a new AsyncAPI document keeps the topics, keys, headers and operations of an old one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kordon.contracts.compatibility import Break, breaks

Document = Mapping[str, Any]


def topic_breaks(old: Document, new: Document) -> list[Break]:
    """Return what a new document breaks of an old one, the payloads of JSON messages left out."""
    return [*_channels(old, new), *_operations(old, new)]


def _channels(old: Document, new: Document) -> Iterator[Break]:
    for name, was in old["channels"].items():
        now = new["channels"].get(name)
        if now is None:
            yield Break(name, "the topic is gone")
            continue
        if was["address"] != now["address"]:
            yield Break(name, f"its address was {was['address']} and is {now['address']}")
        if _cleanup(was) != _cleanup(now):
            yield Break(name, f"its cleanup was {_cleanup(was)} and is {_cleanup(now)}")
        for message in was["messages"]:
            if message not in now["messages"]:
                yield Break(name, f"its message {message} is gone")
            else:
                ours = _sent_by_kordon(old, name)
                yield from _messages(f"{name}: {message}", _message(old, message), _message(new, message), ours=ours)


def _messages(place: str, old: Document, new: Document, *, ours: bool) -> Iterator[Break]:
    if old["contentType"] != new["contentType"]:
        yield Break(place, f"its content type was {old['contentType']} and is {new['contentType']}")
    parts = [(part, old.get(part, {}), new.get(part, {})) for part in ("headers",)]
    parts += [("key", *(each.get("bindings", {}).get("kafka", {}).get("key", {}) for each in (old, new)))]
    if "$ref" not in old["payload"]:  # JSON messages are compared by their own documents
        parts += [("payload", old["payload"], new["payload"])]
    for part, was, now in parts:
        for broken in breaks(was, now, written_by_kordon=ours):
            yield Break(f"{place} {part} {broken.place}", broken.reason)
    if old.get("correlationId", {}).get("location") != new.get("correlationId", {}).get("location"):
        yield Break(place, "its correlation id is elsewhere")


def _operations(old: Document, new: Document) -> Iterator[Break]:
    for name, was in old["operations"].items():
        now = new["operations"].get(name)
        if now is None:
            yield Break(name, "the operation is gone")
        elif (was["action"], was["channel"]) != (now["action"], now["channel"]):
            yield Break(name, "it is another operation now")
        elif _reply(was) != _reply(now):
            yield Break(name, "its reply goes elsewhere")


def _cleanup(channel: Document) -> Any:
    return channel.get("bindings", {}).get("kafka", {}).get("topicConfiguration", {}).get("cleanup.policy")


def _message(document: Document, name: str) -> Document:
    found: Document = document["components"]["messages"][name]
    return found


def _sent_by_kordon(document: Document, channel: str) -> bool:
    here = {"$ref": f"#/channels/{channel}"}
    return any(each["action"] == "send" and each["channel"] == here for each in document["operations"].values())


def _reply(operation: Document) -> tuple[Any, Any]:
    reply = operation.get("reply", {})
    return reply.get("address", {}).get("location"), reply.get("channel")
