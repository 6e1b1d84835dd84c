"""The verdict on a world at rest: the oracle's word on rows, transitions and dead letters, and the issuer's answers."""

from __future__ import annotations

from collections import Counter

from policy.policy_file import Policy
from schemas.capsules import CAPSULE_TYP, DENIAL_TYP, CapsuleClaims, CapsuleReply, DenialClaims
from schemas.codec import decode
from schemas.decisions import CapsuleDecision
from schemas.topics import COMMANDS, DECISIONS, NETWORK, REGISTRY, REPLIES, REQUESTS, TELEMETRY, dlq_of, repartition_of
from tests.chaos.load import Load
from tests.chaos.log import Log, read_log
from tests.chaos.oracle import SOURCES, WRITTEN, Oracle, Verdict, origins
from tests.chaos.position import digest_of
from transport.compact_jws import ED25519_ALGORITHMS, parse
from transport.settings import KafkaSettings

ANSWERS = (REGISTRY, REQUESTS, repartition_of(REQUESTS), REPLIES, dlq_of(REQUESTS))


JUDGED = tuple(dict.fromkeys((*SOURCES, *WRITTEN, *ANSWERS)))
"""The topics that the verdict rests on, without prefix."""


async def judge(
    kafka: KafkaSettings,
    load: Load,
    *,
    earlier: Log | None = None,
    policy: Policy | None = None,
    answers: bool = True,
) -> Verdict:
    """Read everything at read_committed and return the verdict.

    ``earlier`` holds what retention has deleted since. Without ``answers`` what the issuer had to do is left out.
    """
    log = await read_log(kafka, JUDGED)
    if earlier is not None:
        log = earlier.extended(log)
    verdict = Verdict()
    rejected = Oracle(kafka.prefix, log, load.unsigned, policy).judge(verdict)
    judge_accepted(log, load, verdict)
    judge_bad(load, rejected, verdict)
    if answers:
        judge_answers(kafka, log, load, verdict)
    return verdict


def judge_accepted(log: Log, load: Load, verdict: Verdict) -> None:
    """What Kafka acknowledged must be in the log, where it said, byte for byte."""
    held = {
        (topic, partition, record.offset): digest_of(record.value or b"")
        for topic in (TELEMETRY, NETWORK, COMMANDS, REGISTRY, REQUESTS)
        for partition in range(log.partitions)
        for record in log.of(topic, partition)
    }
    gone = [position for position, digest in load.accepted.items() if held.get(position) != digest]
    verdict.lost += len(gone)
    if gone:
        verdict.details.append(f"{len(gone)} acknowledged records are not in the log, such as {gone[0]}")


def judge_bad(load: Load, rejected: Counter[object], verdict: Verdict) -> None:
    """What the oracle rejected must be what the load knows to be bad: the two do not share their reasons."""
    written = {position for position in load.accepted if position.topic != REQUESTS}
    bad = Counter[object](load.bad & written)
    known: Counter[object] = Counter({place: count for place, count in rejected.items() if place in written})
    verdict.compare("records known to be bad, against the oracle", bad, known)


def judge_answers(kafka: KafkaSettings, log: Log, load: Load, verdict: Verdict) -> None:
    """Each authenticated request record has one decision and one reply; each other one has a dead letter."""
    requests = {(record.partition, record.offset): digest_of(record.value or b"") for record in log.all(REQUESTS)}
    asked: Counter[object] = Counter(digest for digest in requests.values() if digest in load.authentic)
    decisions = [decode(CapsuleDecision, record.value or b"", DECISIONS) for record in log.all(DECISIONS)]
    verdict.decided = len(decisions)
    verdict.compare("decisions", asked, Counter(decision.requestDigest for decision in decisions))
    told = [answer_of(decode(CapsuleReply, record.value or b"", REPLIES)) for record in log.all(REPLIES)]
    verdict.compare(
        "replies",
        Counter((one.requestDigest, one.denied, one.capsuleId) for one in decisions),
        Counter(answer for answer in told if answer[0] in load.authentic),
    )
    letters = origins(kafka.prefix, log.all(dlq_of(REQUESTS)))
    forged: Counter[object] = Counter(
        (REQUESTS, partition, offset) for (partition, offset), digest in requests.items() if digest in load.forged
    )
    verdict.compare("dead letters of requests", forged, letters)
    verdict.dead_letters += letters.total()


def answer_of(reply: CapsuleReply) -> tuple[str, bool, str | None]:
    """Return the digest of the request that a reply answers, whether it was denied, and the capsule's id."""
    typ, claims_type = (DENIAL_TYP, DenialClaims) if reply.denied else (CAPSULE_TYP, CapsuleClaims)
    payload = parse(reply.envelope.encode(), typ=typ, algorithms=ED25519_ALGORITHMS).payload
    claims = decode(claims_type, payload, REPLIES)
    assert isinstance(claims, CapsuleClaims | DenialClaims)
    return claims.requestDigest, reply.denied, reply.capsuleId
