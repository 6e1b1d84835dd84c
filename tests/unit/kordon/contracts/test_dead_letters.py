"""The dead letters of docs/producers.md are those in the code, no more and no fewer."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kordon.contracts.dead_letters import DEAD_LETTERS, NEVER_MET, SIGNATURE_CURES
from kordon.contracts.mistakes import MISTAKES, Mistake, said_of
from policy.admission import RejectionRule
from schemas.decisions import DenialReason
from schemas.topics import TOPICS, dlq_of
from transport.outgoing import RecordTooLargeError
from transport.repartition import ForwardedRecordError
from transport.signed_records import RefusalReason

ROOT = Path(__file__).parents[4]
JUDGES = ("streams/assessment.py", "streams/signatures.py", "issuer/judgement.py", "policy/issuance.py")
"""Where a rejection is named."""

NAME = re.compile(r"[A-Z][a-z]+([A-Z][a-z]+)+|[A-Z]+(_[A-Z]+)+")


def named_in(path: str) -> set[str]:
    """The texts in a module that are names and no sentences."""
    parts = ast.walk(ast.parse((ROOT / path).read_text()))
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return {text for text in texts if NAME.fullmatch(text)}


def test_each_name_in_the_code_is_explained() -> None:
    named = set().union(*(named_in(path) for path in JUDGES))
    named |= {rule.value for rule in RejectionRule} - NEVER_MET
    named |= {RecordTooLargeError.__name__, ForwardedRecordError.__name__}
    named -= {"KORDON_WORKER_TRUST_FILE"}
    assert {letter.exception for letter in DEAD_LETTERS} == named
    assert len({letter.exception for letter in DEAD_LETTERS}) == len(DEAD_LETTERS)
    assert DenialReason.MALFORMED_REQUEST in named


def test_a_dead_letter_lies_on_a_topic_that_there_is() -> None:
    for letter in DEAD_LETTERS:
        assert letter.topics
        assert all(dlq_of(topic) in TOPICS for topic in letter.topics)


def test_each_reason_of_a_refused_signature_has_a_cure() -> None:
    assert set(SIGNATURE_CURES) == set(RefusalReason)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_a_mistake_is_rejected_on_a_topic_where_its_name_is_explained(mistake: Mistake) -> None:
    rejection = said_of(mistake)
    (letter,) = [each for each in DEAD_LETTERS if each.exception == rejection.rule.value]
    assert mistake.topic in letter.topics


def test_every_rejection_that_telemetry_can_meet_is_among_the_mistakes() -> None:
    met = {said_of(mistake).rule.value for mistake in MISTAKES}
    explained = {letter.exception for letter in DEAD_LETTERS}
    rules = {rule.value for rule in RejectionRule} - NEVER_MET - {RejectionRule.EXPIRED_COMMAND.value}
    assert met == rules & explained
