from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pytest

from policy.policy_file import default_policy
from schemas.topics import COMMANDS, NETWORK, QUARANTINE, TELEMETRY, dlq_of, repartition_of
from streams.assessment import Assessment, CheckSignature, Received, Refusal
from streams.counts import Counts
from streams.risk_table import RiskTable
from streams.runtime.batches import Batch, TopicRange
from streams.runtime.copartition import Copartition
from streams.runtime.lag import Lag
from tests.unit.streams.records import Found, KeepingWriter, Names
from transport.dead_letters import cause_of
from transport.outgoing import OutgoingRecord
from transport.partitioner import partition_of
from transport.repartition import forwarded, read_forwarded
from transport.settings import KafkaSettings

KAFKA = KafkaSettings(prefix="p.")
PARTITIONS = 4
AT = 1_795_478_400_000
NODE = "node-1"
HOME = partition_of(NODE.encode(), PARTITIONS)


def copartition(partition: int = HOME) -> Copartition[RiskTable]:
    topics = (COMMANDS, NETWORK, TELEMETRY, repartition_of(NETWORK))
    return Copartition(
        partition,
        PARTITIONS,
        RiskTable(default_policy()),
        dict.fromkeys(topics, 0),
        0,
        Lag(topics, 0, lambda _: None, lambda: AT),
        KeepingWriter(),  # type: ignore[arg-type]
        Names(),
    )


def assess(owner: Copartition[RiskTable], *ranges: TopicRange, check: CheckSignature = lambda _: None) -> Counts:
    counts = Counts()
    Assessment(KAFKA, check, counts)(owner, Batch(owner.partition, 1, ranges))
    return counts


def read(topic: str, *records: Found) -> TopicRange:
    return TopicRange(topic, 0, len(records), records)


def seen(offset: int, ip: str, at: int = AT, node: str = NODE, **more: object) -> Found:
    value = {"nodeId": node, "observedAt": "2026-11-23T00:00:00Z", "ip": ip, **more}
    return Found(offset, at, node.encode(), json.dumps(value).encode())


def ordered(offset: int, action: str, at: int) -> Found:
    value = {
        "commandId": f"c-{offset}",
        "nodeId": NODE,
        "action": action,
        "actor": "ann",
        "reason": "test",
        "issuedAt": "2026-11-23T00:00:00Z",
    }
    return Found(offset, at, NODE.encode(), json.dumps(value).encode())


def topics_of(outputs: Sequence[OutgoingRecord]) -> Counter[str]:
    return Counter(output.topic for output in outputs)


def test_a_placed_record_changes_its_row_and_a_transition_goes_out_once() -> None:
    owner = copartition()
    moved = seen(1, "203.0.113.1", asn=2, region="b")
    counts = assess(owner, read(NETWORK, seen(0, "192.0.2.1", asn=1, region="a"), moved, seen(2, "203.0.113.1")))
    assert (counts.folded, counts.transitions) == (3, 1)
    assert topics_of(owner.outputs) == {"p." + QUARANTINE: 1}
    assert (owner.outputs[0].partition, owner.outputs[0].key) == (HOME, NODE.encode())
    assert owner.table.fleet.rows[NODE].revision == 3
    assert [key for key, _ in owner.table.take_changes()] == [NODE.encode()]


def test_a_transition_and_nothing_else_hastens_the_next_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    hastened: list[int] = []
    monkeypatch.setattr(Copartition, "hasten", lambda owner: hastened.append(len(owner.outputs)))
    owner = copartition()
    assess(owner, read(NETWORK, seen(0, "192.0.2.1", asn=1, region="a"), seen(1, "192.0.2.2"), Found(2)))
    assert not hastened
    moved, again = seen(3, "203.0.113.1", asn=2, region="b"), seen(4, "203.0.113.1")
    assess(owner, TopicRange(NETWORK, 3, 5, (moved, again)))
    # The dead letter of before, and the transition.
    assert hastened == [2]


def test_topics_are_merged_by_their_heads_and_commands_go_first_at_equal_times() -> None:
    owner = copartition()
    first = seen(0, "192.0.2.1", AT)
    second = seen(1, "203.0.113.1", AT + 2)
    assess(
        owner, read(NETWORK, first, second), read(COMMANDS, ordered(0, "release", AT), ordered(1, "release", AT + 1))
    )
    row = owner.table.fleet.rows[NODE]
    assert row.baseline is not None
    assert (row.baseline.ip, row.score) == ("192.0.2.1", 20)


