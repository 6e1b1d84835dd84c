"""Section 5 of the design read a second time: plain, slow, from its text alone, with the standard library alone.

It imports nothing of policy/ or schemas/, so a rule misread there is not misread here by the same hand. What one has
and the other lacks is a finding: the design's words decide. Rows are dictionaries under the wire's names, without the
optional fields that are absent. Times are milliseconds since the epoch; `wire` writes them as the wire does.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

Json = dict[str, Any]

POINTS = {"ipChanged": 20, "asnChanged": 40, "regionChanged": 50, "abruptStop": 80}
THRESHOLD = 80
WINDOW = 300_000
POLICY_VERSION = 1
SCHEMA_VERSION = 1
NETWORK_FIELDS = ("ip", "asn", "region")


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Reading(NamedTuple):
    rows: dict[str, Json]
    transitions: list[Json]
    rejected: int
    late: int


class Unacceptable(Exception):  # noqa: N818 - it is an answer, not a fault
    pass


def require(condition: object) -> None:
    if not condition:
        raise Unacceptable


# Section 3 and 4: what a message is.


def no_such_number(_: str) -> float:
    raise Unacceptable  # NaN and Infinity are Python's JSON, not RFC 8259's


def json_object(value: bytes | None) -> Json:
    require(value is not None)
    assert value is not None
    try:
        read = json.loads(value.decode("utf-8"), parse_constant=no_such_number)
        json.dumps(read, ensure_ascii=False).encode("utf-8")  # a lone surrogate is no character
    except (ValueError, RecursionError) as error:
        raise Unacceptable from error
    require(isinstance(read, dict))
    present: Json = {name: content for name, content in read.items() if content is not None}
    return present


def text(content: object, pattern: str = "(?s:.*)") -> str:
    require(isinstance(content, str) and re.fullmatch(pattern, content))
    assert isinstance(content, str)
    return content


def identifier(content: object) -> str:
    return text(content, "(?s:.{1,128})")


def number(content: object) -> float:
    require(isinstance(content, int | float) and not isinstance(content, bool))
    assert isinstance(content, int | float)
    return content


def whole(content: object, least: int, most: int) -> int:
    read = number(content)
    require(isinstance(read, int) and least <= read <= most)
    return int(read)


def boolean(content: object) -> bool:
    require(isinstance(content, bool))
    assert isinstance(content, bool)
    return content


def fingerprint(content: object) -> str:
    require(isinstance(content, str))
    assert isinstance(content, str)
    return text(content.lower(), "[0-9a-f]{32,128}")


def address(content: object) -> str:
    read = text(content)
    require("%" not in read)
    try:
        parsed = ipaddress.ip_address(read)
    except ValueError as error:
        raise Unacceptable from error
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


RFC_3339 = (
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


def time(content: object) -> int:
    require(isinstance(content, str))
    assert isinstance(content, str)
    parts = re.fullmatch(RFC_3339, content)
    require(parts)
    assert parts is not None
    year, month, day, hour, minute, second = (int(part) for part in parts.groups()[:6])
    fraction = ((parts[7] or "") + "000")[:3]
    offset_hours, offset_minutes = int(parts[9] or 0), int(parts[10] or 0)
    require(offset_hours < 24 and offset_minutes < 60)
    offset = (offset_hours * 60 + offset_minutes) * (-1 if parts[8] == "-" else 1)
    try:
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError as error:
        raise Unacceptable from error
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    millis = (since.days * 86_400 + since.seconds - offset * 60) * 1000 + int(fraction)
    require(-62_135_596_800_000 <= millis <= 253_402_300_799_999)  # the years 1 to 9999, as far as RFC 3339 can say
    return millis


def network(content: object) -> Json:
    """The ip, asn and region that are present, compared in canonical form."""
    require(isinstance(content, dict))
    assert isinstance(content, dict)
    read: Json = {}
    if content.get("ip") is not None:
        read["ip"] = address(content["ip"])
    if content.get("asn") is not None:
        read["asn"] = whole(content["asn"], 1, 4_294_967_295)
    if content.get("region") is not None:
        read["region"] = identifier(content["region"])
    return read


def optional(message: Json, name: str, check: Any, *arguments: Any) -> None:
    if name in message:
        message[name] = check(message[name], *arguments)


def required(message: Json, name: str, check: Any, *arguments: Any) -> None:
    require(name in message)
    optional(message, name, check, *arguments)


def metrics(content: object) -> object:
    require(isinstance(content, dict))
    assert isinstance(content, dict)
    for measured in content.values():
        number(measured)
    return content


def telemetry(message: Json) -> None:
    required(message, "observedAt", time)
    required(message, "lastShutdownClean", boolean)
    optional(message, "eventId", identifier)
    optional(message, "bootId", identifier)
    optional(message, "kind", text, "boot|heartbeat|shutdown")
    optional(message, "uptimeSeconds", number)
    optional(message, "agentVersion", text, "[A-Za-z0-9._+-]{1,64}")
    optional(message, "fingerprint", fingerprint)
    optional(message, "metrics", metrics)


def observation(message: Json) -> None:
    required(message, "observedAt", time)
    message["seen"] = network({name: message.get(name) for name in NETWORK_FIELDS})
    require(message["seen"])
    optional(message, "eventId", identifier)
    optional(message, "observer", identifier)


def command(message: Json) -> None:
    required(message, "commandId", identifier)
    required(message, "action", text, "release|quarantine|exempt|unexempt")
    required(message, "actor", identifier)
    required(message, "reason", text)
    required(message, "issuedAt", time)
    optional(message, "expiresAt", time)
    require(message["action"] != "exempt" or "expiresAt" in message)


def decision(message: Json) -> None:
    required(message, "requestId", text, "[A-Za-z0-9_-]{16,64}")
    required(message, "requestDigest", text, "[0-9a-f]{64}")
    required(message, "decidedAt", time)
    required(message, "denied", boolean)
    required(message, "riskRevision", whole, 0, 2**63 - 1)
    optional(message, "current", network)
    optional(message, "claims", network)
    optional(message, "reason", text)
    optional(message, "riskScore", whole, 0, 2**63 - 1)
    optional(message, "capsuleId", text, "[0-9a-f]{32}")
    optional(message, "expiresUtc", text, "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
    optional(message, "masterId", identifier)
    optional(message, "fingerprint", fingerprint)
    optional(message, "runtimeVersion", text, "[A-Za-z0-9._+-]{1,64}")


CHECKS = {
    "node.telemetry.v1": telemetry,
    "node.network.v1": observation,
    "node.commands.v1": command,
    "capsule.decisions.v1": decision,
}


def accept(record: Record) -> Json:
    """The message of a record that is accepted; `Unacceptable` for one that goes to the dead-letter topic."""
    require(record.topic in CHECKS)
    message = json_object(record.value)
    required(message, "nodeId", text, "[A-Za-z0-9._-]{1,128}")
    require(record.key == message["nodeId"].encode())
    CHECKS[record.topic](message)
    spoken = {"node.telemetry.v1": "observedAt", "node.network.v1": "observedAt", "node.commands.v1": "issuedAt"}
    if record.topic in spoken:
        require(message[spoken[record.topic]] - record.timestamp <= WINDOW)
    if record.topic == "node.commands.v1" and "expiresAt" in message:
        require(record.timestamp < message["expiresAt"])
    return message


# Section 5: what a record does to a row.


def new_row(node: str) -> Json:
    return {
        "schemaVersion": SCHEMA_VERSION,
        "nodeId": node,
        "status": "active",
        "score": 0,
        "signals": [],
        "revision": 0,
        "policyVersion": POLICY_VERSION,
        "updatedAt": 0,
        "baseline": {},
        "current": {},
        "baselineRevision": 0,
    }


def is_late(row: Json, record: Record, message: Json) -> bool:
    if record.topic == "node.network.v1":
        return bool("lastNetworkAt" in row and message["observedAt"] < row["lastNetworkAt"])
    if record.topic == "node.telemetry.v1":
        return bool("lastTelemetryAt" in row and message["observedAt"] < row["lastTelemetryAt"])
    if record.topic == "node.commands.v1":
        older = "lastCommandAt" in row and message["issuedAt"] < row["lastCommandAt"]
        return bool(older or row.get("lastCommandId") == message["commandId"])
    return False


def evidence(record: Record) -> Json:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def signals_of(row: Json, current: Json, record: Record) -> list[Json]:
    """The raised signals in the table's order; one keeps its raisedAt and evidence until its `to` changes."""
    before = {signal["kind"]: signal for signal in row["signals"]}
    raised = []
    for name in NETWORK_FIELDS:
        kind = name + "Changed"
        known = name in row["baseline"] and name in current
        if known and row["baseline"][name] != current[name]:
            signal = {
                "kind": kind,
                "points": POINTS[kind],
                "raisedAt": record.timestamp,
                "from": row["baseline"][name],
                "to": current[name],
                "evidence": evidence(record),
            }
            if kind in before and before[kind]["to"] == current[name]:
                signal["raisedAt"] = before[kind]["raisedAt"]
                signal["evidence"] = before[kind]["evidence"]
            raised.append(signal)
    if "abruptStop" in before:
        raised.append(before["abruptStop"])
    return raised


