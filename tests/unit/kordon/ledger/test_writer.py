"""What becomes of the topics' records in the ledger, and that a batch is in it whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from kordon.ledger.errors import NewerRecordError
from kordon.ledger.writer import LedgerWriter
from schemas.codec import encode
from schemas.commands import Action
from schemas.registry import Binding, NodeRegistryStatus
from schemas.topics import BINDINGS, COMMANDS, DECISIONS, QUARANTINE, REGISTRY, RISK, TELEMETRY, dlq_of
from tests.ledgers.fleet import SECRETS, Fleet, Log, Written
from tests.ledgers.made import a_days_ledger, dump, opened, operators, write
from tests.unit.transport.incoming_records import delivered
from tests.workers.operators import Operator
from transport.replay import note_of


class Desk:
    """An open ledger, the log it follows, and a fleet to write that log."""

    def __init__(self, folder: Path, *, trusting: bool = True) -> None:
        operator, revoker, trust = operators(folder)
        self.fleet = Fleet(operator, revoker)
        self.log = Log()
        self.writer: LedgerWriter = opened(folder / "ledger.db", self.log, trust if trusting else None)

    def write(self, *written: Written) -> None:
        """Append the records and write them as one batch."""
        write(self.writer, [self.log.append(each) for each in written], at_once=len(written))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return list(self.writer.database.conn.execute(sql))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.writer.database.close()


@pytest.fixture
def trustless(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, trusting=False)
    yield made
    made.writer.database.close()


def test_how_records_are_cut_into_batches_does_not_show(tmp_path: Path) -> None:
    dumps = []
    for at_once in (1, 7, 1_000):
        folder = tmp_path / str(at_once)
        folder.mkdir()
        dumps.append(dump(a_days_ledger(folder, at_once=at_once)))
    assert dumps[0] == dumps[1] == dumps[2]
    assert all(dumps[0].values()), "the day has something for every table"


def test_a_batch_and_its_positions_are_written_together_or_not_at_all(desk: Desk) -> None:
    desk.write(desk.fleet.decision("amber", 1))
    before = [*desk.rows("SELECT * FROM decisions"), *desk.rows("SELECT * FROM positions")]
    fresh = desk.log.append(desk.fleet.decision("amber", 2))
    place = TopicPartition(fresh.topic, fresh.partition)
    again = desk.log.records[place][0]
    with pytest.raises(sqlite3.IntegrityError):  # the same record a second time
        desk.writer.write({place: [fresh, again]}, {place: 2})
    assert [*desk.rows("SELECT * FROM decisions"), *desk.rows("SELECT * FROM positions")] == before
    desk.writer.write({place: [fresh]}, {place: 2})
    assert len(desk.rows("SELECT * FROM decisions")) == 2


def test_a_record_that_nobody_trusted_signed_is_kept_and_changes_no_node(desk: Desk) -> None:
    desk.write(desk.fleet.enrolment("amber", 1))
    forger = Operator(desk.fleet.operator.kid)
    unsigned = desk.fleet.enrolment("amber", 2, 900)._replace(headers=())
    desk.write(desk.fleet.enrolment("amber", 2, 900, signer=forger, ring="evil"), unsigned)
    assert desk.rows("SELECT revision, ring, signature, signer FROM nodes") == [(1, None, "verified", "operator")]
    assert desk.rows("SELECT revision, counts, signature, signer, refusal FROM registry ORDER BY offset") == [
        (1, 1, "verified", "operator", None),
        (900, 0, "refused", None, "BAD_SIGNATURE"),
        (900, 0, "refused", None, "UNSIGNED"),
    ]


def test_who_may_only_revoke_changes_a_nodes_standing_and_nothing_else(desk: Desk) -> None:
    desk.write(desk.fleet.enrolment("amber", 1, ring="canary"))
    revoked = desk.fleet.enrolment(
        "amber", 2, 2, signer=desk.fleet.revoker, status=NodeRegistryStatus.REVOKED, ring="evil", credentials=()
    )
    desk.write(revoked)
    assert desk.rows("SELECT status, revision, ring, credentials, signer FROM nodes") == [
        ("revoked", 2, "canary", '[{"kid":"1","type":"ed25519"}]', "revoker")
    ]


def test_an_old_revision_a_foreign_key_and_a_wrong_partition_change_nothing_and_say_so(desk: Desk) -> None:
    desk.write(desk.fleet.enrolment("amber", 1, 5))
    right = desk.fleet.enrolment("amber", 2, 6)
    foreign = desk.fleet.signed(REGISTRY, "basalt", right.value, 2, desk.fleet.operator)
    misplaced = right._replace(partition=(right.partition + 1) % desk.fleet.partitions)
    desk.write(desk.fleet.enrolment("amber", 2, 5, ring="late"), foreign, misplaced)
    assert desk.rows("SELECT revision, ring FROM nodes") == [(5, None)]
    refusals = desk.rows("SELECT refusal FROM registry WHERE NOT counts ORDER BY refusal")
    assert refusals == [("KEY_IS_NOT_NODE_ID",), ("MISPLACED",), ("OLD_REVISION",)]


def test_without_trust_everything_is_shown_as_unverified(trustless: Desk) -> None:
    trustless.write(
        trustless.fleet.enrolment("amber", 1), trustless.fleet.command("amber", Action.RELEASE, "ticket 1", 2)
    )
    assert trustless.rows("SELECT signature, signer FROM nodes") == [("unverified", None)]
    assert trustless.rows("SELECT signature, signer FROM commands") == [("unverified", None)]


def test_a_command_beyond_its_signers_role_is_kept_as_refused(desk: Desk) -> None:
    desk.write(
        desk.fleet.command("amber", Action.RELEASE, "please", 1, signer=desk.fleet.revoker),
        desk.fleet.command("amber", Action.QUARANTINE, "ticket 4711", 2),
    )
    assert desk.rows("SELECT action, signature, refusal FROM commands ORDER BY offset") == [
        ("release", "refused", "ROLE_MISSING"),
        ("quarantine", "verified", None),
    ]


def test_of_a_compacted_topic_the_last_record_counts_however_it_is_cut(desk: Desk) -> None:
    desk.write(desk.fleet.row("amber", 1, 1), desk.fleet.row("amber", 2, 2))
    desk.write(desk.fleet.row("amber", 3, 3))
    assert desk.rows("SELECT revision, offset FROM risk") == [(3, 2)]


def test_a_row_that_cannot_be_read_is_not_shown_as_if_it_still_held(desk: Desk) -> None:
    desk.write(desk.fleet.row("amber", 1, 1), desk.fleet.row("basalt", 1, 1))
    desk.write(desk.fleet.written(RISK, "amber", b'{"nodeId":"amber"}', 2))
    assert desk.rows("SELECT node_id FROM risk") == [("basalt",)]
    assert desk.rows("SELECT topic, exception, field FROM unreadable") == [(RISK, "DecodeError", "schemaVersion")]


def test_a_row_of_a_newer_schema_stops_the_ledger_before_it_is_written(desk: Desk) -> None:
    newer = desk.fleet.row("amber", 1, 1)
    newer = newer._replace(value=newer.value.replace(b'"schemaVersion":1', b'"schemaVersion":2'))
    with pytest.raises(NewerRecordError, match="schema 2"):
        desk.write(newer)
    assert desk.rows("SELECT * FROM risk") == []


def test_a_record_whose_key_is_not_its_node_is_noted_and_not_believed(desk: Desk) -> None:
    desk.write(desk.fleet.transition("amber", "quarantined", 1, 2)._replace(key=b"basalt"))  # type: ignore[arg-type]
    assert desk.rows("SELECT * FROM transitions") == []
    assert desk.rows("SELECT topic, exception FROM unreadable") == [(QUARANTINE, "KeyMismatch")]


@pytest.mark.parametrize("topic", [REGISTRY, BINDINGS, RISK, QUARANTINE, DECISIONS, COMMANDS])
@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"{}", b"[" * 100_000, b'{"nodeId":"\\ud800"}', b'{"nodeId":9e999}', b"null"]
)
def test_no_value_stops_the_ledger(desk: Desk, topic: str, value: bytes) -> None:
    desk.write(desk.fleet.written(topic, "amber", value, 1)._replace(key=b"\xff\x00'\"", timestamp=-1))
    assert desk.rows("SELECT topic, at, value_bytes FROM unreadable") == [(topic, None, len(value))]


@pytest.mark.parametrize(
    ("name", "value", "column"),
    [
        ("__streams.errors.offset", b"99999999999999999999999", "source_offset"),
        ("__streams.errors.offset", b"x", "source_offset"),
        ("__streams.errors.partition", b"-1", "source_partition"),
        ("__streams.errors.message", b"\xff\xfe", "message"),
        ("kordon-dead-letter-timestamp", b"9" * 400, "source_at"),
        ("kordon-dead-letter-timestamp", "١٢".encode(), "source_at"),
        ("kordon-dead-letter-sha256", b"\xff", "sha256"),
        ("kordon-dead-letter-sha256", b"f" * 100_000, "sha256"),
    ],
)
def test_a_malformed_header_of_a_dead_letter_is_no_more_than_absent(
    desk: Desk, name: str, value: bytes, column: str
) -> None:
    letter = desk.fleet.dead(TELEMETRY, "amber", 17, 1, "DecodeError", "kind: unknown")
    desk.write(letter._replace(headers=[*letter.headers, (name, value)]))
    assert desk.rows(f"SELECT node_id, {column} FROM dead_letters") == [("amber", None)]


def test_a_dead_letters_reason_stands_in_columns(desk: Desk) -> None:
    desk.write(desk.fleet.dead(TELEMETRY, "amber", 17, 5, "DecodeError", "kind: unknown"))
    assert desk.rows(
        "SELECT topic, node_id, source_topic, source_offset, source_at, exception, message, length(sha256), cut "
        "FROM dead_letters"
    ) == [
        (
            dlq_of(TELEMETRY),
            "amber",
            TELEMETRY,
            17,
            "2026-03-02T08:05:00.000Z",
            "DecodeError",
            "kind: unknown",
            64,
            None,
        )
    ]


@pytest.mark.parametrize("verified", [True, False])
def test_no_credential_sealed_or_not_no_signature_and_no_rejected_value_is_in_the_file(
    tmp_path: Path, verified: bool
) -> None:
    file = a_days_ledger(tmp_path, verified=verified)
    bytes_ = b"".join(each.read_bytes() for each in tmp_path.glob("ledger.db*"))
    assert file.stat().st_size > 0
    assert b"amber" in bytes_
    assert [secret for secret in SECRETS if secret.encode() in bytes_] == []


def test_a_binding_replaces_the_one_before(desk: Desk) -> None:
    for epoch, fingerprint in ((0, "ab" * 16), (1, "cd" * 16)):
        binding = Binding("amber", fingerprint, epoch, desk.fleet.at(epoch))
        desk.write(desk.fleet.written(BINDINGS, "amber", encode(binding), epoch))
    assert desk.rows("SELECT fingerprint, binding_epoch FROM bindings") == [("cd" * 16, 1)]


def test_the_note_of_a_replay_is_no_dead_letter_and_is_passed_over(desk: Desk) -> None:
    desk.write(desk.fleet.dead(TELEMETRY, "amber", 17, 5, "DecodeError", "kind: unknown"))
    (letter,) = [record for records in desk.log.records.values() for record in records]
    note = note_of(letter, "alice")
    place = TopicPartition(letter.topic, letter.partition)
    desk.writer.write({place: [delivered(note, letter.offset + 2)]}, {place: letter.offset + 3})

    assert desk.rows("SELECT count(*) FROM dead_letters") == [(1,)]
