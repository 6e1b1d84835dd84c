"""Where an issuer lets replies go."""

from __future__ import annotations

import pytest

from issuer.errors import ReplyTopicError
from issuer.settings import IssuerSettings
from issuer.topics import reply_topics
from schemas.topics import DECISIONS, REPLIES, REQUESTS, dlq_of
from transport.settings import KafkaSettings

KAFKA = KafkaSettings(prefix="k.")


def test_replies_go_to_the_default_topic_and_to_those_of_the_list_that_there_are() -> None:
    settings = IssuerSettings(reply_topics=("team.replies", "not.created"))
    found = reply_topics(KAFKA, settings, {"k.capsule.replies.v1": 3, "team.replies": 5, "other": 1})
    assert found.default == "k.capsule.replies.v1"
    assert found.partitions == {"k.capsule.replies.v1": 3, "team.replies": 5}


@pytest.mark.parametrize("topic", [DECISIONS, REQUESTS, dlq_of(REQUESTS)])
def test_a_topic_that_is_read_for_another_purpose_is_no_reply_topic(topic: str) -> None:
    with pytest.raises(ReplyTopicError, match=topic):
        reply_topics(KAFKA, IssuerSettings(reply_topics=("k." + topic,)), {})


def test_the_default_reply_topic_may_be_named() -> None:
    settings = IssuerSettings(reply_topics=("k." + REPLIES,))
    assert reply_topics(KAFKA, settings, {"k.capsule.replies.v1": 3}).partitions == {"k.capsule.replies.v1": 3}