def test_a_misplaced_record_is_forwarded_to_its_partition_with_its_origin() -> None:
    away = (HOME + 1) % PARTITIONS
    owner = copartition(away)
    counts = assess(owner, read(NETWORK, seen(7, "192.0.2.1")))
    assert (counts.forwarded, counts.folded) == (1, 0)
    (output,) = owner.outputs
    assert (output.topic, output.partition) == ("p." + repartition_of(NETWORK), HOME)
    landed = Received(output.topic, output.partition, 0, AT + 9, output.key, output.value, output.headers)
    original = read_forwarded(landed)
    assert (original.partition, original.offset, original.timestamp) == (away, 7, AT)


def test_a_forwarded_record_is_judged_by_its_origin_and_never_forwarded_again() -> None:
    away = (HOME + 1) % PARTITIONS
    stray = Received("p." + NETWORK, away, 7, AT, NODE.encode(), seen(7, "192.0.2.1").value, ())
    sent = forwarded(KAFKA, stray, HOME)
    landed = Found(0, AT + 10_000, sent.key, sent.value, sent.headers)
    owner = copartition()
    assess(owner, read(repartition_of(NETWORK), landed), read(NETWORK, seen(0, "203.0.113.1", AT + 1)))
    # Its own time, not that of forwarding, put it first.
    row = owner.table.fleet.rows[NODE]
    assert row.baseline is not None
    assert row.baseline.ip == "192.0.2.1"
    wrong = copartition((HOME + 2) % PARTITIONS)
    counts = assess(wrong, read(repartition_of(NETWORK), landed))
    assert (counts.rejected, counts.forwarded) == (1, 0)
    assert topics_of(wrong.outputs) == {"p." + dlq_of(NETWORK): 1}


def test_a_record_on_repartition_without_a_legible_origin_is_rejected_as_what_it_is() -> None:
    owner = copartition()
    assess(owner, read(repartition_of(NETWORK), seen(0, "192.0.2.1")))
    (letter,) = owner.outputs
    cause = cause_of(letter.headers)
    assert cause is not None
    assert (letter.topic, cause.topic, cause.exception) == (
        "p." + dlq_of(NETWORK),
        "p." + repartition_of(NETWORK),
        "ForwardedRecordError",
    )


def test_a_misplaced_record_too_large_to_forward_is_rejected() -> None:
    owner = copartition((HOME + 1) % PARTITIONS)
    large = Found(0, AT, NODE.encode(), b"x" * KAFKA.max_record_bytes)
    assert assess(owner, read(NETWORK, large)).rejected == 1
    assert topics_of(owner.outputs) == {"p." + dlq_of(NETWORK): 1}


def test_a_misplaced_command_is_rejected_even_if_it_is_signed() -> None:
    owner = copartition((HOME + 1) % PARTITIONS)
    assert assess(owner, read(COMMANDS, ordered(0, "quarantine", AT))).rejected == 1
    assert topics_of(owner.outputs) == {"p." + dlq_of(COMMANDS): 1}


def test_a_refused_signature_leaves_no_trace_but_a_dead_letter() -> None:
    owner = copartition()
    asked: list[Received] = []

    def refuse(record: Received) -> Refusal:
        asked.append(record)
        return Refusal("SignatureRefused", "because")

    counts = assess(owner, read(COMMANDS, ordered(0, "quarantine", AT)), check=refuse)
    assert (counts.rejected, counts.folded) == (1, 0)
    assert not owner.table.fleet.rows
    assert asked[0].topic == "p." + COMMANDS


def test_only_commands_need_a_signature() -> None:
    owner = copartition()
    counts = assess(owner, read(NETWORK, seen(0, "192.0.2.1")), check=lambda _: Refusal("X", "x"))
    assert counts.folded == 1


@pytest.mark.parametrize("key", [None, b"", b"other", b"\xff\xfe", b"k" * 100_000, NODE.encode() + b"\n"])
def test_a_key_that_is_not_the_node_is_rejected_or_sent_where_it_belongs(key: bytes | None) -> None:
    owner = copartition()
    counts = assess(owner, read(NETWORK, seen(0, "192.0.2.1")._replace(key=key)))
    assert (counts.folded, counts.rejected + counts.forwarded) == (0, 1)


def test_late_records_are_counted_and_change_nothing() -> None:
    owner = copartition()
    older = json.dumps({"nodeId": NODE, "observedAt": "2026-11-22T00:00:00Z", "ip": "203.0.113.1"}).encode()
    counts = assess(owner, read(NETWORK, seen(0, "192.0.2.1"), Found(1, AT, NODE.encode(), older)))
    assert (counts.folded, counts.late) == (1, 1)
    assert owner.table.fleet.rows[NODE].revision == 1
