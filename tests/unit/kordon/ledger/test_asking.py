"""Asking the ledger, pruning it, and who may write it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from aiokafka import TopicPartition

from kordon.command_line import run
from kordon.ledger.database import open_for_writing
from kordon.ledger.errors import ForeignLedgerError, LedgerInUseError, PositionLostError, QueryError
from kordon.ledger.lock import writer_of, writing
from kordon.ledger.origin import begin, check, positions_of
from kordon.ledger.reading import ask, search, status
from kordon.ledger.retention import prune
from kordon.ledger.settings import LedgerSettings
from schemas.topics import DECISIONS
from tests.ledgers.fleet import DAY, Log
from tests.ledgers.made import KAFKA, a_days_ledger, dump, opened, origin_of

DAY_MILLIS = 86_400_000


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return a_days_ledger(tmp_path)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM decisions",
        "DROP TABLE risk",
        "UPDATE nodes SET status = 'active'",
        "nonsense",
        "",
        "SELECT 1; SELECT 2",
    ],
)
def test_what_would_write_or_is_no_query_is_refused(ledger: Path, sql: str) -> None:
    before = dump(ledger)
    with pytest.raises(QueryError):
        ask(ledger, sql)
    assert dump(ledger) == before


@pytest.mark.parametrize(
    ("words", "kind", "node"),
    [
        ("ticket 4712", "commands", "cobalt"),
        ("4712", "transitions", "cobalt"),
        ("FromTheFuture", "dead_letters", "amber"),
        ("OLD_REVISION", "registry", "amber"),
        ("95ae6a2d0528686ceb0fdf548ecdbf7a", "decisions", "amber"),
    ],
)
def test_search_finds_words_and_ids_wherever_they_are(ledger: Path, words: str, kind: str, node: str) -> None:
    assert (kind, node) in {(found.kind, found.node_id) for found in search(ledger, words, limit=20)}


def test_search_takes_what_looks_like_syntax_for_words_unless_asked(ledger: Path) -> None:
    assert search(ledger, 'AND OR "', limit=5) == []
    assert {found.kind for found in search(ledger, "reason: tick*", limit=5, syntax=True)} == {
        "commands",
        "transitions",
    }


def test_an_expression_that_no_table_understands_is_refused(ledger: Path) -> None:
    for expression in ("nosuchcolumn: x", "(", '"'):
        with pytest.raises(QueryError, match="SQLite says"):
            search(ledger, expression, limit=5, syntax=True)


def test_search_shows_the_newest_first_and_no_more_than_asked(ledger: Path) -> None:
    times = [found.at or "" for found in search(ledger, "amber", limit=4)]
    assert len(times) == 4
    assert times == sorted(times, reverse=True)


def test_pruning_takes_what_is_older_than_the_policy_and_leaves_the_present(ledger: Path) -> None:
    before = dump(ledger)
    settings = LedgerSettings(file=ledger, keep_decisions_days=1, keep_dead_letters_days=400)
    with open_for_writing(ledger) as database:
        pruned = prune(database, settings, DAY + DAY_MILLIS + 20 * 60_000)
        database.conn.execute("INSERT INTO commands_fts (commands_fts) VALUES ('integrity-check')")
    after = dump(ledger)
    gone = [row for row in before["decisions"] if row["at"] < "2026-03-02T08:20"]
    assert pruned["decisions"] == len(gone) > 0
    assert after == before | {"decisions": [row for row in before["decisions"] if row not in gone]}


def test_what_was_pruned_is_no_longer_found(ledger: Path) -> None:
    settings = LedgerSettings(file=ledger, keep_commands_days=1, keep_transitions_days=1)
    with open_for_writing(ledger) as database:
        prune(database, settings, DAY + 3 * DAY_MILLIS)
    assert search(ledger, "4712", limit=5) == []


def test_the_second_writer_is_refused_by_the_first_ones_pid_until_that_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    program = (
        "import sys, time, pathlib; from kordon.ledger.lock import writing\n"
        "with writing(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        assert writer_of(file) == first.pid
        with pytest.raises(LedgerInUseError, match=f"process {first.pid} writes"), writing(file):
            pass
        first.kill()
    assert writer_of(file) is None
    with writing(file):
        assert writer_of(file) == os.getpid()


def test_a_ledger_begins_where_the_topics_do_and_goes_on_where_it_was(tmp_path: Path) -> None:
    log = Log()
    place = TopicPartition(KAFKA.topic(DECISIONS), 1)
    database = open_for_writing(tmp_path / "ledger.db")
    low = dict.fromkeys(log.ends, 0) | {place: 7}
    high = log.ends | {place: 9}
    assert begin(database, KAFKA, origin_of(log, low=low, high=high), verifying=True)[place] == 7
    later = origin_of(log, low=low | {place: 7}, high=high | {place: 90})
    assert begin(database, KAFKA, later, verifying=True)[place] == 7
    database.close()


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (8, 20, r"offsets 5 to 7 \(3\) were deleted before"),
        (0, 4, "the broker lost offsets 4 to 4, or the topic was created anew"),
    ],
)
def test_a_position_that_the_topic_does_not_hold_names_what_is_lost(
    tmp_path: Path, low: int, high: int, told: str
) -> None:
    log = Log()
    place = TopicPartition(KAFKA.topic(DECISIONS), 1)
    writer = opened(tmp_path / "ledger.db", log, None)
    writer.write({}, {place: 5})
    now = origin_of(log, low=dict.fromkeys(log.ends, 0) | {place: low}, high=log.ends | {place: high})
    with pytest.raises(PositionLostError, match=told) as lost:
        check(writer.database, now, positions_of(writer.database, KAFKA))
    assert "kordon ledger rebuild" in lost.value.remedy
    writer.database.close()


@pytest.mark.parametrize("different", [{"cluster_id": "another"}, {"partitions": 8}], ids=["cluster", "partitions"])
def test_another_cluster_or_partition_count_is_another_ledger(tmp_path: Path, different: dict[str, object]) -> None:
    log = Log()
    writer = opened(tmp_path / "ledger.db", log, None)
    with pytest.raises(ForeignLedgerError, match=next(iter(different))):
        begin(writer.database, KAFKA, origin_of(log, **different), verifying=False)
    writer.database.close()


def test_status_counts_what_is_there(ledger: Path) -> None:
    found = status(ledger)
    assert found.rows == {name: len(rows) for name, rows in dump(ledger).items() if name != "positions"}
    assert found.first["decisions"] == "2026-03-02T08:10:00.000Z"
    assert found.about["cluster_id"] == "test-cluster"


def test_the_commands_answer_in_json_and_fail_by_their_statuses(
    ledger: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def json_of(*arguments: str) -> object:
        assert run(["ledger", *arguments, "--file", str(ledger), "--json"]) == 0
        return msgspec.json.decode(capfd.readouterr().out)

    held = json_of("query", "SELECT node_id FROM quarantined WHERE score >= CAST(:low AS INT)", "-p", "low", "80")
    assert held == [{"node_id": "dahlia"}]
    (found,) = msgspec.convert(json_of("search", "release-dahlia-46"), list[dict[str, object]])
    assert (found["kind"], found["node_id"], found["topic"]) == ("commands", "dahlia", None)
    told = msgspec.convert(json_of("status", "--offline"), dict[str, object])
    assert told.keys() == {"file", "bytes", "about", "writer", "rows", "first", "topics"}
    assert msgspec.convert(json_of("prune"), dict[str, int])["registry"] == 0

    assert run(["ledger", "query", "nonsense", "--file", str(ledger)]) == 2
    assert "SQLite says" in capfd.readouterr().err
    assert run(["ledger", "status", "--offline", "--file", str(tmp_path / "none.db")]) == 4
    assert "kordon ledger run" in capfd.readouterr().err
    (tmp_path / "text.db").write_text("no database at all, but long enough to look at" * 50)
    assert run(["ledger", "status", "--offline", "--file", str(tmp_path / "text.db")]) == 4
