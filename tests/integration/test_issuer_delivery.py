"""An issuer may end anywhere: every authenticated request record has exactly one decision and one reply."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.capsules import CAPSULE_TYP, DENIAL_TYP, CapsuleClaims, DenialClaims
from schemas.codec import decode
from schemas.progress import IssuerProgress
from schemas.topics import DECISIONS, ISSUER_PROGRESS, REPLIES, REQUESTS, dlq_of, repartition_of
from tests.issuers.cluster import Cluster
from tests.issuers.load import Load
from tests.issuers.process import IssuerProcess, first_ended
from transport.compact_jws import ED25519_ALGORITHMS, parse
from transport.settings import KafkaSettings
from transport.writer import Step

pytestmark = pytest.mark.apache_kafka_only
"""Nothing of it is promised on noida-db.

A fetch that begins after an aborted transaction is told of it there all the same, so that clients drop what the same
producer committed later, as forwarded requests are.
"""


@pytest.fixture
async def cluster(kafka: KafkaSettings, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(kafka, tmp_path) as cluster, cluster.worker_alive():
        yield cluster


async def committed(cluster: Cluster) -> int:
    return len(await cluster.records(DECISIONS))


async def decided_more_than(cluster: Cluster, count: int, issuer: IssuerProcess) -> None:
    deadline = time.monotonic() + 60
    while await committed(cluster) <= count:
        assert issuer.process.poll() is None, issuer.output()
        assert time.monotonic() < deadline, issuer.output()
        await asyncio.sleep(0.1)


async def answered_all(cluster: Cluster, *issuers: IssuerProcess) -> None:
    """Wait until the checkpoints have reached the ends of the request topics."""
    for issuer in issuers:
        await issuer.ready()
    deadline = time.monotonic() + 60
    sources = (REQUESTS, repartition_of(REQUESTS))
    for _ in range(2):  # twice: a record forwarded in the last transaction seen is answered in a later one
        while True:
            reached = {
                (record.partition, name): offset
                for record in await cluster.records(ISSUER_PROGRESS)
                for name, offset in decode(IssuerProgress, record.value, ISSUER_PROGRESS).offsets.items()
            }
            missing = [
                (record.partition, name, record.offset)
                for name in sources
                for record in await cluster.records(name)
                if record.offset >= reached.get((record.partition, name), 0)
            ]
            if not missing:
                break
            for issuer in issuers:
                assert issuer.process.poll() is None, issuer.output()
            assert time.monotonic() < deadline, f"{len(missing)} unanswered:\n" + "\n".join(
                issuer.output() for issuer in issuers
            )
            await asyncio.sleep(0.2)


async def assert_each_was_answered_once(cluster: Cluster, load: Load) -> None:
    decisions = await cluster.decisions()
    assert Counter(decision.requestDigest for decision in decisions) == load.asked
    replies = await cluster.replies()
    digests: Counter[str] = Counter()
    capsules: dict[str, set[tuple[str, str, str]]] = {}
    for reply in replies:
        typ, claims_type = (DENIAL_TYP, DenialClaims) if reply.denied else (CAPSULE_TYP, CapsuleClaims)
        payload = parse(reply.envelope.encode(), typ=typ, algorithms=ED25519_ALGORITHMS).payload
        claims = decode(claims_type, payload, REPLIES)
        assert isinstance(claims, CapsuleClaims | DenialClaims)
        digests[claims.requestDigest] += 1
        if isinstance(claims, CapsuleClaims):
            terms = (claims.capsuleId, claims.expiresUtc, claims.keyConfirmation)
            capsules.setdefault(claims.requestDigest, set()).add(terms)
    refused = Counter({digest: count for digest, count in digests.items() if digest in load.forged})
    assert digests - refused == load.asked
    assert refused <= load.forged
    assert len(await cluster.records(dlq_of(REQUESTS))) == refused.total()
    # The same bytes got the same capsule every time, and different bytes never did.
    assert all(len(terms) == 1 for terms in capsules.values())
    assert len({next(iter(terms))[0] for terms in capsules.values()}) == len(capsules)
    assert len(capsules) > 50


async def test_sigkill_under_load_answers_each_request_once(cluster: Cluster) -> None:
    chance = random.Random(5)
    async with Load(cluster, 60) as load:
        for _ in range(2):
            with IssuerProcess(cluster) as issuer:
                # Each life must have decided something new, or the next kill would hit an issuer at its start again.
                await decided_more_than(cluster, await committed(cluster) + 10, issuer)
                await asyncio.sleep(chance.random() * 0.5)
        with IssuerProcess(cluster) as issuer:
            await issuer.ready()
    with IssuerProcess(cluster) as issuer:
        await answered_all(cluster, issuer)
        assert await issuer.terminate() == 0
    await assert_each_was_answered_once(cluster, load)


async def test_an_exit_at_any_step_of_a_commit_answers_each_request_once(cluster: Cluster) -> None:
    async with Load(cluster, 60) as load:
        for step in Step:
            armed = cluster.folder / f"armed-{step.name}"
            settings = {
                "KORDON_TEST_EXIT_STEP": step.name,
                "KORDON_TEST_EXIT_WHEN": str(armed),
                "KORDON_TEST_EXIT_COMMIT": "1",
            }
            with IssuerProcess(cluster, module="tests.issuers.exiting", settings=settings) as issuer:
                await issuer.ready()
                armed.touch()
                assert await issuer.ended() == 99, issuer.output()
    with IssuerProcess(cluster) as issuer:
        await answered_all(cluster, issuer)
        assert await issuer.terminate() == 0
    await assert_each_was_answered_once(cluster, load)


async def test_of_two_issuers_one_paused_beyond_its_session_is_fenced_and_answers_nothing(cluster: Cluster) -> None:
    settings = {"KORDON_ISSUER_SESSION_TIMEOUT_MS": "6000", "KORDON_ISSUER_HEARTBEAT_INTERVAL_MS": "500"}
    async with Load(cluster, 40) as load:
        with (
            IssuerProcess(cluster, instance="one", settings=settings) as one,
            IssuerProcess(cluster, instance="two", settings=settings) as two,
        ):
            await one.ready()
            await two.ready()
            await both_own_something(one, two)
            await decided_more_than(cluster, await committed(cluster) + 20, two)
            one.signal(signal.SIGSTOP)
            owned = two.output().count("copartitions.taken")
            await two.said("copartitions.taken", times=owned + 1)
            await two.said("partitions=[0, 1, 2]")
            await decided_more_than(cluster, await committed(cluster) + 20, two)
            one.signal(signal.SIGCONT)
            # It meets the fence with a commit and crashes, or learns of the rebalance first and takes part again.
            await ended_or_taken_again(one)
            assert one.process.poll() in {None, 70}
            assert one.process.poll() is None or "ProducerFenced" in one.output()
            await decided_more_than(cluster, await committed(cluster) + 20, two)
            assert await two.terminate() == 0
    with IssuerProcess(cluster, instance="three") as issuer:
        await answered_all(cluster, issuer)
        assert await issuer.terminate() == 0
    await assert_each_was_answered_once(cluster, load)


async def ended_or_taken_again(issuer: IssuerProcess) -> None:
    taken = issuer.output().count("copartitions.taken")
    deadline = time.monotonic() + 60
    while issuer.process.poll() is None and issuer.output().count("copartitions.taken") == taken:
        assert time.monotonic() < deadline, issuer.output()
        await asyncio.sleep(0.1)


async def both_own_something(one: IssuerProcess, two: IssuerProcess) -> None:
    def owned(issuer: IssuerProcess) -> str:
        lines = [line for line in issuer.output().splitlines() if "copartitions.taken" in line]
        return lines[-1].split("partitions=")[1].split("]")[0]

    deadline = time.monotonic() + 60
    while {owned(one), owned(two)} not in ({"[0, 1", "[2"}, {"[0", "[1, 2"}):
        assert time.monotonic() < deadline, one.output() + two.output()
        await asyncio.sleep(0.1)


async def test_of_two_processes_for_the_same_copartitions_one_fences_the_other(cluster: Cluster) -> None:
    """Two members of one static name: the transactional ids fence one's commits, mostly the older one's.

    aiokafka's heartbeat names no group.instance.id, so the older member is told that it is unknown, not fenced. If that
    reaches it before the younger one has fenced its transactional ids, it joins anew and takes everything back.
    """
    async with Load(cluster, 40) as load:
        with IssuerProcess(cluster) as first:
            await first.ready()
            await decided_more_than(cluster, 10, first)
            with IssuerProcess(cluster) as second:
                fenced = await first_ended(first, second)
                assert fenced.process.returncode == 70, fenced.output()
                other = second if fenced is first else first
                await other.ready()
                await decided_more_than(cluster, await committed(cluster) + 10, other)
    with IssuerProcess(cluster) as issuer:
        await answered_all(cluster, issuer)
        assert await issuer.terminate() == 0
    await assert_each_was_answered_once(cluster, load)
    # The comparison notices a lost and a repeated answer.
    digest = next(iter(load.asked))
    for wrong in (1, -1):
        load.asked[digest] += wrong
        with pytest.raises(AssertionError):
            await assert_each_was_answered_once(cluster, load)
        load.asked[digest] -= wrong
