"""Claims about kordon/simulator.py: a fleet decided by its seed alone."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon.kcat_lines import lines_of
from kordon.simulator import MIX, Behaviour, SimulatedRecord, simulate
from schemas.codec import DecodeError, decode
from schemas.network import NetworkObservation
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp
from schemas.topics import NETWORK, TELEMETRY
from transport.partitioner import partition_of

START = Timestamp.parse("2026-01-01T00:00:00Z")
TYPES: dict[str, type[Telemetry | NetworkObservation]] = {TELEMETRY: Telemetry, NETWORK: NetworkObservation}


def fleet(
    count: int, *, nodes: int = 20, rate: float = 50, seed: int = 7, start: Timestamp = START, partitions: int = 12
) -> list[SimulatedRecord]:
    return list(itertools.islice(simulate(nodes, rate, seed, start, partitions), count))


arguments = {
    "nodes": st.integers(1, 40),
    "rate": st.floats(0.1, 10_000),
    "seed": st.integers(-(2**70), 2**70),
    "partitions": st.integers(1, 30),
}


@given(**arguments)
def test_the_same_arguments_give_the_same_records(nodes: int, rate: float, seed: int, partitions: int) -> None:
    once = fleet(200, nodes=nodes, rate=rate, seed=seed, partitions=partitions)

    assert once == fleet(200, nodes=nodes, rate=rate, seed=seed, partitions=partitions)


def test_the_bytes_of_a_seed_are_the_same_on_every_machine_and_version_of_python() -> None:
    digest = hashlib.sha256(b"\n".join(lines_of(fleet(5_000)))).hexdigest()

    assert digest == "7a798f10e38aaf7784a62c7d449c0f68c0e5d7f4b4a5aa33ee7a1bb7532d04b4"


def test_another_seed_gives_another_fleet() -> None:
    assert fleet(200, seed=1) != fleet(200, seed=2)


def test_a_later_start_moves_the_timestamps_and_nothing_else() -> None:
    moved = fleet(500, start=Timestamp(START + 86_400_000))

    assert [r.timestamp - 86_400_000 for r in moved] == [r.timestamp for r in fleet(500)]
    assert [(r.topic, r.partition, r.key, r.behaviour) for r in moved] == [
        (r.topic, r.partition, r.key, r.behaviour) for r in fleet(500)
    ]


@given(**arguments)
def test_timestamps_begin_at_the_start_and_keep_the_rate(nodes: int, rate: float, seed: int, partitions: int) -> None:
    timestamps = [r.timestamp for r in fleet(100, nodes=nodes, rate=rate, seed=seed, partitions=partitions)]

    assert timestamps == [START + int(index * 1000 / rate) for index in range(100)]


def test_every_behaviour_has_about_its_share() -> None:
    records = fleet(50_000, nodes=10)
    counts = Counter(record.behaviour for record in records)

    assert sum(share for _, share in MIX) == pytest.approx(1)
    assert set(counts) == set(Behaviour)
    for behaviour, share in MIX:
        assert counts[behaviour] / len(records) == pytest.approx(share, rel=0.25)


@given(**arguments)
def test_a_node_boots_before_it_does_anything_else(nodes: int, rate: float, seed: int, partitions: int) -> None:
    seen = set()
    for record in fleet(300, nodes=nodes, rate=rate, seed=seed, partitions=partitions):
        if record.behaviour is Behaviour.FORGED:
            continue
        assert record.key in seen or record.behaviour is Behaviour.BOOT
        seen.add(record.key)


def test_only_malformed_records_do_not_decode_and_some_of_them_only_by_their_time() -> None:
    for record in fleet(20_000):
        try:
            message = decode(TYPES[record.topic], record.value, record.topic)
        except DecodeError:
            assert record.behaviour is Behaviour.MALFORMED
        else:
            from_the_future = message.observedAt > record.timestamp + 300_000
            assert from_the_future == (record.behaviour is Behaviour.MALFORMED)


def test_only_forged_records_speak_for_another_node() -> None:
    for record in fleet(20_000):
        if record.behaviour is not Behaviour.MALFORMED:
            node_id = msgspec.json.decode(record.value)["nodeId"]
            assert (node_id.encode() != record.key) == (record.behaviour is Behaviour.FORGED)


def test_a_roaming_node_changes_system_and_region_and_a_moving_one_only_its_address() -> None:
    before: dict[bytes, NetworkObservation] = {}
    met = set()
    for record in fleet(20_000):
        if record.behaviour not in (Behaviour.SIGHTING, Behaviour.MOVE, Behaviour.ROAM):
            continue
        now = decode(NetworkObservation, record.value, record.topic)
        if (last := before.get(record.key)) is not None and record.behaviour is not Behaviour.SIGHTING:
            changed = (now.asn != last.asn, now.region != last.region)
            assert changed == ((True, True) if record.behaviour is Behaviour.ROAM else (False, False))
            met.add(record.behaviour)
        before[record.key] = now
    assert met == {Behaviour.MOVE, Behaviour.ROAM}


def test_misplaced_records_are_telemetry_in_another_partition_and_all_others_lie_right() -> None:
    records = fleet(5_000)

    assert any(record.misplaced for record in records)
    for record in records:
        assert 0 <= record.partition < 12
        assert record.misplaced == (record.partition != partition_of(record.key, 12))
        assert not record.misplaced or record.topic == TELEMETRY


def test_lines_count_offsets_from_0_in_each_partition() -> None:
    next_offsets: Counter[tuple[str, int]] = Counter()
    for line, record in zip(lines_of(fleet(2_000)), fleet(2_000), strict=True):
        read = msgspec.json.decode(line)
        place = (read["topic"], read["partition"])
        assert place == (record.topic, record.partition)
        assert (read["offset"], read["ts"]) == (next_offsets[place], record.timestamp)
        assert (read["key"].encode(), read["payload"].encode()) == (record.key, record.value)
        next_offsets[place] += 1


@pytest.mark.parametrize(("nodes", "rate", "partitions"), [(0, 1, 12), (1, 0, 12), (1, -1, 12), (1, 1, 0)])
def test_a_fleet_out_of_bounds_is_refused(nodes: int, rate: float, partitions: int) -> None:
    with pytest.raises(ValueError, match="at least one node"):
        next(simulate(nodes, rate, 1, START, partitions))
