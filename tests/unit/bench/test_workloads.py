from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.answers import PlainFold
from bench.fleets import bursts
from bench.operators import write_trust_file
from bench.stored_state import observations, one_a_partition
from bench.workloads import BACKLOGS, BenchRecord, heartbeats, mixed, network
from policy.admission import Rejection
from policy.fleet import Fleet
from policy.policy_file import default_policy
from schemas.codec import decode
from schemas.commands import Command
from schemas.network import NetworkObservation
from schemas.topics import COMMANDS
from transport.partitioner import partition_of
from transport.signed_records import Refusal, authorise, verify
from transport.trust import Trust

PARTITIONS = 4


@pytest.fixture(scope="module")
def mixture() -> list[BenchRecord]:
    return list(mixed(20_000, PARTITIONS, nodes=500))


@pytest.mark.parametrize("name", BACKLOGS)
def test_a_workload_is_the_same_bytes_at_every_run(name: str) -> None:
    make = BACKLOGS[name].make
    assert list(make(2_000, PARTITIONS)) == list(make(2_000, PARTITIONS))


def test_one_percent_of_the_observations_change_something() -> None:
    seen: dict[bytes, tuple[object, ...]] = {}
    changes = 0
    for record in network(50_000, PARTITIONS, nodes=1_000):
        observed = decode(NetworkObservation, record.value, record.topic)
        place = (observed.ip, observed.asn, observed.region)
        changes += seen.get(record.key, place) != place
        seen[record.key] = place
    assert 0.009 < changes / 50_000 < 0.011


def test_every_heartbeat_changes_its_row() -> None:
    fleet = Fleet(default_policy())
    for record in heartbeats(3_000, PARTITIONS, nodes=1_000):
        before = fleet.row(record.key.decode())
        assert not isinstance(
            fleet.fold(record.topic, record.partition, 0, record.timestamp, record.key, record.value), Rejection
        )
        assert fleet.row(record.key.decode()) != before


def test_a_mixture_has_the_shares_it_promises(mixture: list[BenchRecord]) -> None:
    fold = PlainFold(exact=False)
    for record in mixture:
        fold.fold(record)
    misplaced = sum(record.partition != partition_of(record.key, PARTITIONS) for record in mixture)
    commands = Counter(record.topic for record in mixture)[COMMANDS]
    assert len(mixture) == 20_000
    assert fold.answer().dead_letters == pytest.approx(20, abs=2)
    assert misplaced == pytest.approx(1_000, abs=20)
    assert commands == 20


def test_a_mixtures_commands_are_signed_by_somebody_who_may(mixture: list[BenchRecord], tmp_path: Path) -> None:
    trust = Trust.load(write_trust_file(tmp_path / "trust.json"))
    for record in mixture:
        if record.topic == COMMANDS:
            signer = verify(
                record.headers, topic=COMMANDS, key=record.key, value=record.value, trust=trust, at=record.timestamp
            )
            assert not isinstance(signer, Refusal)
            assert authorise(signer, decode(Command, record.value, COMMANDS)) is None


def test_a_mixtures_answer_does_not_depend_on_how_topics_interleave(mixture: list[BenchRecord]) -> None:
    in_order, by_topic = PlainFold(exact=False), PlainFold(exact=False)
    for record in mixture:
        in_order.fold(record)
    for record in sorted(mixture, key=lambda one: one.topic):
        by_topic.fold(record)
    assert in_order.answer() == by_topic.answer()


def test_one_record_is_made_for_each_partition() -> None:
    made = one_a_partition(12, day=1)
    assert sorted(record.partition for record in made) == list(range(12))
    assert all(partition_of(record.key, 12) == record.partition for record in made)


def test_a_later_day_is_never_late_and_changes_one_percent() -> None:
    fleet = Fleet(default_policy())
    for day in (0, 1):
        for record in observations(range(2_000), PARTITIONS, day):
            outcome = fleet.fold(record.topic, record.partition, 0, record.timestamp, record.key, record.value)
            assert outcome.__class__.__name__ == "Folded"
    changed = sum(row.current != row.baseline for row in fleet.rows.values())
    assert 5 < changed < 50


def test_a_small_and_a_large_fleet_repeat_their_nodes_alike() -> None:
    def distinct(nodes: int) -> list[int]:
        numbers = list(bursts(nodes, 100_000))
        return [len(set(numbers[at : at + 25_000])) for at in range(0, 75_000, 7_000)]

    assert distinct(10_000) == distinct(200_000)
