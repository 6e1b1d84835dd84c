"""Forwarding a misplaced record, and reading back where it came from."""

from __future__ import annotations

import pytest
from aiokafka import ConsumerRecord
from hypothesis import assume, given

from tests.unit.transport.incoming_records import any_incoming, delivered, incoming
from transport.outgoing import Headers, RecordTooLargeError
from transport.repartition import Forwarded, ForwardedRecordError, forwarded, read_forwarded
from transport.settings import KafkaSettings

SETTINGS = KafkaSettings(prefix="kordon.")
POSITION = (
    ("kordon-original-topic", b"kordon.node.telemetry.v1"),
    ("kordon-original-partition", b"3"),
    ("kordon-original-offset", b"41"),
    ("kordon-original-timestamp", b"1700000000000"),
)


def test_a_misplaced_record_goes_to_the_right_partition_with_its_position_behind_its_own_headers() -> None:
    outgoing = forwarded(SETTINGS, incoming(headers=(("ce_id", b"7"),)), partition=5)
    assert outgoing.topic == "kordon.node.telemetry.v1.repartition"
    assert outgoing.partition == 5
    assert outgoing.headers == (("ce_id", b"7"), *POSITION)
    assert outgoing.timestamp is None


@given(any_incoming(2_000))
def test_what_was_forwarded_is_read_back_as_it_was_first_written(record: ConsumerRecord[bytes, bytes]) -> None:
    assume(record.partition != 5)
    outgoing = forwarded(SETTINGS, record, partition=5)
    assert read_forwarded(delivered(outgoing)) == Forwarded(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple(record.headers),
    )


def test_its_effective_timestamp_is_the_original_one() -> None:
    outgoing = forwarded(SETTINGS, incoming(timestamp=5), partition=5)
    assert read_forwarded(delivered(outgoing, timestamp=1_900_000_000_000)).timestamp == 5


def test_position_headers_that_the_producer_wrote_itself_mean_nothing() -> None:
    forged = (*POSITION[:3], ("kordon-original-timestamp", b"1"))
    original = read_forwarded(delivered(forwarded(SETTINGS, incoming(headers=forged), partition=5)))
    assert original.timestamp == 1_700_000_000_000
    assert original.headers == forged


@pytest.mark.parametrize(
    "headers",
    [
        (),
        POSITION[:3],
        POSITION[::-1],
        (*POSITION, ("after", b"")),
        (("kordon-original-topic", None), *POSITION[1:]),
        (("kordon-original-topic", b"kordon.node.network.v1"), *POSITION[1:]),
        (("kordon-original-topic", b"\xff"), *POSITION[1:]),
        (POSITION[0], ("kordon-original-partition", b"5"), *POSITION[2:]),
        (POSITION[0], ("kordon-original-partition", b"-1"), *POSITION[2:]),
        (POSITION[0], ("kordon-original-partition", b"2147483648"), *POSITION[2:]),
        (*POSITION[:2], ("kordon-original-offset", b"041"), POSITION[3]),
        (*POSITION[:2], ("kordon-original-offset", b"9223372036854775808"), POSITION[3]),
        (*POSITION[:2], ("kordon-original-offset", b"\xd9\xa3"), POSITION[3]),
        (*POSITION[:3], ("kordon-original-timestamp", b"-2")),
        (*POSITION[:3], ("kordon-original-timestamp", b" 1")),
        (*POSITION[:3], ("kordon-original-timestamp", b"1\n")),
        (*POSITION[:3], ("kordon-original-timestamp", b"9" * 5_000)),
    ],
)
def test_anything_but_the_one_accepted_form_is_refused_by_name(headers: Headers) -> None:
    record = incoming("kordon.node.telemetry.v1.repartition", partition=5, headers=headers)
    with pytest.raises(ForwardedRecordError):
        read_forwarded(record)


def test_a_record_too_large_to_carry_its_position_is_refused_by_name() -> None:
    with pytest.raises(RecordTooLargeError):
        forwarded(SETTINGS, incoming(value=b"v" * (SETTINGS.max_record_bytes - 150)), partition=5)