def rescore(row: Json, record: Record) -> None:
    row["signals"] = signals_of(row, row["current"], record)
    row["score"] = sum(signal["points"] for signal in row["signals"])


def raise_abrupt_stop(row: Json, record: Record, last_boot: str | None, boot: str | None) -> None:
    """Raise it, or leave it as it is if it stands for this boot already.

    The design gives every signal a `from` and a `to` and does not say which those of a boot are; both readings take
    the boot ids, before and after.
    """
    before = [signal for signal in row["signals"] if signal["kind"] == "abruptStop"]
    if before and before[0].get("to") == boot:
        return
    clear_abrupt_stop(row)
    signal = {
        "kind": "abruptStop",
        "points": POINTS["abruptStop"],
        "raisedAt": record.timestamp,
        "from": last_boot,
        "to": boot,
        "evidence": evidence(record),
    }
    row["signals"].append({name: content for name, content in signal.items() if content is not None})


def clear_abrupt_stop(row: Json) -> None:
    row["signals"] = [signal for signal in row["signals"] if signal["kind"] != "abruptStop"]


def transition(row: Json, record: Record, to: str, signals: list[Json], cause: str, by: Json | None = None) -> Json:
    name = f"{row['nodeId']}:{row['revision']}"
    made = {
        "transitionId": hashlib.sha256(name.encode()).hexdigest()[:32],
        "nodeId": row["nodeId"],
        "from": row["status"],
        "to": to,
        "at": record.timestamp,
        "score": sum(signal["points"] for signal in signals),
        "threshold": THRESHOLD,
        "signals": signals,
        "cause": cause,
        "policyVersion": POLICY_VERSION,
        "revision": row["revision"],
    }
    if by is not None:
        made["actor"] = by["actor"]
        made["reason"] = by["reason"]
    row["status"] = to
    if to == "quarantined":
        row["quarantine"] = {
            "transitionId": made["transitionId"],
            "since": record.timestamp,
            "cause": cause,
            "score": made["score"],
        }
        row["capsulesValidFrom"] = row["revision"]
    else:
        del row["quarantine"]
    return made


