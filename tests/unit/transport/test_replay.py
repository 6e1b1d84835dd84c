"""A letter goes back as it came, each once, and only if it is whole."""

from __future__ import annotations

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given

from tests.unit.transport.incoming_records import any_incoming, delivered, incoming
from transport.dead_letters import dead_letter, own_headers
from transport.outgoing import Headers, OutgoingRecord, record_size
from transport.partitioner import partition_of
from transport.replay import REPLAY_OF, Place, Unreplayable, actor_of, note_of, noted_letter, replayed_record, rule_of
from transport.settings import KafkaSettings

SETTINGS = KafkaSettings(max_record_bytes=20_000)
TELEMETRY = "kordon.node.telemetry.v1"
PARTITIONS = {TELEMETRY: 12, "kordon.node.commands.v1": 12, "kordon.capsule.decisions.v1": 12}
SIGNATURE = ("kordon-signature", b"a..b")


def letter_of(record: ConsumerRecord, exception: str = "DecodeError", offset: int = 7) -> ConsumerRecord:
    return delivered(dead_letter(SETTINGS, record, exception, "it was wrong"), offset)


def replayed(letter: ConsumerRecord) -> OutgoingRecord:
    record = replayed_record(SETTINGS, letter, PARTITIONS)
    assert isinstance(record, OutgoingRecord), record
    return record


def test_key_value_and_headers_go_back_as_they_were_with_one_header_that_names_the_letter() -> None:
    original = incoming("kordon.node.commands.v1", headers=(SIGNATURE, ("trace", None)))

    record = replayed(letter_of(original))

    assert (record.topic, record.key, record.value) == (original.topic, original.key, original.value)
    assert record.headers == (*original.headers, (REPLAY_OF, b"kordon.node.commands.v1.dlq/3/7"))


def test_it_goes_where_murmur2_places_its_key_whatever_partition_it_lay_in() -> None:
    for partition in range(12):
        assert replayed(letter_of(incoming(partition=partition))).partition == partition_of(b"node-1", 12)


def test_its_timestamp_is_the_time_of_the_replay_not_one_that_retention_or_a_rule_refuses() -> None:
    assert replayed(letter_of(incoming(timestamp=-1))).timestamp is None


def test_a_letter_of_a_replay_names_the_later_letter_alone() -> None:
    first = replayed(letter_of(incoming(headers=(SIGNATURE,)), offset=7))
    second = replayed(letter_of(delivered(first), offset=9))

    assert second.headers == (SIGNATURE, (REPLAY_OF, f"{TELEMETRY}.dlq/{first.partition}/9".encode()))


@given(any_incoming(30_000))
def test_whatever_was_rejected_goes_back_whole_or_not_at_all(original: ConsumerRecord) -> None:
    record = replayed_record(SETTINGS, letter_of(original), PARTITIONS)

    if isinstance(record, OutgoingRecord):
        assert (record.key, record.value) == (original.key, original.value)
        own = tuple(header for header in original.headers if header[0] != REPLAY_OF)
        assert record.headers[:-1] == own
        assert record_size(record) <= SETTINGS.max_record_bytes
    else:
        assert record in {Unreplayable.CUT, Unreplayable.NO_KEY}


def changed(letter: ConsumerRecord, **parts: object) -> ConsumerRecord:
    fields = {"topic": letter.topic, "key": letter.key, "value": letter.value, "headers": letter.headers}
    return incoming(offset=letter.offset, **{**fields, **parts})


def without(headers: Headers, name: str) -> Headers:
    return tuple(header for header in headers if header[0] != name)


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (incoming(f"{TELEMETRY}.dlq"), Unreplayable.NO_LETTER),
        (letter_of(incoming(value=b"x" * 30_000)), Unreplayable.CUT),
        (letter_of(incoming(key=None)), Unreplayable.NO_KEY),
        (letter_of(incoming("kordon.capsule.decisions.v1")), Unreplayable.SERVICE_TOPIC),
        (letter_of(incoming("kordon.other.v1")), Unreplayable.OTHER_TOPIC),
        (changed(letter_of(incoming()), topic="kordon.node.network.v1.dlq"), Unreplayable.OTHER_TOPIC),
        (letter_of(incoming(), "ForwardedRecordError"), Unreplayable.FORGED),
        (changed(letter_of(incoming()), value=b"other"), Unreplayable.DAMAGED),
        (changed(letter_of(incoming()), key=b"node-2"), Unreplayable.DAMAGED),
        (
            changed(letter_of(incoming()), headers=without(letter_of(incoming()).headers, "kordon-dead-letter-sha256")),
            Unreplayable.NO_LETTER,
        ),
    ],
)
def test_what_cannot_go_back_whole_and_to_its_place_is_refused_and_says_why(
    letter: ConsumerRecord, why: Unreplayable
) -> None:
    assert replayed_record(SETTINGS, letter, PARTITIONS) is why


def test_what_was_written_under_a_larger_limit_is_refused_before_the_transaction() -> None:
    smaller = KafkaSettings(max_record_bytes=16_384)

    assert replayed_record(smaller, letter_of(incoming(value=b"x" * 18_000)), PARTITIONS) is Unreplayable.TOO_LARGE


def test_a_note_names_its_letter_who_replayed_it_and_the_rule() -> None:
    letter = letter_of(incoming(), "NoTrustFile")
    note = delivered(note_of(letter, "alice"), 8)

    assert note_of(letter, "alice")[:2] == (letter.topic, letter.partition)
    assert noted_letter(note) == Place(letter.topic, letter.partition, letter.offset)
    assert (actor_of(note.headers), rule_of(note.headers)) == ("alice", "NoTrustFile")


def test_a_letter_is_no_note_even_of_an_earlier_replay_and_without_value() -> None:
    tombstone = incoming(value=None)
    again = letter_of(delivered(replayed(letter_of(tombstone))))

    assert noted_letter(letter_of(tombstone)) is None
    assert noted_letter(again) is None
    assert own_headers(again.headers) == ((REPLAY_OF, f"{TELEMETRY}.dlq/3/7".encode()),)


@pytest.mark.parametrize("marker", [b"", b"x", b"a/b/c", b"kordon.node.telemetry.v1.dlq/4/7", b"\xff/1/2", b"t/-1/2"])
def test_a_note_that_names_no_letter_of_its_partition_is_none(marker: bytes) -> None:
    assert noted_letter(incoming(f"{TELEMETRY}.dlq", value=None, headers=((REPLAY_OF, marker),))) is None
