"""Letters, counts and replays as they are printed: JSON for programs, tables and lines for people."""

from __future__ import annotations

from typing import Any, Final

import click

from kordon.operations.advice import advice_on
from kordon.operations.letters import Letter, Tally, readable
from kordon.operations.replaying import Plan
from kordon.output import counted, print_table, remark
from schemas.timestamp import Timestamp

_LONGEST_NUMBER: Final = 19


def tally_json(tally: Tally) -> dict[str, Any]:
    """Return the counts and the newest letters as JSON has them."""
    return {
        "rules": [
            {
                "topic": topic,
                "rule": rule,
                "letters": count.letters,
                "replayed": count.replayed,
                "oldest": _time(count.oldest),
                "newest": _time(count.newest),
            }
            for (topic, rule), count in sorted(tally.counts.items())
        ],
        "newest": [_summary(letter) | {"replayed": tally.is_replayed(letter)} for letter in tally.newest],
    }


def print_tally(tally: Tally) -> None:
    """Print the counts and the newest letters."""
    if not tally.counts:
        remark("There are no dead letters.")
        return
    columns = ("topic", "rule", "letters", "replayed", "oldest", "newest")
    print_table(columns, [tuple(map(_shown, row.values())) for row in tally_json(tally)["rules"]])
    if tally.newest:
        click.echo()
        rows = [
            (
                _time(letter.at),
                letter.place.text,
                letter.key_text,
                _shown(letter.rule),
                f"{letter.message}{' (replayed)' if tally.is_replayed(letter) else ''}",
            )
            for letter in tally.newest
        ]
        print_table(("at", "topic/partition/offset", "key", "rule", "message"), rows)
        remark("`kordon dlq show TOPIC PARTITION OFFSET` shows a letter whole, and what to do about it.")


def whole(letter: Letter, actor: str | None) -> dict[str, Any]:
    """Return all of a letter, with advice, as JSON has it; ``actor`` replayed it, None if nobody did."""
    cause = letter.cause
    return _summary(letter) | {
        "key": None if letter.key is None else readable(letter.key),
        "value": None if letter.value is None else readable(letter.value, lines=True),
        "headers": [
            [readable(name.encode(errors="replace")), None if value is None else readable(value)]
            for name, value in letter.headers
        ],
        "source": None
        if cause is None
        else {
            "topic": cause.topic,
            "partition": cause.partition,
            "offset": cause.offset,
            "timestamp": letter.timestamp,
        },
        "sha256": letter.sha256,
        "cut": letter.cut,
        "advice": advice_on(letter)._asdict(),
        "replayedBy": actor,
    }


def print_whole(letter: dict[str, Any]) -> None:
    """Print what :func:`whole` returns."""
    source = letter["source"]
    lines = [
        ("letter", f"{letter['topic']} [{letter['partition']}] offset {letter['offset']}, written {letter['at']}"),
        ("rule", letter["rule"]),
        ("message", letter["message"]),
        (
            "from",
            "unknown"
            if source is None
            else f"{source['topic']} [{source['partition']}] offset {source['offset']}, "
            f"timestamp {_time_of_text(source['timestamp'])}",
        ),
        ("sha256", letter["sha256"]),
        ("cut", letter["cut"] or "nothing"),
        ("replayed", "no" if letter["replayedBy"] is None else f"by {letter['replayedBy']}"),
        *((f"header {name}", value) for name, value in letter["headers"]),
        ("key", letter["key"]),
        ("value", letter["value"]),
        ("cause", letter["advice"]["cause"]),
        ("cure", letter["advice"]["cure"]),
        ("replay", letter["advice"]["replay"]),
    ]
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        click.echo(f"{name.ljust(width)}  {'(none)' if text is None else _shown(text, lines=True)}")


def plan_json(planned: Plan, *, written: bool) -> dict[str, Any]:
    """Return a replay as JSON has it."""
    return {
        "written": written,
        "replayed": [
            {
                "letter": each.letter.place.text,
                "rule": each.letter.rule,
                "key": each.letter.key_text,
                "to": f"{each.record.topic}/{each.record.partition}",
            }
            for each in planned.replays
        ],
        "already": [letter.place.text for letter in planned.already],
        "refused": [{"letter": letter.place.text, "why": why.value} for letter, why in planned.refused],
        "left": planned.left,
    }


def print_plan(planned: Plan, *, written: bool) -> None:
    """Print a replay, done or only shown."""
    shown = plan_json(planned, written=written)
    if planned.replays:
        rows = [tuple(map(_shown, each.values())) for each in shown["replayed"]]
        print_table(("letter", "rule", "key", "to"), rows)
    for each in shown["refused"]:
        remark(f"{each['letter']} cannot be replayed: {each['why']}.")
    if planned.already:
        remark(f"Passed over, as replayed before: {len(planned.already)}.")
    if planned.left:
        remark(f"Left by --limit: {planned.left}; run it again for them.")
    if not planned.replays:
        remark("There is nothing to replay.")
    elif written:
        remark(f"Written, in one transaction: {counted(len(planned.replays), 'letter')}.")
    else:
        remark(f"Nothing is written. With --yes it would be {counted(len(planned.replays), 'letter')}.")


def _summary(letter: Letter) -> dict[str, Any]:
    return {
        **letter.place._asdict(),
        "at": _time(letter.at),
        "rule": letter.rule,
        "message": letter.message,
        "key": letter.key_text,
    }


def _time(millis: int) -> str:
    return str(Timestamp(millis)) if 0 <= millis <= Timestamp.LATEST else str(millis)


def _time_of_text(text: str | None) -> str:
    if text is None:
        return "unknown"
    return _time(int(text)) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else text


def _shown(cell: object, *, lines: bool = False) -> str:
    """Whatever a header may hold, in a form that no terminal obeys."""
    return readable(str(cell).encode(errors="replace"), lines=lines)
