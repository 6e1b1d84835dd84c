"""``kordon ledger``: what happened to the fleet, kept in a SQLite file, and asked."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any

import click

from kordon.output import json_option, print_json, print_table, remark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kordon.ledger.reading import Status
    from kordon.ledger.settings import LedgerSettings
    from transport.trust import Trust


@click.group()
def ledger() -> None:
    """Keep what happened to the fleet in a SQLite file, and ask it (docs/ledger.md)."""


_file_option = click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False),
    help="The ledger. Default: KORDON_LEDGER_FILE, .kordon/ledger.db.",
)


@ledger.command(
    epilog="""
\b
Examples:
  kordon ledger run                       follow until SIGTERM or Ctrl-C
  kordon ledger run --until-current       catch up and end, from cron for instance

Records and the positions behind them are one SQLite transaction: it may be killed at any moment and goes on where
it was. A second writer, a topic created anew and records that were deleted unread are errors, with status 4.
"""
)
@_file_option
@click.option("--until-current", is_flag=True, help="End once everything committed before the start is in.")
def run(*, file: str | None, until_current: bool) -> None:
    """Follow registry, bindings, risk, quarantine, decisions, commands and dead letters into the ledger."""
    from kordon.ledger.running import run as follow  # noqa: PLC0415 - so that --help is fast
    from kordon.logs import configure_logs  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    kafka, settings = KafkaSettings.load(), _settings(file)
    trust = _trust(settings)
    configure_logs()

    async def until_stopped() -> None:
        stopping = asyncio.Event()
        following = asyncio.create_task(follow(kafka, settings, trust, stopping, until_current=until_current))

        def stop() -> None:
            # Before the first batch there is nothing to finish, and while the broker is away nothing would end.
            stopping.set()
            asyncio.get_running_loop().call_later(_GRACE_SECONDS, following.cancel)

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        try:
            await following
        except asyncio.CancelledError:
            if not stopping.is_set():
                raise

    asyncio.run(until_stopped())


_GRACE_SECONDS = 2.0


@ledger.command(
    epilog="""
\b
Examples:
  kordon ledger rebuild
  kordon ledger rebuild --accept-loss     give up what the topics no longer hold; the former file becomes ….former

The present ledger stays until the new one is whole. Status 4 if it has entries that the topics no longer hold. With
--json: {"rows": {table: rows}, "lost": {table: rows}, "former": path or null}.
"""
)
@_file_option
@click.option("--accept-loss", is_flag=True, help="Go on although entries will be missing; the former file is kept.")
@json_option
def rebuild(*, file: str | None, accept_loss: bool, as_json: bool) -> None:
    """Make the ledger anew from what the topics still hold."""
    from kordon.ledger.rebuild import Advance  # noqa: PLC0415 - so that --help is fast
    from kordon.ledger.rebuild import rebuild as make_anew  # noqa: PLC0415
    from kordon.progress import progress_on_stderr  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    kafka, settings = KafkaSettings.load(), _settings(file)
    trust = _trust(settings)

    class Shown(Advance):
        def __init__(self) -> None:
            self._passed: Callable[[int], None] = lambda _: None

        def begin(self, offsets: int) -> None:
            self.bar = progress_on_stderr("reading the topics", offsets)
            self._passed = self.bar.__enter__()

        def passed(self, offsets: int) -> None:
            self._passed(offsets)

    shown = Shown()
    try:
        made = asyncio.run(make_anew(kafka, settings, trust, accept_loss=accept_loss, advance=shown))
    finally:
        if hasattr(shown, "bar"):
            shown.bar.__exit__(None, None, None)
    if as_json:
        print_json({"rows": made.rows, "lost": made.lost, "former": made.former})
        return
    print_table(("table", "rows"), list(made.rows.items()))
    if made.former is not None:
        remark(f"The former ledger, with what the topics no longer hold, is {made.former}.")


@ledger.command(
    epilog="""
\b
Examples:
  kordon ledger status
  kordon ledger status --offline --json | jq .rows

\b
With --json: file, bytes, about {schema_version, cluster_id, prefix, partitions, trust}, writer (pid or null),
rows {table: rows}, first {table: time of the oldest entry}, topics [{topic, partitions, next, behind}]; behind is
offsets, transaction markers among them, and null with --offline.
"""
)
@_file_option
@click.option("--offline", is_flag=True, help="Do not ask Kafka how far behind the ledger is.")
@json_option
def status(*, file: str | None, offline: bool, as_json: bool) -> None:
    """Say what the ledger holds, who writes it, and how far it is behind the topics."""
    from kordon.ledger.reading import status as status_of  # noqa: PLC0415 - so that --help is fast

    found = status_of(_settings(file).file)
    topics = _topics(found, {} if offline else asyncio.run(_ends(found)))
    if as_json:
        told = found._asdict() | {"topics": topics}
        del told["positions"]
        print_json(told)
        return
    print_table(("table", "rows", "since"), [(name, rows, found.first.get(name)) for name, rows in found.rows.items()])
    click.echo()
    print_table(("topic", "partitions", "next", "behind"), [tuple(topic.values()) for topic in topics])
    writer = "nobody writes it" if found.writer is None else f"process {found.writer} writes it"
    remark(f"{found.file}: {found.bytes} bytes, {writer}, signatures {found.about.get('trust', 'not yet known')}.")


@ledger.command(
    epilog="""
