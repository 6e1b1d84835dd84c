"""``kordon dlq``: dead letters, counted, shown whole, and replayed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from kordon.failures import ExitStatus
from kordon.operator_options import actor_option
from kordon.output import json_option, print_json
from kordon.since import Since

if TYPE_CHECKING:
    from kordon.operations.replaying import Selection
    from transport.settings import KafkaSettings


@click.group()
def dlq() -> None:
    """Dead letters: what could not be accepted, why, and how it is sent again."""


def _topics(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from schemas.topics import TOPICS  # noqa: PLC0415 - only a shell that completes pays for it

    return [spec.name for spec in TOPICS.values() if spec.dead_lettered and spec.name.startswith(incomplete)]


_since_option = click.option(
    "--since", type=Since(), help="Only letters written since: 90s, 15m, 36h, 7d, or an RFC 3339 time."
)
_rule_option = click.option("--rule", help="Only letters of this rule, such as DecodeError or SignatureRefused.")


@dlq.command(
    name="list",
    epilog="""
\b
Examples:
  kordon dlq list
  kordon dlq list node.network.v1 --since 24h --limit 50
  kordon dlq list --rule SignatureRefused --json | jq '.newest[].message'

\b
With --json: {"rules": [{topic, rule, letters, replayed, oldest, newest}], "newest": [{topic, partition, offset, at,
rule, message, key, replayed}]}; replayed counts the letters that `kordon dlq replay` has sent again.
""",
)
@click.argument("topic", required=False, shell_complete=_topics)
@_rule_option
@_since_option
@click.option(
    "--limit", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Newest letters shown one by one."
)
@json_option
def list_letters(topic: str | None, *, rule: str | None, since: int | None, limit: int, as_json: bool) -> None:
    """Count dead letters by topic and rule, and show the newest; of TOPIC alone if it is given."""
    from kordon.operations.letter_output import print_tally, tally_json  # noqa: PLC0415 - so that --help is fast
    from kordon.operations.letter_reading import DEAD_LETTERED, dead_letter_topic, read_letters  # noqa: PLC0415
    from kordon.operations.letters import Tally  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    settings = KafkaSettings.load()
    names = DEAD_LETTERED if topic is None else (topic,)
    tally = Tally(limit, rule)
    asyncio.run(read_letters(settings, [dead_letter_topic(settings, name) for name in names], tally.take, since=since))
    if as_json:
        print_json(tally_json(tally))
    else:
        print_tally(tally)


@dlq.command(
    epilog="""
\b
Examples:
  kordon dlq show node.network.v1 3 42
  kordon dlq show node.commands.v1.dlq 0 7 --json | jq .advice

\b
With --json: topic, partition, offset, at, rule, message, key and value (text, or "hex:…" where they are no printable
UTF-8), headers [[name, value]], source {topic, partition, offset, timestamp}, sha256, cut, replayedBy,
advice {cause, cure, replay}. A value may hold a secret that was sent to the wrong topic: mind where it is printed.
"""
)
@click.argument("topic", shell_complete=_topics)
@click.argument("partition", type=click.IntRange(0))
@click.argument("offset", type=click.IntRange(0))
@json_option
def show(topic: str, partition: int, offset: int, *, as_json: bool) -> None:
    """Show one dead letter whole, and what to do about it."""
    from kordon.operations.letter_output import print_whole, whole  # noqa: PLC0415 - so that --help is fast
    from kordon.operations.letter_reading import dead_letter_topic, letter_at  # noqa: PLC0415
    from transport.replay import Place  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    settings = KafkaSettings.load()
    letter, actor = asyncio.run(letter_at(settings, Place(dead_letter_topic(settings, topic), partition, offset)))
    told = whole(letter, actor)
    if as_json:
        print_json(told)
    else:
        print_whole(told)


@dlq.command(
    epilog="""
\b
Examples:
  kordon dlq replay --rule NoTrustFile                     what would be written; nothing is
  kordon dlq replay --rule NoTrustFile --yes               write it
  kordon dlq replay --topic node.network.v1 --offset 3/42 --offset 5/7 --yes
  kordon dlq replay --since 2h --all --yes --json | jq '.replayed | length'

Mend the cause first: `kordon dlq show` says what helps. A letter goes back to its topic with its raw key, value and
headers (a signature stays), without those that say why it was rejected, in the partition of its key, and with the
time of the replay as its timestamp: it is judged as a new record. All chosen letters are written in one transaction,
or none. Each is written once, however often this is run: a note beside the letter says so. A letter that was cut, or
that only Kordon's services may write, is not replayed, and the exit status is then 4.

\b
With --json: {"written": true or false, "replayed": [{letter, rule, key, to}], "already": [letter],
"refused": [{letter, why}], "left": letters beyond --limit}; letter is "topic/partition/offset".
"""
)
@click.option(
    "--topic", "topics", multiple=True, shell_complete=_topics, help="Only letters of this topic; may be given again."
)
@_rule_option
@click.option(
    "--offset", "offsets", multiple=True, metavar="PARTITION/OFFSET", help="Only this letter; may be given again."
)
@_since_option
@click.option(
    "--all", "take_all", is_flag=True, help="All letters, where neither rule, offset, time nor topic is given."
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Most letters in one transaction."
)
@click.option("--yes", is_flag=True, help="Write. Without it only what would be written is shown.")
@actor_option
@json_option
def replay(
    *,
    topics: tuple[str, ...],
    rule: str | None,
    offsets: tuple[str, ...],
    since: int | None,
    take_all: bool,
    limit: int,
    yes: bool,
    actor: str,
    as_json: bool,
) -> int:
    """Write chosen dead letters back to the topics they came from, each once."""
    from kordon.operations import replaying  # noqa: PLC0415 - so that --help is fast
    from kordon.operations.letter_output import plan_json, print_plan  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    if not (topics or rule or offsets or since is not None or take_all):
        raise click.UsageError("Say which letters: --topic, --rule, --offset, --since, or --all.")
    if offsets and len(topics) != 1:
        raise click.UsageError("An --offset is one of exactly one --topic.")
    settings = KafkaSettings.load()
    selection = _selection(settings, topics, rule, offsets, since, limit)
    do = replaying.replay if yes else replaying.look
    planned = asyncio.run(do(settings, selection, actor))
    if as_json:
        print_json(plan_json(planned, written=yes))
    else:
        print_plan(planned, written=yes)
    return ExitStatus.REFUSED if planned.refused else ExitStatus.OK


def _selection(
    settings: KafkaSettings,
    topics: tuple[str, ...],
    rule: str | None,
    offsets: tuple[str, ...],
    since: int | None,
    limit: int,
) -> Selection:
    from kordon.operations.letter_reading import DEAD_LETTERED, dead_letter_topic  # noqa: PLC0415 - as above
    from kordon.operations.replaying import Selection  # noqa: PLC0415

    return Selection(
        tuple(dict.fromkeys(dead_letter_topic(settings, name) for name in topics or DEAD_LETTERED)),
        rule,
        frozenset(map(_offset, offsets)) if offsets else None,
        since,
        limit,
    )


def _offset(text: str) -> tuple[int, int]:
    partition, slash, offset = text.partition("/")
    if not slash or not all(part.isascii() and part.isdecimal() for part in (partition, offset)):
        raise click.BadParameter(f"{text!r} is not PARTITION/OFFSET, such as 3/42.", param_hint="--offset")
    return int(partition), int(offset)
