"""Short ways to say a record, and Hypothesis strategies for them."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from policy.admission import Rejection
from policy.fleet import Fleet
from policy.policy_file import Policy, default_policy
from policy.risk import Folded, Late
from schemas.quarantine import QuarantineTransition
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, DECISIONS, NETWORK, TELEMETRY

START = Timestamp.parse("2026-11-23T20:00:00Z")


def at(second: float) -> str:
    return str(Timestamp(START + round(second * 1000)))


@dataclass(frozen=True)
class Record:
    topic: str
    timestamp: int
    key: str | None
    value: bytes | None


def record(topic: str, second: float, value: dict[str, Any], key: str = "n1") -> Record:
    return Record(topic, START + round(second * 1000), key, json.dumps({"nodeId": key} | value).encode())


def seen(second: float, *, key: str = "n1", arrives: float | None = None, **place: Any) -> Record:
    return record(NETWORK, second if arrives is None else arrives, {"observedAt": at(second)} | place, key)


def report(second: float, clean: bool, *, key: str = "n1", arrives: float | None = None, **more: Any) -> Record:
    value = {"observedAt": at(second), "lastShutdownClean": clean} | more
    return record(TELEMETRY, second if arrives is None else arrives, value, key)


def command(second: float, action: str, *, key: str = "n1", name: str = "", **more: Any) -> Record:
    value = {
        "commandId": name or f"c-{second}-{action}",
        "action": action,
        "actor": "ops@example.org",
        "reason": "checked on site",
        "issuedAt": at(second),
    }
    return record(COMMANDS, second, value | more, key)


def decision(second: float, denied: bool, risk_revision: int, *, key: str = "n1", **more: Any) -> Record:
    value = {
        "requestId": "request-0000000000000000",
        "requestDigest": "0" * 64,
        "decidedAt": at(second),
        "denied": denied,
        "riskRevision": risk_revision,
    }
    return record(DECISIONS, second, value | more, key)


class Story:
    """Folds records one after another and keeps what came of them."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.fleet = Fleet(policy or default_policy())
        self.transitions: list[QuarantineTransition] = []
        self.outcomes: list[Folded | Late | Rejection] = []

    def tell(self, *records: Record) -> "Story":
        for each in records:
            offset = len(self.outcomes)
            outcome = self.fleet.fold(each.topic, 0, offset, each.timestamp, each.key, each.value)
            self.outcomes.append(outcome)
            if isinstance(outcome, Folded) and outcome.transition is not None:
                self.transitions.append(outcome.transition)
        return self

    def row(self, node_id: str = "n1") -> RiskRow:
        return self.fleet.rows[node_id]


_nodes = st.sampled_from(["n1", "n2"])
_seconds = st.integers(0, 40).map(lambda second: second * 20.0)
_places = st.fixed_dictionaries(
    {},
    optional={
        "ip": st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        "asn": st.sampled_from([64500, 64501]),
        "region": st.sampled_from(["eu-west", "us-east"]),
    },
)
records = st.one_of(
    st.builds(lambda s, k, d, p: seen(s, key=k, arrives=s + d, **p), _seconds, _nodes, st.integers(-400, 60), _places),
    st.builds(
        lambda s, k, d, c, b: report(s, c, key=k, arrives=s + d, **({"bootId": b} if b else {})),
        _seconds,
        _nodes,
        st.sampled_from([0, 1, 299, 300, 400]),
        st.booleans(),
        st.sampled_from([None, "b1", "b2", "b3"]),
    ),
    st.builds(
        lambda s, k, a, e: command(s, a, key=k, **({"expiresAt": at(s + e)} if e else {})),
        _seconds,
        _nodes,
        st.sampled_from(["release", "quarantine", "exempt", "unexempt"]),
        st.sampled_from([0, 30, 200]),
    ),
    st.builds(
        lambda s, k, d, r, c, p: decision(
            s,
            d,
            r,
            key=k,
            current=c,
            **({"reason": "NETWORK_POLICY_VIOLATION", "claims": p} if d else {}),
        ),
        _seconds,
        _nodes,
        st.booleans(),
        st.integers(0, 12),
        _places,
        _places,
    ),
)
"""Any record of two nodes: sightings, reports, commands and decisions, some late, some from the future."""
