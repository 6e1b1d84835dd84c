"""What happens to each kind of record: folded, late, forwarded, or rejected by name; none stops the worker."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from confluent_kafka import Producer

from schemas.codec import decode
from schemas.quarantine import QuarantineTransition
from schemas.risk import NodeStatus, RiskRow
from schemas.topics import COMMANDS, DECISIONS, NETWORK, QUARANTINE, RISK, TELEMETRY, dlq_of, repartition_of
from tests.workers.batches import codecs_of, write_with_header_name, write_with_offset_deltas
from tests.workers.fixtures import StartWorker, start_worker
from tests.workers.following import create_topics, folded_all, progress_of, taken
from tests.workers.load import now, observation, report
from tests.workers.operators import Operator, trusting
from tests.workers.refold import WRITTEN, Log, assert_refolds, forwarded_to, read_log
from transport.client import producer_arguments
from transport.dead_letters import cause_of
from transport.partitioner import partition_of
from transport.settings import KafkaSettings

__all__ = ["start_worker"]

PARTITIONS = 3
Headers = Sequence[tuple[str, bytes]]


def home(node_id: str) -> int:
    return partition_of(node_id.encode(), PARTITIONS)


def row_of(log: Log, node_id: str) -> RiskRow:
    values = [record.value for record in log.of(RISK, home(node_id)) if record.key == node_id.encode()]
    return decode(RiskRow, values[-1], RISK)


def causes(log: Log, topic: str) -> Counter[str]:
    found = [cause_of(record.headers) for record in log.all(dlq_of(topic))]
    return Counter(cause.exception for cause in found if cause is not None)


async def test_every_malformed_record_becomes_one_dead_letter_and_the_next_is_folded(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    key, good = b"node-1", observation("node-1", now(), "192.0.2.1")
    partition = home("node-1")
    huge = b"x" * 900_000
    bad: list[tuple[str, bytes | None, bytes | None, Headers]] = [
        (NETWORK, key, None, ()),
        (NETWORK, None, good, ()),
        (NETWORK, b"", good, ()),
        (NETWORK, b"\xff\xfe\x00", good, ()),
        (NETWORK, b"k" * 70_000, good, ()),
        (NETWORK, key, b"", ()),
        (NETWORK, key, b"\xff\xfe", ()),
        (NETWORK, key, b"null", ()),
        (NETWORK, key, b"[" * 100_000, ()),
        (NETWORK, key, b'{"nodeId": "node-1"', ()),
        (NETWORK, key, huge, (("large", b"h" * 50_000),)),
        (NETWORK, key, json.dumps({"nodeId": "node-1"}).encode(), ()),
        (NETWORK, key, observation("node-1", now(), "999.1.1.1"), ()),
        (NETWORK, key, observation("node-1", now(), "fe80::1%eth0"), ()),
        (NETWORK, key, observation("node-1", now(), "192.0.2.1", asn=0), ()),
        (NETWORK, key, observation("node-1", now(), "192.0.2.1", region="r" * 129), ()),
        (NETWORK, key, observation("node-2", now(), "192.0.2.1"), ()),
        (NETWORK, key, observation("node-1", now() + 400_000, "192.0.2.1"), ()),
        (NETWORK, key, good.replace(b'"observedAt": "', b'"observedAt": "x'), ()),
        (TELEMETRY, key, b'{"nodeId": "node-1", "observedAt": 5, "lastShutdownClean": "no"}', ()),
        (TELEMETRY, key, report("node-1", now(), clean=True, metrics={"cpu": "much"}), ()),
        (TELEMETRY, key, report("node-1", now(), clean=True, fingerprint="short"), ()),
        (DECISIONS, key, b'{"requestId": "x"}', ()),
        (COMMANDS, key, b"{}", (("kordon-signature", b"..\xff"), ("", b""), ("kordon-signature", b""))),
        (COMMANDS, key, None, ()),
        (repartition_of(NETWORK), key, good, ()),
        (repartition_of(NETWORK), key, good, (("kordon-original-topic", b"\xff"), ("kordon-original-offset", b"-1"))),
    ]
    async with AIOKafkaProducer(**producer_arguments(kafka) | {"max_request_size": 1_048_576}) as producer:
        for topic, record_key, value, headers in bad:
            await producer.send_and_wait(
                kafka.topic(topic), value, key=record_key, partition=partition, headers=list(headers)
            )
        await producer.send_and_wait(
            kafka.topic(NETWORK), good, key=key, partition=partition, headers=[("ce_id", b"1"), ("odd", b"\xff")]
        )
        await producer.send_and_wait(
            kafka.topic(NETWORK), good, key=key, partition=partition, timestamp_ms=now() - 3_000_000
        )
    worker = start_worker(kafka)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    log = await read_log(kafka, PARTITIONS)
    expected = Counter(topic.removesuffix(".repartition") for topic, *_ in bad)
    # The second good record's own timestamp makes its observedAt lie in the future.
    expected[NETWORK] += 1
    found = {topic: len(log.all(dlq_of(topic))) for topic in expected}
    assert found == expected
    assert row_of(log, "node-1").revision == 1
    letters = log.all(dlq_of(NETWORK))
    assert all((cause := cause_of(letter.headers)) is not None and cause.message for letter in letters)
    assert causes(log, NETWORK)["FromTheFuture"] == 2
    assert causes(log, COMMANDS) == {"NoTrustFile": 2}
    found_causes = [cause_of(letter.headers) for letter in letters]
    origins = {(cause.topic, cause.partition, cause.offset) for cause in found_causes if cause}
    assert len(origins) == len(letters)


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
async def test_header_names_that_are_no_utf8_neither_stop_nor_spoil_a_partition(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    await write_with_header_name(
        kafka,
        TopicPartition(kafka.topic(NETWORK), home("node-1")),
        b"\xff\xfe\xff\xfe",
        [(b"node-1", observation("node-1", now(), f"192.0.2.{number}")) for number in range(5)],
        [(b"node-1", b"not JSON")],
    )
    worker = start_worker(kafka)
    await folded_all(kafka, PARTITIONS, worker)
    async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:
        value = observation("node-1", now(), "192.0.2.9")
        await producer.send_and_wait(kafka.topic(NETWORK), value, key=b"node-1", partition=home("node-1"))
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    # aiokafka cannot read the source topic any more, so a reader of the outputs has to do.
    log = await read_log(kafka, PARTITIONS, WRITTEN)
    assert row_of(log, "node-1").revision == 6
    assert len(log.all(dlq_of(NETWORK))) == 1


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
async def test_offsets_that_a_producer_made_up_move_no_checkpoint_and_cost_no_record(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    place = TopicPartition(kafka.topic(NETWORK), home("node-1"))
    value = observation("node-1", now(), "192.0.2.1")
    for deltas in ((0, 1_000_000, 1), (7,), (3, 2, 1, 0), (-9, 5), (0, 2, 1, 3)):
        await write_with_offset_deltas(kafka, place, [(delta, b"node-1", value) for delta in deltas])
        await write_with_offset_deltas(kafka, place, [(0, b"node-1", b"not JSON")])
    # A poll ends after every second record, and so within each batch.
    worker = start_worker(kafka, settings={"KORDON_WORKER_POLL_RECORDS": "2"})
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    log = await read_log(kafka, PARTITIONS, WRITTEN)
    assert row_of(log, "node-1").revision == 14
    letters = [cause_of(letter.headers) for letter in log.all(dlq_of(NETWORK))]
    assert [letter.offset for letter in letters if letter] == [3, 5, 10, 13, 18]
    progress = await progress_of(kafka, place.partition)
    assert progress is not None
    assert progress.offsets[NETWORK] == 19


async def test_records_of_every_codec_are_folded(kafka: KafkaSettings, start_worker: StartWorker) -> None:
    await create_topics(kafka, PARTITIONS)
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    for number, codec in enumerate(codecs):
        settings = kafka.model_copy(update={"compression_type": codec})
        async with AIOKafkaProducer(**producer_arguments(settings)) as producer:
            node_id = f"node-{number}"
            value = observation(node_id, now(), "192.0.2.1", observer="o" * 100)
            # One batch, so that there is something to compress.
            await asyncio.gather(
                *[
                    await producer.send(kafka.topic(NETWORK), value, key=node_id.encode(), partition=home(node_id))
                    for _ in range(20)
                ]
            )
    worker = start_worker(kafka)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    log = await read_log(kafka, PARTITIONS)
    places = [TopicPartition(kafka.topic(NETWORK), partition) for partition in range(PARTITIONS)]
    assert await codecs_of(kafka, places) == set(codecs)
    assert [row_of(log, f"node-{number}").revision for number in range(len(codecs))] == [20] * len(codecs)
    assert_refolds(kafka, log)


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
async def test_a_crc32_placed_record_is_judged_once_in_its_right_partition(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})
    nodes = [f"node-{number}" for number in range(40)]
    elsewhere = [node for node in nodes if zlib.crc32(node.encode()) % PARTITIONS != home(node)]
    assert len(elsewhere) > 10
    for node in nodes:
        producer.produce(kafka.topic(NETWORK), key=node, value=observation(node, now() - 60_000, "192.0.2.1"))
        # The second observation makes 90 points.
        moved = observation(node, now(), "203.0.113.9", asn=64511, region="elsewhere")
        producer.produce(kafka.topic(NETWORK), key=node, value=observation(node, now() - 50_000, "192.0.2.1", asn=1))
        producer.produce(kafka.topic(NETWORK), key=node, value=moved)
        producer.produce(kafka.topic(TELEMETRY), key=node, value=report(node, now(), clean=False, bootId="1"))
    assert producer.flush(30) == 0
    worker = start_worker(kafka)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    log = await read_log(kafka, PARTITIONS)
    assert_refolds(kafka, log)
    assert len(forwarded_to(kafka, log)) == 4 * len(elsewhere)
    assert not log.all(dlq_of(NETWORK))
    assert not log.all(dlq_of(TELEMETRY))
    for node in nodes:
        row = row_of(log, node)
        assert (row.revision, row.status) == (4, NodeStatus.QUARANTINED)
        signal = next(signal for signal in row.signals if signal.kind == "asnChanged")
        # The evidence is where the producer wrote the record, not where it was forwarded to.
        assert signal.evidence.partition == zlib.crc32(node.encode()) % PARTITIONS
        assert signal.evidence.topic == NETWORK


async def test_a_command_counts_only_when_its_signer_may_order_it(
    kafka: KafkaSettings, tmp_path: Path, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    guard, keeper, stranger = Operator("guard"), Operator("keeper"), Operator("stranger")
    trust = trusting(tmp_path / "trust.json", {guard: ["quarantine"], keeper: ["release"]})
    worker = start_worker(kafka, settings={"KORDON_WORKER_TRUST_FILE": str(trust)})
    async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:

        async def order(node_id: str, action: str, by: Operator | None, *, partition: int | None = None) -> None:
            value, headers = (by or stranger).command(node_id, action)
            await producer.send_and_wait(
                kafka.topic(COMMANDS),
                value,
                key=node_id.encode(),
                partition=home(node_id) if partition is None else partition,
                headers=headers if by else [],
            )

        await order("held", "quarantine", guard)
        await order("unsigned", "quarantine", None)
        await order("unknown", "quarantine", stranger)
        await order("unauthorised", "quarantine", keeper)
        await order("misplaced", "quarantine", guard, partition=(home("misplaced") + 1) % PARTITIONS)
        await order("freed", "quarantine", guard)
        await order("freed", "release", guard)
        await order("freed", "release", keeper)
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    log = await read_log(kafka, PARTITIONS)
    transitions = [decode(QuarantineTransition, record.value, QUARANTINE) for record in log.all(QUARANTINE)]
    moves = Counter((transition.nodeId, str(transition.to), str(transition.cause)) for transition in transitions)
    assert moves == {
        ("held", "quarantined", "operator"): 1,
        ("freed", "quarantined", "operator"): 1,
        ("freed", "active", "operator"): 1,
    }
    assert {row.key for row in log.all(RISK)} == {b"held", b"freed"}
    assert causes(log, COMMANDS) == {"SignatureRefused": 4, "MisplacedRecord": 1}


async def test_decisions_in_transactions_are_folded_once_committed_and_never_when_aborted(
    kafka: KafkaSettings, start_worker: StartWorker
) -> None:
    await create_topics(kafka, PARTITIONS)
    worker = start_worker(kafka)
    producer = AIOKafkaProducer(**producer_arguments(kafka) | {"transactional_id": f"{kafka.prefix}test-issuer"})
    async with producer:
        for number in range(6):
            decision = {
                "requestId": f"request-{number:016d}",
                "nodeId": "node-1",
                "requestDigest": "0" * 64,
                "decidedAt": "2026-11-24T00:00:00Z",
                "denied": True,
                "riskRevision": 0,
                "reason": "NODE_DISABLED",
            }
            await producer.begin_transaction()
            await producer.send_and_wait(
                kafka.topic(DECISIONS), json.dumps(decision).encode(), key=b"node-1", partition=home("node-1")
            )
            await (producer.abort_transaction() if number % 2 else producer.commit_transaction())
    await folded_all(kafka, PARTITIONS, worker)
    assert await worker.terminate() == 0
    log = await read_log(kafka, PARTITIONS)
    assert row_of(log, "node-1").revision == 3
    assert_refolds(kafka, log)


@pytest.mark.apache_kafka_only  # it is the same on noida-db, and takes half a minute
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
async def test_a_backlog_takes_no_memory_of_its_size(kafka: KafkaSettings, start_worker: StartWorker) -> None:
    await create_topics(kafka, PARTITIONS)
    value = observation("node-1", now(), "192.0.2.1", observer="o" * 128, filler="f" * 1_000)
    records, megabytes = 200_000, 200_000 * len(value) // 2**20
    async with AIOKafkaProducer(**producer_arguments(kafka)) as producer:
        sent = []
        while records:
            builder = producer.create_batch()
            while records and builder.append(key=b"node-1", value=value, timestamp=None) is not None:
                records -= 1
            builder.close()
            sent.append(await producer.send_batch(builder, kafka.topic(NETWORK), partition=home("node-1")))
        await asyncio.gather(*sent)
    worker = start_worker(kafka)
    await taken(worker, PARTITIONS)
    at_first = worker.most_megabytes()
    await folded_all(kafka, PARTITIONS, worker)
    assert worker.most_megabytes() - at_first < megabytes / 2
