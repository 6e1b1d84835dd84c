"""The settings that topics get, and what deleting refuses."""

from __future__ import annotations

import pytest

from schemas.topics import COMMANDS, NETWORK, QUARANTINE, REGISTRY, REQUESTS, RISK, TELEMETRY, TOPICS
from transport.administration import EmptyPrefixError, State, Topic, delete_topics, outcome_of, topic_config
from transport.settings import KafkaSettings


@pytest.mark.parametrize("name", [TELEMETRY, NETWORK, COMMANDS, REGISTRY, REQUESTS])
def test_a_record_from_the_future_is_refused_by_the_broker_whatever_its_default(name: str) -> None:
    assert topic_config(KafkaSettings(), TOPICS[name], 1)["message.timestamp.after.max.ms"] == "3600000"


@pytest.mark.parametrize("name", [QUARANTINE, REGISTRY])
def test_a_topic_kept_for_ever_is_limited_neither_by_time_nor_by_size(name: str) -> None:
    config = topic_config(KafkaSettings(), TOPICS[name], 1)
    assert (config["cleanup.policy"], config["retention.ms"], config["retention.bytes"]) == ("delete", "-1", "-1")


def test_a_topic_kept_for_days_is_limited_by_time_alone() -> None:
    config = topic_config(KafkaSettings(), TOPICS[TELEMETRY], 1)
    assert (config["retention.ms"], config["retention.bytes"]) == (str(7 * 24 * 3600 * 1000), "-1")


def test_the_risk_topic_is_compacted_soon_so_that_its_tail_stays_short() -> None:
    config = topic_config(KafkaSettings(), TOPICS[RISK], 1)
    assert config["cleanup.policy"] == "compact"
    assert int(config["segment.ms"]) <= 10 * 60 * 1000
    assert int(config["max.compaction.lag.ms"]) <= 15 * 60 * 1000
    assert int(config["delete.retention.ms"]) <= 10 * 60 * 1000


@pytest.mark.parametrize("name", TOPICS)
def test_whatever_may_be_written_fits_into_every_topic(name: str) -> None:
    settings = KafkaSettings(max_record_bytes=2_000_000)
    assert int(topic_config(settings, TOPICS[name], 1)["max.message.bytes"]) >= settings.max_record_bytes


def test_three_copies_must_be_two_before_a_write_counts_and_a_single_one_is_enough_for_itself() -> None:
    assert topic_config(KafkaSettings(), TOPICS[RISK], 3)["min.insync.replicas"] == "2"
    assert topic_config(KafkaSettings(), TOPICS[RISK], 1)["min.insync.replicas"] == "1"


async def test_deleting_by_an_empty_prefix_is_refused_before_any_connection() -> None:
    with pytest.raises(EmptyPrefixError):
        await delete_topics(KafkaSettings(prefix="", bootstrap_servers="127.0.0.1:1"))


WANTED = Topic("kordon.a", 12, 3, 3, 12, {"retention.ms": "1000", "min.insync.replicas": "2"})


def test_a_topic_that_is_not_there_is_missing() -> None:
    assert outcome_of(WANTED, None).state is State.MISSING


def test_a_topic_is_compared_by_partitions_copies_and_the_settings_that_are_wanted() -> None:
    more = {**WANTED.config, "segment.bytes": "1"}
    assert outcome_of(WANTED, WANTED._replace(in_sync=1, leaders=0, config=more)).state is State.UNCHANGED

    other = Topic("kordon.a", 6, 1, 1, 6, {"retention.ms": "-1"})
    assert outcome_of(WANTED, other) == (
        "kordon.a",
        State.DIFFERENT,
        {"partitions": ("6", "12"), "replication.factor": ("1", "3"), "retention.ms": ("-1", "1000")},
    )
