"""Whatever a letter holds, it is shown, and no terminal obeys it."""

from __future__ import annotations

import pytest

from kordon.operations.letter_output import print_tally, print_whole, whole
from kordon.operations.letters import Tally, letter_of
from tests.unit.transport.incoming_records import delivered, incoming
from transport.dead_letters import dead_letter
from transport.settings import KafkaSettings

ESCAPE = "\x1b[2J"


def test_no_control_character_of_a_letter_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    record = incoming(key=ESCAPE.encode(), value=ESCAPE.encode(), headers=((ESCAPE, ESCAPE.encode()),))
    written = delivered(dead_letter(KafkaSettings(), record, ESCAPE, ESCAPE))
    tally = Tally(1)
    tally.take([written])

    print_tally(tally)
    print_whole(whole(letter_of(written), ESCAPE))

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("hex:1b5b324a") > 8


@pytest.mark.parametrize("timestamp", ["9" * 5_000, "-1", "soon", "9223372036854775807"])
def test_a_timestamp_that_is_none_is_shown_as_it_stands(timestamp: str, capsys: pytest.CaptureFixture[str]) -> None:
    letter = delivered(dead_letter(KafkaSettings(), incoming(), "DecodeError", "no"))
    *headers, _time, digest = letter.headers
    forged = incoming(
        f"{letter.topic}", headers=(*headers, ("kordon-dead-letter-timestamp", timestamp.encode()), digest)
    )

    print_whole(whole(letter_of(forged), None))

    assert f"timestamp {timestamp}" in capsys.readouterr().out