\b
Examples:
  kordon ledger query "SELECT node_id, score FROM risk ORDER BY score DESC LIMIT 10"
  kordon ledger query "SELECT at, what, who, why FROM timeline WHERE node_id = :node ORDER BY at" -p node cobalt
  kordon ledger query "SELECT * FROM quarantined" --json | jq '.[].node_id'

The ledger is only read, whatever the statement says; a statement that SQLite refuses has status 2. With --json: a
list of objects, one a row, by column name. docs/ledger.md has the tables and a dozen questions.
"""
)
@click.argument("sql")
@click.option("-p", "--param", "parameters", type=(str, str), multiple=True, help="Fill :NAME with VALUE.")
@_file_option
@json_option
def query(sql: str, *, parameters: tuple[tuple[str, str], ...], file: str | None, as_json: bool) -> None:
    """Ask the ledger in SQL."""
    from kordon.ledger.reading import ask  # noqa: PLC0415 - so that --help is fast

    answer = ask(_settings(file).file, sql, dict(parameters))
    if as_json:
        print_json([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
    else:
        print_table(answer.columns, answer.rows)


@ledger.command(
    epilog="""
\b
Examples:
  kordon ledger search "ticket 4711"
  kordon ledger search cobalt --limit 5
  kordon ledger search --syntax 'reason: data* NOT test' --json

It reads nodes, actors, reasons, signers of registry, commands and transitions, and the dead letters' messages; the
id of a capsule or request finds its decision. With --json: a list of {kind, at, node_id, text, topic, partition,
offset}; kind is the table, topic is there for dead letters.
"""
)
@click.argument("words")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most entries shown.")
@click.option("--syntax", is_flag=True, help="WORDS is an expression of SQLite's FTS5: AND, OR, NOT, prefix*, column:.")
@_file_option
@json_option
def search(words: str, *, limit: int, syntax: bool, file: str | None, as_json: bool) -> None:
    """Find entries by their words, the newest first."""
    from kordon.ledger.reading import search as find  # noqa: PLC0415 - so that --help is fast

    found = find(_settings(file).file, words, limit=limit, syntax=syntax)
    if as_json:
        print_json([each._asdict() for each in found])
    else:
        print_table(("at", "node", "kind", "text"), [(each.at, each.node_id, each.kind, each.text) for each in found])


@ledger.command(
    epilog="""
\b
Examples:
  kordon ledger prune
  KORDON_LEDGER_KEEP_DECISIONS_DAYS=30 kordon ledger prune --json

`kordon ledger run` prunes by itself; this is for a ledger that nobody writes, else the status is 4. What nodes are now
(nodes, bindings, risk) is never pruned. With --json: {table: rows deleted}.
"""
)
@_file_option
@json_option
def prune(*, file: str | None, as_json: bool) -> None:
    """Delete what is older than KORDON_LEDGER_KEEP_…_DAYS."""
    from kordon.ledger.database import open_for_reading, open_for_writing  # noqa: PLC0415 - so that --help is fast
    from kordon.ledger.lock import writing  # noqa: PLC0415
    from kordon.ledger.retention import prune as delete_old  # noqa: PLC0415

    settings = _settings(file)
    open_for_reading(settings.file).close()
    with writing(settings.file), open_for_writing(settings.file) as database:
        pruned = delete_old(database, settings, time.time_ns() // 1_000_000)
    if as_json:
        print_json(pruned)
    else:
        print_table(("table", "deleted"), list(pruned.items()))


def _settings(file: str | None) -> LedgerSettings:
    from kordon.ledger.settings import LedgerSettings  # noqa: PLC0415 - so that --help is fast

    return LedgerSettings.load(**({} if file is None else {"file": file}))


def _trust(settings: LedgerSettings) -> Trust | None:
    """Load the trust.json that is set, else the one that `kordon keys init` made here, else say that there is none."""
    from kordon.settings import CommandSettings  # noqa: PLC0415 - so that --help is fast
    from transport.trust import Trust  # noqa: PLC0415

    if settings.trust_file is not None:
        return Trust.load(settings.trust_file)
    if (trust_file := CommandSettings.load().trust_file).exists():
        return Trust.load(trust_file)
    remark(f"There is no {trust_file}, so registry and commands are unverified: set KORDON_LEDGER_TRUST_FILE.")
    return None


async def _ends(found: Status) -> Mapping[tuple[str, int], int]:
    from aiokafka import TopicPartition  # noqa: PLC0415 - so that --help is fast

    from transport.settings import KafkaSettings  # noqa: PLC0415
    from transport.watermarks import high_watermark  # noqa: PLC0415

    settings = KafkaSettings.load()
    places = [TopicPartition(settings.topic(topic), partition) for topic, partition in found.positions]
    ends = await high_watermark(settings, places) if places else {}
    return {(settings.without_prefix(place.topic), place.partition): end for place, end in ends.items()}


def _topics(found: Status, ends: Mapping[tuple[str, int], int]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for (topic, partition), offset in sorted(found.positions.items()):
        row = rows.setdefault(topic, {"topic": topic, "partitions": 0, "next": 0, "behind": 0 if ends else None})
        row["partitions"] += 1
        row["next"] += offset
        if ends:
            row["behind"] += ends[topic, partition] - offset
    return list(rows.values())