def observe(row: Json, record: Record, message: Json) -> list[Json]:
    row["lastNetworkAt"] = message["observedAt"]
    row["current"] = row["current"] | message["seen"]
    row["baseline"] = message["seen"] | row["baseline"]
    rescore(row, record)
    return []


def report(row: Json, record: Record, message: Json) -> list[Json]:
    clean = message["lastShutdownClean"]
    last_boot = row.get("lastBootId")
    if "bootId" in message:
        begins = message["bootId"] != last_boot
        row["lastBootId"] = message["bootId"]
    else:
        begins = clean != row.get("lastShutdownClean", True)
    row["lastTelemetryAt"] = message["observedAt"]
    row["lastShutdownClean"] = clean
    if begins and clean:
        clear_abrupt_stop(row)
    if begins and not clean and record.timestamp - message["observedAt"] < WINDOW:
        raise_abrupt_stop(row, record, last_boot, message.get("bootId"))
    rescore(row, record)
    return []


def obey(row: Json, record: Record, message: Json) -> list[Json]:
    row["lastCommandId"] = message["commandId"]
    row["lastCommandAt"] = message["issuedAt"]
    action = message["action"]
    if action == "exempt":
        row["exemptUntil"] = message["expiresAt"]
    if action == "unexempt":
        row.pop("exemptUntil", None)
    if action == "quarantine":
        if row["status"] == "active":
            return [transition(row, record, "quarantined", row["signals"], "operator", message)]
        row["quarantine"]["cause"] = "operator"
    if action == "release":
        row["baseline"] = row["current"]
        row["baselineRevision"] = row["revision"]
        clear_abrupt_stop(row)
        rescore(row, record)
        if row["status"] == "quarantined":
            return [transition(row, record, "active", [], "operator", message)]
    return []


