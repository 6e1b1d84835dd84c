"""Dead letters, counted and chosen."""

from __future__ import annotations

import pytest
from aiokafka import ConsumerRecord

from kordon.contracts.dead_letters import DEAD_LETTERS, NEVER_MET
from kordon.operations.advice import REPLAY_HELPS, UNKNOWN, advice_on
from kordon.operations.letters import UNKNOWN_RULE, Tally, letter_of, readable
from kordon.operations.replaying import Selection, plan
from kordon.since import millis_of
from tests.unit.transport.incoming_records import delivered, incoming
from transport.dead_letters import dead_letter
from transport.replay import Place, Unreplayable, note_of
from transport.settings import KafkaSettings

SETTINGS = KafkaSettings()
NETWORK = "kordon.node.network.v1"


def letter(offset: int, exception: str = "DecodeError", at: int = 1_000, **parts: object) -> ConsumerRecord:
    record = incoming(NETWORK, **parts)  # type: ignore[arg-type]
    return delivered(dead_letter(SETTINGS, record, exception, "asn: too large"), offset, at)


def note(of: ConsumerRecord, offset: int) -> ConsumerRecord:
    return delivered(note_of(of, "alice"), offset, 9_000)


def test_letters_are_counted_by_rule_with_their_oldest_newest_and_replayed() -> None:
    first = letter(0, at=3_000)
    tally = Tally(2)
    tally.take([first, letter(1, at=1_000), letter(2, "KeyMismatch", at=2_000), note(first, 3)])

    counts = {rule: (each.letters, each.replayed, each.oldest, each.newest) for (_, rule), each in tally.counts.items()}
    assert counts == {"DecodeError": (2, 1, 1_000, 3_000), "KeyMismatch": (1, 0, 2_000, 2_000)}
    assert [each.place.offset for each in tally.newest] == [0, 2]
    assert [tally.is_replayed(each) for each in tally.newest] == [True, False]


def test_a_note_counts_only_where_its_letter_does() -> None:
    before, other = letter(0), letter(5, "KeyMismatch")
    tally = Tally(10, "DecodeError")
    tally.take([letter(4), other, note(before, 6), note(other, 7)])

    ((_, rule), count), *more = tally.counts.items()
    assert (rule, count.letters, count.replayed, more) == ("DecodeError", 1, 0, [])


def test_what_somebody_else_wrote_among_the_letters_is_counted_as_such() -> None:
    tally = Tally(1)
    tally.take([incoming(f"{NETWORK}.dlq")])

    assert list(tally.counts) == [(f"{NETWORK}.dlq", UNKNOWN_RULE)]
    assert advice_on(tally.newest[0]) is UNKNOWN


@pytest.mark.parametrize(
    ("content", "longest", "text"),
    [
        (b'{"a":1}', None, '{"a":1}'),
        ("größe".encode(), None, "größe"),
        (b"\xff\x00", None, "hex:ff00"),
        (b"\x1b[2J", None, "hex:1b5b324a"),
        (b"two\nlines", None, "hex:74776f0a6c696e6573"),
        (b"abcdef", 6, "abcdef"),
        (b"abcdefg", 6, "abcdef…"),
        (b"\xff\x00\x01", 2, "hex:ff00…"),
        (b"", None, ""),
    ],
)
def test_what_a_terminal_would_obey_is_shown_in_hex(content: bytes, longest: int | None, text: str) -> None:
    assert readable(content, longest) == text


def test_a_key_is_cut_to_a_line() -> None:
    assert letter_of(letter(0, key=b"k" * 1_000)).key_text == "k" * 128 + "…"


def test_every_rule_has_a_word_on_whether_a_replay_helps() -> None:
    assert set(REPLAY_HELPS) == {each.exception for each in DEAD_LETTERS}
    assert not NEVER_MET & set(REPLAY_HELPS)


def test_a_refused_signature_is_cured_by_its_reason() -> None:
    refused = delivered(dead_letter(SETTINGS, incoming("kordon.node.commands.v1"), "SignatureRefused", "UNSIGNED: no"))

    advice = advice_on(letter_of(refused))
    assert "there is no kordon-signature header" in advice.cause
    assert "Sign it" in advice.cure


def test_a_plan_takes_the_oldest_up_to_the_limit_and_passes_over_what_was_replayed_or_cannot_be() -> None:
    letters = [letter(3), letter(1), letter(0), letter(2, key=None), letter(4)]
    selection = Selection((f"{NETWORK}.dlq",), limit=2)

    planned = plan(SETTINGS, selection, letters, {Place(f"{NETWORK}.dlq", 3, 0)}, {NETWORK: 12}, "alice")

    assert [each.letter.place.offset for each in planned.replays] == [1, 3]
    assert [each.place.offset for each in planned.already] == [0]
    assert [(each.place.offset, why) for each, why in planned.refused] == [(2, Unreplayable.NO_KEY)]
    assert planned.left == 1


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(()), True),
        (Selection((), rule="DecodeError"), True),
        (Selection((), rule="KeyMismatch"), False),
        (Selection((), offsets=frozenset({(3, 5)})), True),
        (Selection((), offsets=frozenset({(3, 6)})), False),
        (Selection((), since=1_000), True),
        (Selection((), since=1_001), False),
    ],
)
def test_a_selection_takes_what_fits_all_that_is_said(selection: Selection, *, taken: bool) -> None:
    assert selection.takes(letter_of(letter(5))) is taken


@pytest.mark.parametrize(
    ("text", "millis"),
    [("90s", 999_910_000), ("15m", 999_100_000), ("36h", 870_400_000), ("7d", 395_200_000), ("99999d", 0)],
)
def test_since_is_before_now_or_a_time(text: str, millis: int) -> None:
    assert millis_of(text, 1_000_000_000) == millis
    assert millis_of("1970-01-01T00:00:01Z", 0) == 1_000


@pytest.mark.parametrize("text", ["yesterday", "1", "0h", "-1h", "1w", "2026-01-01T00:00:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        millis_of(text, 0)
