"""The fold against a second, independent reading of the design's words (:mod:`tests.unit.policy.second_reading`).

Stories are hostile: times around every bound by a millisecond, in every spelling, and records that must be refused.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.admission import Rejection
from policy.fleet import Fleet
from policy.policy_file import default_policy
from policy.risk import Folded, Late
from schemas.codec import encode
from tests.unit.policy import second_reading
from tests.unit.policy.second_reading import Json, Reading, Record, wire

CASES = sorted((Path(__file__).parents[2] / "cases" / "risk").glob("*.json"))
START = 1_795_464_000_000
"""2026-11-23T20:00:00Z."""


def first_reading(story: list[Record]) -> Reading:
    """The same records through policy.fleet, said in the same shape."""
    fleet = Fleet(default_policy())
    transitions: list[Json] = []
    rejected = late = 0
    for record in story:
        outcome = fleet.fold(*record)
        rejected += isinstance(outcome, Rejection)
        late += isinstance(outcome, Late)
        if isinstance(outcome, Folded) and outcome.transition is not None:
            transitions.append(json.loads(encode(outcome.transition)))
    rows = {node: unpadded(json.loads(encode(row))) for node, row in fleet.rows.items()}
    return Reading(rows, transitions, rejected, late)


def unpadded(row: Json) -> Json:
    """A row without an empty network: it says what an absent one says."""
    return {name: content for name, content in row.items() if content != {}}


def said(reading: Reading) -> Reading:
    return Reading(wire(reading.rows), wire(reading.transitions), reading.rejected, reading.late)


# How a time may be written: the same millisecond in other words.


def spelled(millis: int, digits: str, zone: str) -> str:
    """RFC 3339 for a time, with digits beyond its milliseconds and in a zone; short where milliseconds are zero."""
    offset = 0 if zone in "Zz" else int(zone[:3]) * 60 + int(zone[0] + zone[4:])
    moment = dt.datetime.fromtimestamp((millis // 1000) + offset * 60, dt.UTC).replace(tzinfo=None)
    fraction = f".{millis % 1000:03d}{digits}" if millis % 1000 or digits else ""
    between = "t" if zone == "z" else "T"
    return moment.isoformat(between, "seconds") + fraction + zone


spellings = st.tuples(
    st.sampled_from(["", "", "9", "999999", "000"]), st.sampled_from(["Z", "Z", "z", "+02:00", "-05:30", "-00:00"])
)
nodes = st.sampled_from(["n1", "n1", "n1", "n2"])
steps = st.tuples(st.integers(0, 12), st.sampled_from([-1, 0, 0, 0, 1])).map(
    lambda step: START + step[0] * 100_000 + step[1]
)
delays = st.sampled_from([0, 0, 0, 1, 1000, 299_999, 300_000, 300_001, 100_000, 101_000, -1000, -299_999, -300_000])
HOME = {"ip": "192.0.2.1", "asn": 64500, "region": "eu-west"}
AWAY = {"ip": "192.0.2.2", "asn": 64501, "region": "us-east"}
places = st.one_of(
    st.just(HOME),
    st.just(AWAY),
    st.sampled_from([AWAY | {"ip": "::FFFF:c000:201"}, HOME | {"region": "us-east"}, HOME | {"asn": 64501}]),
    st.fixed_dictionaries(
        {},
        optional={
            "ip": st.sampled_from(["::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:DB8:0:0::1", None]),
            "asn": st.sampled_from([64500, 64501, 1, 4_294_967_295, None]),
            "region": st.sampled_from(["eu-west", "us-east", "EU-WEST", "é", "e\u0301", "\U0001f30d" * 128, None]),
        },
    ),
)


@st.composite
def observations(draw: st.DrawFn) -> tuple[str, int, Json]:
    arrives = draw(steps)
    message = {"observedAt": spelled(arrives - draw(delays), *draw(spellings))} | draw(places)
    return "node.network.v1", arrives, message


@st.composite
def reports(draw: st.DrawFn) -> tuple[str, int, Json]:
    arrives = draw(steps)
    message: Json = {
        "observedAt": spelled(arrives - draw(delays), *draw(spellings)),
        "lastShutdownClean": draw(st.booleans()),
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "bootId": st.sampled_from(["b1", "b2", "b3", None]),
        "kind": st.sampled_from(["boot", "heartbeat", "shutdown", None]),
        "metrics": st.sampled_from([{}, {"load": 1}, {"load": 0.5, "": -1e300}, None]),
        "fingerprint": st.sampled_from(["AB" * 16, "0f" * 64, None]),
        "uptimeSeconds": st.sampled_from([0, 0.5, 10**20, None]),
    }
    return "node.telemetry.v1", arrives, message | draw(st.fixed_dictionaries({}, optional=optional))


@st.composite
def commands(draw: st.DrawFn) -> tuple[str, int, Json]:
    arrives = draw(steps)
    action = draw(st.sampled_from(["release", "release", "quarantine", "exempt", "exempt", "unexempt"]))
    message: Json = {
        "commandId": draw(st.sampled_from(["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"])),
        "action": action,
        "actor": "ops@example.org",
        "reason": draw(st.sampled_from(["checked on site", "\n", "r" * 1024])),
        "issuedAt": spelled(draw(st.one_of(st.just(START), st.just(arrives - draw(delays)))), *draw(spellings)),
    }
    ends = draw(st.one_of(steps, steps.map(lambda step: step + 600_000), st.none()))
    if ends is not None or draw(st.booleans()):
        message["expiresAt"] = ends if ends is None else spelled(ends, *draw(spellings))
    return "node.commands.v1", arrives, message


@st.composite
def decisions(draw: st.DrawFn) -> tuple[str, int, Json]:
    arrives = draw(steps)
    denied = draw(st.booleans())
    reasons = ["NETWORK_POLICY_VIOLATION"] * 4 + ["FINGERPRINT_MISMATCH", "NODE_QUARANTINED", None]
    message: Json = {
        "requestId": "request-0000000000000000",
        "requestDigest": "0" * 64,
        "decidedAt": spelled(arrives - draw(delays), *draw(spellings)),
        "denied": denied,
        "riskRevision": draw(st.one_of(st.integers(0, 6), st.integers(0, 24))),
    }
    if denied:
        message["reason"] = draw(st.sampled_from(reasons))
    some = st.sampled_from([{"region": "us-east"}, {"asn": 64501, "region": "us-east"}, {"ip": "192.0.2.2"}])
    for name in ("current", "claims"):
        message |= draw(st.fixed_dictionaries({}, optional={name: st.one_of(some, places, st.none())}))
    if draw(st.booleans()):
        message |= {"capsuleId": draw(st.sampled_from(["0" * 32, "1" * 32])), "expiresUtc": "2026-11-24T20:00:00Z"}
    return "capsule.decisions.v1", arrives, message


# What must be refused, or must not matter. A value that is absent from these lists is one the design is silent on.

ABSENT = object()
TIMES_REFUSED = (
    None,
    1_795_464_000_000,
    "",
    "2026-11-23T20:00:00",
    "2026-11-23 20:00:00Z",
    "2026-11-23T20:00:00.Z",
    "2026-11-23T20:00:00,5Z",
    "2026-11-23T20:00Z",
    "2026-11-23T20:00:00+0200",
    "2026-11-23T20:00:00+24:00",
    "2026-11-23T20:00:00+23:60",
    "2026-11-23T24:00:00Z",
    "2026-02-29T20:00:00Z",
    "2026-11-23T20:00:00Z\n",
    "\uff12026-11-23T20:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-00:01",
)
IDENTIFIERS_REFUSED: tuple[Any, ...] = ("", "x" * 129, "\U0001f30d" * 129, 1, True, [], {})
REFUSED: dict[str, list[tuple[str, tuple[Any, ...]]]] = {
    "node.network.v1": [
        ("observedAt", TIMES_REFUSED),
        (
            "ip",
            ("", "192.0.2.01", "192.0.2.1/32", " 192.0.2.1", "fe80::1%eth0", "::ffff:192.0.2.1%1", "1", 1, "::1\n", []),
        ),
        ("asn", (0, -1, 4_294_967_296, 10**400, 64500.5, "64500", True, [], {})),
        ("region", IDENTIFIERS_REFUSED),
        ("eventId", IDENTIFIERS_REFUSED),
        ("observer", IDENTIFIERS_REFUSED),
    ],
    "node.telemetry.v1": [
        ("observedAt", TIMES_REFUSED),
        ("lastShutdownClean", (None, ABSENT, 0, 1, "true", [])),
        ("bootId", IDENTIFIERS_REFUSED),
        ("kind", ("", "Boot", "reboot", 1, True)),
        ("metrics", ([], "", {"load": "1"}, {"load": True}, 1)),
        ("fingerprint", ("", "a" * 31, "a" * 129, "g" * 32, "a" * 32 + "\n", 1)),
        ("agentVersion", ("", "x" * 65, "1 0", "1.0\n", "\u0661", 1)),
        ("uptimeSeconds", ("1", True, [])),
    ],
    "node.commands.v1": [
        ("issuedAt", TIMES_REFUSED),
        ("commandId", (None, ABSENT, *IDENTIFIERS_REFUSED)),
        ("actor", (None, ABSENT, *IDENTIFIERS_REFUSED)),
        ("action", (None, ABSENT, "", "Release", "revoke", 1)),
        ("reason", (None, ABSENT, 1, [])),
        ("expiresAt", (1, "", "tomorrow", "1999-01-01T00:00:00Z")),
    ],
    "capsule.decisions.v1": [
        ("decidedAt", (None, ABSENT, "yesterday")),
        ("denied", (None, ABSENT, 0, "false")),
        ("riskRevision", (None, ABSENT, -1, 1.5, "1", True)),
        ("requestId", (None, ABSENT, "short", "x" * 65, "request 0000000000000000")),
        ("current", ([], "", {"asn": 0}, {"ip": "300.1.1.1"}, {"region": ""})),
        ("claims", (1, {"asn": "1"}, {"ip": "fe80::1%eth0"}, {"region": 1})),
    ],
}
NOT_A_MESSAGE = (None, b"", b"null", b"[]", b'"n1"', b"{not json", b'{"nodeId": "n1"', b"\xff", b"\xef\xbb\xbf{}")
KEYS_REFUSED = (None, b"", b"n3", b"N1", b"n1\n", b"\xff", b"n1\x00")
NODE_IDS_REFUSED: tuple[Any, ...] = (None, ABSENT, "", "n 1", "n1\n", "n/1", "x" * 129, "\u00e9", 1, [])
UNKNOWN: tuple[Json, ...] = ({}, {}, {}, {"issuedAt": "2099-01-01T00:00:00Z"}, {"x": {"nodeId": ["n3"]}}, {"n\n": None})


def patched(message: Json, field: str, content: Any) -> Json:
    kept = {name: each for name, each in message.items() if name != field}
    return kept if content is ABSENT else kept | {field: content}


@st.composite
def hostile_records(draw: st.DrawFn, kind: st.SearchStrategy[tuple[str, int, Json]]) -> Record:
    topic, arrives, message = draw(kind)
    node: Any = draw(nodes)
    key: bytes | None = node.encode()
    fault = draw(st.sampled_from([*["none"] * 24, "field", "field", "key", "nodeId", "value"]))
    if fault == "field":
        field, contents = draw(st.sampled_from(REFUSED[topic]))
        message = patched(message, field, draw(st.sampled_from(contents)))
    if fault == "key":
        key = draw(st.sampled_from(KEYS_REFUSED))
    if topic != "node.commands.v1":
        message = draw(st.sampled_from(UNKNOWN)) | message
    message = {"nodeId": node} | message
    if fault == "nodeId":
        wrong = draw(st.sampled_from(NODE_IDS_REFUSED))
        message = patched(message, "nodeId", wrong)
        key = str(wrong).encode()
    value = draw(st.sampled_from(NOT_A_MESSAGE)) if fault == "value" else json.dumps(message).encode()
    return Record(topic, 0, 0, arrives, key, value)


kinds: list[Callable[[], st.SearchStrategy[tuple[str, int, Json]]]] = [
    observations,
    observations,
    reports,
    reports,
    commands,
    decisions,
    decisions,
]
records = st.one_of([hostile_records(kind()) for kind in kinds])


def by_time(story: list[Record]) -> list[Record]:
    return sorted(story, key=lambda record: record.timestamp)


def placed(story: list[Record]) -> list[Record]:
    return [record._replace(offset=offset) for offset, record in enumerate(story)]


def opened(topic: str, seconds_before: int, message: Json) -> Record:
    arrives = START - seconds_before * 1000
    spoken = "issuedAt" if topic == "node.commands.v1" else "observedAt"
    value = {"nodeId": "n1", spoken: spelled(arrives, "", "Z")} | message
    return Record(topic, 0, 0, arrives, b"n1", json.dumps(value).encode())


AT_HOME = opened("node.network.v1", 50, HOME)
EXEMPTED = opened(
    "node.commands.v1",
    40,
    {
        "commandId": "c0",
        "action": "exempt",
        "actor": "ops@example.org",
        "reason": "being moved",
        "expiresAt": spelled(START + 600_000, "", "Z"),
    },
)
GONE_AWAY = opened("node.network.v1", 30, AWAY)
STOPPED = opened("node.telemetry.v1", 20, {"lastShutdownClean": False, "bootId": "b1"})
HALF_AWAY = opened("node.network.v1", 30, {"ip": "192.0.2.2", "asn": 64501})
openings = st.sampled_from(
    [
        [],
        [AT_HOME],
        [AT_HOME, HALF_AWAY],
        [AT_HOME, EXEMPTED],
        [AT_HOME, EXEMPTED, GONE_AWAY],
        [AT_HOME, EXEMPTED, HALF_AWAY, STOPPED],
    ]
)
"""How a story may begin, so that what follows meets a node that is known, exempt, or both and far from home."""

short = st.lists(records, max_size=6)
long = st.lists(records, min_size=8, max_size=24)
stories = st.builds(
    lambda opening, story: placed([*opening, *story]), openings, st.one_of(short, short.map(by_time), long.map(by_time))
)


@settings(max_examples=300, deadline=None)
@given(stories)
def test_both_readings_of_the_design_come_to_the_same(story: list[Record]) -> None:
    assert first_reading(story) == said(second_reading.read(story))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_second_reading_satisfies_the_case(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text())
    story = [
        Record(
            line["topic"], line["partition"], line["offset"], line["ts"], line["key"].encode(), line["payload"].encode()
        )
        for line in case["records"]
    ]
    reading = second_reading.read(story)
    assert {
        "rows": {
            node: [
                row["status"],
                row["score"],
                sorted(signal["kind"] for signal in row["signals"]),
                row.get("quarantine", {}).get("cause"),
                row["revision"],
            ]
            for node, row in reading.rows.items()
        },
        "transitions": [
            [each[name] for name in ("nodeId", "from", "to", "score", "cause")] for each in reading.transitions
        ],
        "rejected": reading.rejected,
        "late": reading.late,
    } == case["expect"]
    assert first_reading(story) == said(reading)
