import gc
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timestamp import Timestamp


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-23T20:00:00.000Z", 1_795_464_000_000),
        ("2026-11-23T21:00:00+01:00", 1_795_464_000_000),
        ("2026-11-23T14:30:00.5-05:30", 1_795_464_000_500),
        ("2026-11-23t20:00:00z", 1_795_464_000_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-11-23T20:00:00-00:00", 1_795_464_000_000),
    ],
)
def test_an_rfc_3339_time_is_read_in_milliseconds(text: str, millis: int) -> None:
    assert Timestamp.parse(text) == millis


@pytest.mark.parametrize("digits", ["9", "99", "999", "9999", "9999999", "999999999999"])
def test_digits_beyond_milliseconds_are_cut_off_and_never_rounded(digits: str) -> None:
    expected = int((digits + "00")[:3])
    assert Timestamp.parse(f"2026-11-23T20:00:00.{digits}Z") == 1_795_464_000_000 + expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-23",
        "2026-11-23T20:00:00",
        "2026-11-23T20:00:00.000",
        "2026-11-23 20:00:00Z",
        "2026-11-23T20:00Z",
        "2026-11-23T20:00:00.Z",
        "2026-11-23T20:00:00,5Z",
        "2026-11-23T20:00:00Z\n",
        " 2026-11-23T20:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T20:00:60Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-11-23T20:00:00+0100",
        "2026-11-23T20:00:00+24:00",
        "2026-11-23T20:00:00+01:60",
        "2026-11-23T20:00:00+01",
        "+2026-11-23T20:00:00Z",
        "20261123T200000Z",
        "2026-W48-1T20:00:00Z",
        "٢٠٢٦-11-23T20:00:00Z",
        "2026-11-23T20:00:00.٠٠٠Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1795464000000",
    ],
)
def test_what_is_no_rfc_3339_time_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|no such|outside"):
        Timestamp.parse(text)


def test_a_refusal_is_the_same_whether_the_second_was_seen_before_or_not() -> None:
    Timestamp.parse("2026-11-23T20:00:07.000Z")
    with pytest.raises(ValueError, match="RFC 3339"):
        Timestamp.parse("2026-11-23T20:00:07")
    with pytest.raises(ValueError, match="RFC 3339"):
        Timestamp.parse("2026-11-23T20:00:07.00Zjunk")
    assert Timestamp.parse("2026-11-23T20:00:07.1234Z") == 1_795_464_007_123


@given(st.integers(Timestamp.parse("0001-01-01T00:00:00Z"), Timestamp.LATEST))
def test_every_instant_survives_the_wire_and_agrees_with_datetime(millis: int) -> None:
    text = str(Timestamp(millis))
    assert Timestamp.parse(text) == millis
    assert (
        text
        == (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)).strftime("%Y-%m-%dT%H:%M:%S.").zfill(20)
        + f"{millis % 1000:03d}Z"
    )


@given(st.text(max_size=40))
def test_no_text_raises_anything_but_value_error(text: str) -> None:
    try:
        Timestamp.parse(text)
    except ValueError as error:
        assert text not in str(error) or len(text) < 4


def test_a_fraction_of_a_megabyte_is_read_and_not_kept() -> None:
    text = f"2026-11-23T20:00:00.{'7' * 1_000_000}Z"
    gc.collect()
    before = sys.getrefcount(text)
    assert Timestamp.parse(text) == Timestamp.parse("2026-11-23T20:00:00.777Z")
    assert sys.getrefcount(text) == before
