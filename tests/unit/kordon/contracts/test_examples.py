"""The examples are real records: they are folded, their signatures hold, their capsule opens."""

from __future__ import annotations

import json

import pytest

from issuer.requests import MalformedRequest, read_request
from kordon.client import Capsule, Denial
from kordon.client.answers import read_answer
from kordon.contracts.example_answers import answers, sealed_key
from kordon.contracts.example_keys import CLUSTER_PREFIX, NODE_CREDENTIAL, TRUST
from kordon.contracts.examples import Example, examples, examples_of
from kordon.policy_fold import LineFold
from policy.fleet import INPUTS
from policy.policy_file import default_policy
from schemas.codec import decode, encode
from schemas.commands import Command
from schemas.decisions import DenialReason
from schemas.registry import RegistryRecord
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, QUARANTINE, REGISTRY, REPLIES, REQUESTS, RISK, TELEMETRY, TOPICS, dlq_of
from transport.dead_letters import cause_of
from transport.envelopes import Expected
from transport.repartition import ORIGINAL_TOPIC
from transport.signed_records import Refusal, authorise, verify


def line(example: Example) -> bytes:
    """The example as `kcat -J` prints it."""
    return json.dumps(
        {"topic": example.topic, "ts": example.timestamp, "key": example.key, "payload": example.value.decode()}
    ).encode()


def fold(*, swapped: bool = False) -> LineFold:
    lines = [line(example) for example in examples() if example.topic in INPUTS]
    folded = LineFold(default_policy())
    folded.fold(lines[::-1] if swapped else lines)
    return folded


def test_every_topic_has_an_example() -> None:
    derived = {name for name in TOPICS if name.endswith((".dlq", ".repartition"))}
    assert {example.topic for example in examples()} >= set(TOPICS) - derived
    assert {example.topic for example in examples()} & derived


def test_the_policy_folds_every_example_and_rejects_none() -> None:
    summary = fold().summary()
    # The last is the forwarded observation, an hour after the release, at the place that the release accepted.
    assert summary.rows == {"cobalt": ("active", 0, [], None, 9)}
    assert summary.transitions == [
        ("cobalt", "active", "quarantined", 90, "policy"),
        ("cobalt", "quarantined", "active", 0, "operator"),
    ]
    assert (summary.rejected, summary.late) == (0, 0)


def test_their_order_matters_so_that_folding_them_says_something() -> None:
    assert fold(swapped=True).summary() != fold().summary()


def test_the_transitions_shown_are_those_of_the_fold() -> None:
    shown = [json.loads(example.value) for example in examples_of(QUARANTINE)]
    assert [(each["nodeId"], each["from"], each["to"], each["score"], each["cause"]) for each in shown] == (
        fold().summary().transitions
    )
    rows = [decode(RiskRow, example.value, RISK) for example in examples_of(RISK)]
    assert [row.revision for row in rows] == [each["revision"] for each in shown]


@pytest.mark.parametrize(("topic", "message"), [(REGISTRY, RegistryRecord), (COMMANDS, Command)])
def test_a_signed_example_is_signed_by_an_operator_who_may(topic: str, message: type[RegistryRecord | Command]) -> None:
    (example,) = examples_of(topic)
    key = (example.key or "").encode()
    signer = verify(example.headers, topic=topic, key=key, value=example.value, trust=TRUST, at=example.timestamp)
    assert not isinstance(signer, Refusal)
    assert authorise(signer, decode(message, example.value, topic)) is None
    another = verify(
        example.headers, topic=topic, key=key, value=example.value + b" ", trust=TRUST, at=example.timestamp
    )
    assert isinstance(another, Refusal)


def test_the_requests_are_well_formed() -> None:
    for example in examples_of(REQUESTS):
        assert not isinstance(read_request((example.key or "").encode(), example.value), MalformedRequest)


def test_the_answers_verify_and_the_capsule_opens() -> None:
    denied, granted = answers()
    assert [encode(each.reply) for each in (denied, granted)] == [each.value for each in examples_of(REPLIES)]
    found = []
    for answer in (denied, granted):
        expected = Expected(TRUST.audience(CLUSTER_PREFIX), answer.decision.decidedAt, answer.request.digest, "cobalt")
        found.append(read_answer(encode(answer.reply), answer.request, NODE_CREDENTIAL, trust=TRUST, expected=expected))
    denial, capsule = found
    assert isinstance(denial, Denial)
    assert denial.reason is DenialReason.NETWORK_POLICY_VIOLATION
    assert isinstance(capsule, Capsule)
    assert capsule.runtime_key == sealed_key(granted.request.claims)


def test_a_dead_letter_names_its_record() -> None:
    (letter,) = examples_of(dlq_of(TELEMETRY))
    cause = cause_of(letter.headers)
    assert cause is not None
    assert (cause.topic, cause.exception) == (f"{CLUSTER_PREFIX}{TELEMETRY}", "FromTheFuture")


def test_a_forwarded_example_says_when_it_was_written() -> None:
    (example,) = [each for each in examples() if ORIGINAL_TOPIC in dict(each.headers)]
    assert dict(example.headers)["kordon-original-timestamp"] == str(int(example.timestamp)).encode()
    assert Timestamp(example.timestamp) == Timestamp.parse("2026-03-02T10:00:00Z")