def weigh(row: Json, record: Record, message: Json) -> list[Json]:
    if message["riskRevision"] < row["baselineRevision"] or row["status"] == "quarantined":
        return []
    if not message["denied"]:
        row["baseline"] = row["baseline"] | message.get("current", {})
        row["baselineRevision"] = row["revision"]
        if "capsuleId" in message and "expiresUtc" in message:
            row["lastCapsule"] = {"capsuleId": message["capsuleId"], "expiresUtc": message["expiresUtc"]}
        rescore(row, record)
    elif message.get("reason") == "NETWORK_POLICY_VIOLATION" and "claims" in message and "exemptUntil" not in row:
        claimed = signals_of(row, row["current"] | message["claims"], record)
        if sum(signal["points"] for signal in claimed) >= THRESHOLD:
            return [transition(row, record, "quarantined", claimed, "policy")]
    return []


EFFECTS = {
    "node.telemetry.v1": report,
    "node.network.v1": observe,
    "node.commands.v1": obey,
    "capsule.decisions.v1": weigh,
}


def fold(row: Json, record: Record, message: Json) -> list[Json]:
    """What an accepted record that is not late does, in place; the transitions it causes (none or one)."""
    row["revision"] += 1
    row["updatedAt"] = record.timestamp
    if "exemptUntil" in row and record.timestamp >= row["exemptUntil"]:
        del row["exemptUntil"]
    made = EFFECTS[record.topic](row, record, message)
    if row["status"] == "active" and "exemptUntil" not in row and row["score"] >= THRESHOLD:
        made.append(transition(row, record, "quarantined", row["signals"], "policy"))
    return made


def read(records: Iterable[Record]) -> Reading:
    """The records, folded in the order given."""
    rows: dict[str, Json] = {}
    transitions: list[Json] = []
    rejected = late = 0
    for record in records:
        try:
            message = accept(record)
        except Unacceptable:
            rejected += 1
            continue
        row = rows.get(message["nodeId"]) or new_row(message["nodeId"])
        if is_late(row, record, message):
            late += 1
            continue
        # Through JSON and back, so that no later change reaches what an earlier transition said.
        row = json.loads(json.dumps(row))
        transitions += json.loads(json.dumps(fold(row, record, message)))
        rows[message["nodeId"]] = row
    return Reading(rows, transitions, rejected, late)


TIMES = ("updatedAt", "raisedAt", "at", "since", "exemptUntil", "lastNetworkAt", "lastTelemetryAt", "lastCommandAt")


def wire(content: Any) -> Any:
    """A row or a transition as its topic carries it: times as RFC 3339 in UTC, unknown and default fields left out."""
    if isinstance(content, list):
        return [wire(each) for each in content]
    if not isinstance(content, dict):
        return content
    written = {name: wire_time(each) if name in TIMES else wire(each) for name, each in content.items()}
    return {name: each for name, each in written.items() if (name, each) not in SAYS_NOTHING}


SAYS_NOTHING: tuple[tuple[str, object], ...] = (("baseline", {}), ("current", {}), ("baselineRevision", 0))


def wire_time(millis: int) -> str:
    second, fraction = divmod(millis, 1000)
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=second)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}.{fraction:03d}Z"
