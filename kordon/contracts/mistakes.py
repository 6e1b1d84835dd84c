"""Mistakes that producers make, and what Kordon's rules really say to each."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from policy.admission import Rejection
from policy.fleet import Fleet
from policy.policy_file import default_policy
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, TELEMETRY

WRITTEN_AT: Final = Timestamp.parse("2026-03-02T08:00:00Z")
NODE: Final = "cobalt"

_REPORT: Final = {"nodeId": NODE, "observedAt": "2026-03-02T08:00:00Z", "lastShutdownClean": True}
_SEEN: Final = {"nodeId": NODE, "observedAt": "2026-03-02T08:00:00Z"}


class Mistake(NamedTuple):
    """A record that is rejected. ``what`` is wrong with it, in the words of who made it."""

    what: str
    topic: str
    value: bytes
    key: str | None = NODE
    timestamp: int = WRITTEN_AT


def _report(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (_REPORT | changes).items() if value is not ...}).encode()


def _seen(**changes: Any) -> bytes:
    return json.dumps(_SEEN | changes).encode()


MISTAKES: Final = (
    Mistake("a field is missing", TELEMETRY, _report(lastShutdownClean=...)),
    Mistake('`"true"` for `true`', TELEMETRY, _report(lastShutdownClean="true")),
    Mistake("milliseconds for RFC 3339", TELEMETRY, _report(observedAt=1772438400000)),
    Mistake("a time without a zone", TELEMETRY, _report(observedAt="2026-03-02T08:00:00")),
    Mistake("a word for a number", TELEMETRY, _report(metrics={"load1": "high"})),
    Mistake("a short fingerprint", TELEMETRY, _report(fingerprint="5f5f")),
    Mistake("an empty string", TELEMETRY, _report(bootId="")),
    Mistake("a space in a node id", TELEMETRY, _report(nodeId="cobalt 1"), "cobalt 1"),
    Mistake("neither ip, asn nor region", NETWORK, _seen()),
    Mistake("an address with a zone", NETWORK, _seen(ip="fe80::1%eth0")),
    Mistake("`64500.0` for `64500`", NETWORK, _seen(asn=64500.0)),
    Mistake("an AS number of 0", NETWORK, _seen(asn=0)),
    Mistake("half a document", TELEMETRY, _report()[:20]),
    Mistake("a schema registry's five bytes in front", TELEMETRY, b"\x00\x00\x00\x00\x07" + _report()),
    Mistake("no key", TELEMETRY, _report(), None),
    Mistake("a key in JSON's quotes", TELEMETRY, _report(), f'"{NODE}"'),
    Mistake("a clock six minutes fast", TELEMETRY, _report(observedAt="2026-03-02T08:06:00Z")),
    Mistake("no timestamp", TELEMETRY, _report(), timestamp=-1),
)


def said_of(mistake: Mistake) -> Rejection:
    """Return what becomes of a mistake."""
    outcome = Fleet(default_policy()).fold(mistake.topic, 0, 0, mistake.timestamp, mistake.key, mistake.value)
    assert isinstance(outcome, Rejection), mistake
    return outcome
