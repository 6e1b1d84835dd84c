"""Dead letters: what they keep, what they say, and that none is ever too large to write."""

from __future__ import annotations

import hashlib

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transport.incoming_records import any_incoming, incoming
from transport.dead_letters import CUT, DIGEST, TIMESTAMP, Cause, cause_of, dead_letter, digest_of
from transport.outgoing import record_size
from transport.settings import KafkaSettings

SMALL = KafkaSettings(max_record_bytes=16_384)


def test_key_value_and_headers_are_kept_raw_and_the_reason_stands_behind_them() -> None:
    record = incoming(key=b"\xff", value=b"{not json", headers=(("ce_id", b"7"), ("empty", None)))
    letter = dead_letter(KafkaSettings(prefix="kordon."), record, "DecodeError", "nodeId: missing")
    assert letter.topic == "kordon.node.telemetry.v1.dlq"
    assert letter.partition == 3
    assert (letter.key, letter.value) == (b"\xff", b"{not json")
    assert letter.headers == (
        ("ce_id", b"7"),
        ("empty", None),
        ("__streams.errors.topic", b"kordon.node.telemetry.v1"),
        ("__streams.errors.partition", b"3"),
        ("__streams.errors.offset", b"41"),
        ("__streams.errors.exception", b"DecodeError"),
        ("__streams.errors.message", b"nodeId: missing"),
        ("kordon-dead-letter-timestamp", b"1700000000000"),
        ("kordon-dead-letter-sha256", digest_of(record).encode()),
    )


def test_it_can_be_written_to_the_co_partition_that_owns_the_record() -> None:
    assert dead_letter(SMALL, incoming(partition=3), "Misplaced", "", partition=7).partition == 7


def test_its_timestamp_is_the_time_of_writing_so_that_neither_retention_nor_the_broker_refuses_it() -> None:
    letter = dead_letter(SMALL, incoming(timestamp=0), "DecodeError", "")
    assert letter.timestamp is None
    assert dict(letter.headers)[TIMESTAMP] == b"0"


def test_the_digest_is_over_key_value_and_headers_with_their_lengths() -> None:
    record = incoming(key=None, value=b"ab", headers=(("h", b"x"), ("n", None)))
    minus_one = (-1).to_bytes(8, "big", signed=True)

    def part(content: bytes) -> bytes:
        return len(content).to_bytes(8, "big") + content

    whole = minus_one + part(b"ab") + part(b"h") + part(b"x") + part(b"n") + minus_one
    assert digest_of(record) == hashlib.sha256(whole).hexdigest()


def test_records_that_differ_only_in_where_a_part_ends_have_different_digests() -> None:
    assert digest_of(incoming(key=b"ab", value=b"c")) != digest_of(incoming(key=b"a", value=b"bc"))
    assert digest_of(incoming(value=None)) != digest_of(incoming(value=b""))


def test_a_value_too_large_is_cut_and_its_size_and_digest_are_said() -> None:
    record = incoming(value=b"v" * 5_000_000, headers=(("kept", b"1"),))
    letter = dead_letter(SMALL, record, "RecordTooLarge", "")
    headers = dict(letter.headers)
    assert letter.value == b"v" * len(letter.value or b"")
    assert 15_000 < len(letter.value or b"") < 16_384
    assert headers["kept"] == b"1"
    assert headers[CUT] == b"value=5000000"
    assert headers[DIGEST] == digest_of(record).encode()


def test_nothing_is_said_to_be_cut_where_nothing_was() -> None:
    assert CUT not in dict(dead_letter(SMALL, incoming(), "DecodeError", "").headers)


@settings(deadline=None)
@given(any_incoming(40_000), st.text(max_size=5_000), st.text(max_size=5_000))
def test_whatever_the_record_and_the_message_the_dead_letter_fits(
    record: ConsumerRecord[bytes, bytes], exception: str, message: str
) -> None:
    letter = dead_letter(SMALL, record, exception, message)
    assert record_size(letter) <= SMALL.max_record_bytes
    assert letter == dead_letter(SMALL, record, exception, message)
    assert (record.value or b"").startswith(letter.value or b"")
    assert (record.key or b"").startswith(letter.key or b"")
    cause = cause_of(letter.headers)
    assert cause is not None
    assert (cause.topic, cause.partition, cause.offset) == (record.topic, record.partition, record.offset)
    if dict(letter.headers).get(CUT, b"") == b"" and CUT not in dict(record.headers):
        assert (letter.key, letter.value) == (record.key, record.value)
        assert letter.headers[: len(record.headers)] == tuple(record.headers)


def test_a_message_is_cut_between_characters() -> None:
    headers = dict(dead_letter(SMALL, incoming(), "e" * 1_000, "ä" * 10_000).headers)
    assert headers["__streams.errors.message"] == ("ä" * 1_024).encode()
    assert headers["__streams.errors.exception"] == b"e" * 256


def test_a_lone_surrogate_in_a_message_becomes_a_question_mark() -> None:
    assert dict(dead_letter(SMALL, incoming(), "E", "\ud800").headers)["__streams.errors.message"] == b"?"


def test_the_cause_is_read_from_the_last_headers_whatever_the_record_carried_itself() -> None:
    forged = (("__streams.errors.topic", b"elsewhere"), ("__streams.errors.offset", b"x"))
    letter = dead_letter(SMALL, incoming(headers=forged), "DecodeError", "why")
    assert cause_of(letter.headers) == Cause("kordon.node.telemetry.v1", 3, 41, "DecodeError", "why")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("__streams.errors.topic", b"t"),),
        tuple((f"__streams.errors.{name}", b"x") for name in ("topic", "partition", "offset", "exception", "message")),
        tuple(
            (f"__streams.errors.{name}", b"\xff") for name in ("topic", "partition", "offset", "exception", "message")
        ),
        tuple((f"__streams.errors.{name}", None) for name in ("topic", "partition", "offset", "exception", "message")),
    ],
)
def test_headers_that_are_no_cause_give_none(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    assert cause_of(headers) is None
