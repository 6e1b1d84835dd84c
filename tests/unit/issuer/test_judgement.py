"""One request record in, its answer out: real cryptography, no broker."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.key_ring import KeyRing
from schemas.capsules import CapsuleClaims, DenialClaims
from schemas.codec import decode, encode
from schemas.decisions import DenialReason
from schemas.network import Network
from schemas.registry import Binding, Credential, NodeRegistryStatus, RegistryRecord
from schemas.risk import Cause, NodeStatus, Quarantine
from schemas.timestamp import Timestamp
from schemas.trust import KeyState
from tests.unit.issuer.nodes import FINGERPRINT, HERE, NOW, SECOND, Desk, Record, segment
from transport.compact_jws import thumbprint
from transport.dead_letters import cause_of
from transport.envelopes import open_capsule
from transport.key_files import generate_signing_key
from transport.repartition import forwarded

DAY = 86_400


@pytest.fixture
def desk() -> Desk:
    return Desk()


def granted(claims: CapsuleClaims | DenialClaims) -> CapsuleClaims:
    assert isinstance(claims, CapsuleClaims), claims
    return claims


def denied(claims: CapsuleClaims | DenialClaims) -> DenialClaims:
    assert isinstance(claims, DenialClaims), claims
    return claims


def test_a_capsule_holds_all_that_the_design_names(desk: Desk) -> None:
    key = desk.enrol(servicePrincipal="svc/one")
    desk.row()
    answer = desk.ask(desk.request(network={"asn": 64_500}))
    claims = granted(answer.claims)
    assert claims.exp == SECOND + DAY
    assert claims.expiresUtc == "2027-01-16T08:00:00Z"
    assert (claims.iat, claims.riskRevision, claims.policyVersion, claims.riskScore) == (SECOND, 7, 1, 0)
    assert (claims.masterId, claims.runtimeVersion, claims.servicePrincipal) == ("master-1", "1.0.0", "svc/one")
    assert claims.cnf is not None
    assert claims.cnf.jkt == thumbprint(key.private_key.public_key())
    assert len(open_capsule(claims, desk.seal_key, key.private_key.public_key())) == 32
    outer = answer.reply
    assert (outer.capsuleId, outer.expiresUtc, outer.sealedRuntimeKey) == (
        claims.capsuleId,
        claims.expiresUtc,
        claims.sealedRuntimeKey,
    )
    decision = answer.decision
    assert decision is not None
    assert (decision.denied, decision.riskRevision, decision.current) == (False, 7, HERE)
    assert decision.claims == Network(asn=64_500)
    assert (decision.capsuleId, decision.masterId, decision.fingerprint) == (claims.capsuleId, "master-1", FINGERPRINT)
    assert decision.requestDigest == claims.requestDigest


def test_the_envelope_signs_every_outer_field_but_three(desk: Desk) -> None:
    desk.enrol(servicePrincipal="svc/one")
    answer = desk.ask(desk.request())
    outer = json.loads(encode(answer.reply))
    signed = json.loads(encode(answer.claims))
    unsigned = {"envelope", "serverTime", "retryAfterSeconds"}
    assert {name: value for name, value in outer.items() if name not in unsigned} == {
        name: signed[name] for name in outer if name not in unsigned
    }


def test_an_hmac_node_gets_a_capsule_that_is_bound_to_no_key(desk: Desk) -> None:
    verifier = desk.enrol_hmac()
    claims = granted(desk.ask(desk.request(key=verifier)).claims)
    assert claims.cnf is None
    assert len(open_capsule(claims, desk.seal_key)) == 32


def test_the_registrys_runtime_version_wins(desk: Desk) -> None:
    desk.enrol(runtimeVersion="9.9")
    answer = desk.ask(desk.request())
    assert granted(answer.claims).runtimeVersion == "9.9"
    assert answer.decision is not None
    assert answer.decision.runtimeVersion == "9.9"


def twice_named(request: bytes) -> bytes:
    header, _, signature = request.split(b".")
    return b".".join([header, segment(b'{"iat":1,"iat":2}'), signature])


MALFORMED: list[tuple[str, Callable[[Desk], bytes | None]]] = [
    ("nothing", lambda _: None),
    ("empty", lambda _: b""),
    ("json", lambda _: b'{"requestId":"request-id-1234567"}'),
    ("binary", lambda _: bytes(range(256))),
    ("too long", lambda d: d.request(extra="x" * 16_384)),
    (
        "alg none",
        lambda d: b".".join(
            [segment({"alg": "none", "typ": "kordon-request+jwt", "kid": "1"}), segment(d.claims()), b""]
        ),
    ),
    (
        "another alg",
        lambda d: b".".join(
            [segment({"alg": "RS256", "typ": "kordon-request+jwt", "kid": "1"}), segment(d.claims()), b"AA"]
        ),
    ),
    (
        "another typ",
        lambda d: b".".join([segment({"alg": "EdDSA", "typ": "JWT", "kid": "1"}), segment(d.claims()), b"AA"]),
    ),
    (
        "twice a name",
        lambda d: twice_named(d.request()),
    ),
    ("another node", lambda d: d.request(nodeId="node-2")),
    ("no request id", lambda d: d.request(requestId=None)),
    ("a short request id", lambda d: d.request(requestId="short")),
    ("a request id with a newline", lambda d: d.request(requestId="request-id-1234567\n")),
    ("iat as text", lambda d: d.request(iat=str(SECOND))),
    ("iat with a fraction", lambda d: d.request(iat=SECOND + 0.5)),
    ("iat as a float", lambda d: d.request(iat=float(SECOND))),
    ("iat as a boolean", lambda d: d.request(iat=True)),
    ("iat before the epoch", lambda d: d.request(iat=-1)),
    ("iat beyond the year 9999", lambda d: d.request(iat=10**12)),
    ("iat beyond 64 bits", lambda d: d.request(iat=10**30)),
    ("no audience", lambda d: d.request(aud=None)),
    ("audiences", lambda d: d.request(aud=[d.audience])),
    ("a short fingerprint", lambda d: d.request(fingerprint="ab")),
    ("a version with a space", lambda d: d.request(runtimeVersion="1 0")),
    ("a low-order sealTo", lambda d: d.request(sealTo="A" * 43)),
    ("a long sealTo", lambda d: d.request(sealTo="A" * 44)),
    ("a sealTo with stray bits", lambda d: d.request(sealTo="A" * 42 + "B")),
    ("a zone in the ip", lambda d: d.request(network={"ip": "fe80::1%eth0"})),
    ("an asn of zero", lambda d: d.request(network={"asn": 0})),
]


@pytest.mark.parametrize("make", [make for _, make in MALFORMED], ids=[name for name, _ in MALFORMED])
def test_what_is_no_request_is_answered_dead_lettered_and_not_decided(
    desk: Desk, make: Callable[[Desk], bytes | None]
) -> None:
    desk.enrol()
    value = make(desk)
    answer = desk.ask(value)
    claims = denied(answer.claims)
    assert claims.reason is DenialReason.MALFORMED_REQUEST
    assert claims.nodeId == "node-1"
    assert answer.decision is None
    assert [record.topic for record in answer.records] == ["k.capsule.replies.v1", "k.capsule.requests.v1.dlq"]
    letter = answer.records[1]
    assert (letter.key, letter.value) == (b"node-1", value)
    cause = cause_of(letter.headers)
    assert cause is not None
    assert (cause.exception, cause.offset) == ("MALFORMED_REQUEST", 3)


def test_a_request_id_that_can_be_read_is_given_back(desk: Desk) -> None:
    desk.enrol()
    assert denied(desk.ask(desk.request(fingerprint="ab")).claims).requestId == "request-id-1234567"
    assert denied(desk.ask(desk.request(requestId="short")).claims).requestId is None
    assert denied(desk.ask(b"x").claims).requestId is None


@pytest.mark.parametrize("key", [None, b"", b"a b", b"\xff", b"n" * 129, b"node-1\n", "nöde".encode()])
def test_a_record_key_that_is_no_node_id_is_malformed_and_answered_without_one(desk: Desk, key: bytes | None) -> None:
    desk.enrol()
    answer = desk.ask(desk.request(), key=key, node_id=None)
    claims = denied(answer.claims)
    assert (claims.reason, claims.nodeId) == (DenialReason.MALFORMED_REQUEST, None)
    assert answer.records[0].key is None


def forged(desk: Desk) -> bytes:
    return desk.request(key=generate_signing_key("1"))


UNAUTHENTICATED: list[tuple[str, Callable[[Desk], bytes]]] = [
    ("NODE_NOT_FOUND", lambda d: d.request("node-1", key=generate_signing_key("1"))),
    ("NODE_REMOVED", lambda d: (d.enrol(), d.enrol(revision=2, status=NodeRegistryStatus.REMOVED), d.request())[-1]),
    ("PROOF_INVALID", lambda d: (d.enrol(), forged(d))[-1]),
    ("PROOF_INVALID", lambda d: (d.enrol(), d.request(key=bytes(32)))[-1]),
    ("PROOF_INVALID", lambda d: (d.enrol_hmac(), d.request(key=generate_signing_key("1")))[-1]),
    ("PROOF_INVALID", lambda d: (d.enrol_hmac(), d.request(key=bytes(32)))[-1]),
    ("PROOF_INVALID", lambda d: (d.enrol(credentials=()), d.request())[-1]),
    ("WRONG_AUDIENCE", lambda d: (d.enrol(), d.request(aud="c/other."))[-1]),
    ("WRONG_AUDIENCE", lambda d: (d.enrol(), d.request(aud="c/"))[-1]),
]


@pytest.mark.parametrize(("detail", "make"), UNAUTHENTICATED)
def test_whoever_proves_nothing_learns_nothing(desk: Desk, detail: str, make: Callable[[Desk], bytes]) -> None:
    value = make(desk)
    desk.row(status=NodeStatus.QUARANTINED, score=90, quarantine=Quarantine("0" * 32, NOW, Cause.OPERATOR, 90))
    answer = desk.ask(value)
    assert msgspec.to_builtins(answer.claims) == {
        "denied": True,
        "reason": "AUTHENTICATION_FAILED",
        "iss": "iss",
        "aud": desk.audience,
        "iat": SECOND,
        "exp": SECOND + 300,
        "requestDigest": answer.claims.requestDigest,
        "policyVersion": 1,
        "requestId": "request-id-1234567",
        "nodeId": "node-1",
    }
    assert answer.decision is None
    cause = cause_of(answer.records[1].headers)
    assert cause is not None
    assert cause.exception == detail


def test_a_public_key_is_no_hmac_secret(desk: Desk) -> None:
    key = desk.enrol()
    confused = desk.request(key=key.private_key.public_key().public_bytes_raw())
    assert denied(desk.ask(confused).claims).reason is DenialReason.AUTHENTICATION_FAILED


def test_a_credential_that_is_unfit_verifies_nothing(desk: Desk) -> None:
    small_order = Credential("1", publicKey="AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    record = RegistryRecord("node-1", 1, NodeRegistryStatus.ACTIVE, enabled=True, credentials=(small_order,))
    desk.register(record)
    assert denied(desk.ask(forged(desk)).claims).reason is DenialReason.AUTHENTICATION_FAILED


def test_a_verifier_sealed_for_another_node_verifies_nothing(desk: Desk) -> None:
    verifier = desk.enrol_hmac("node-2")
    stolen = desk.state.enrolled("node-2")
    assert stolen is not None
    desk.register(msgspec.structs.replace(stolen.record, nodeId="node-1"))
    assert denied(desk.ask(desk.request(key=verifier)).claims).reason is DenialReason.AUTHENTICATION_FAILED


def test_refusals_beyond_the_rate_are_dropped_in_silence_and_counted() -> None:
    desk = Desk(refusals_per_second=2)
    desk.enrol()
    answers = [desk.records_of(value) for value in (b"x", forged(desk), b"y", forged(desk))]
    assert [len(records) for records in answers] == [2, 2, 0, 0]
    assert desk.counts.requests["dropped"] == 2
    # Who is authenticated is answered all the same.
    granted(desk.ask(desk.request()).claims)
    desk.seconds += 0.5
    assert len(desk.records_of(b"z")) == 2
    assert desk.records_of(b"z") == []


@pytest.mark.parametrize(
    ("reason", "prepare", "how"),
    [
        (DenialReason.REQUEST_EXPIRED, lambda d: d.enrol(), {"iat": SECOND - 301}),
        (DenialReason.REQUEST_EXPIRED, lambda d: d.enrol(), {"iat": SECOND + 301}),
        (DenialReason.NODE_REVOKED, lambda d: d.enrol(status=NodeRegistryStatus.REVOKED), {}),
        (DenialReason.NODE_DISABLED, lambda d: d.enrol(enabled=False), {}),
        (DenialReason.FINGERPRINT_MISMATCH, lambda d: d.enrol(fingerprint="cd" * 16), {}),
        (DenialReason.RISK_STATE_STALE, lambda d: (d.enrol(), d.progress(lagMillis=30_001)), {}),
        (DenialReason.RISK_STATE_STALE, lambda d: (d.enrol(), d.progress(policyVersion=2)), {}),
        (DenialReason.RISK_STATE_STALE, lambda d: (d.enrol(), d.progress(at=Timestamp(NOW - 30_001))), {}),
    ],
)
def test_a_denial_of_a_proven_node_is_bound_and_decided(
    desk: Desk, reason: DenialReason, prepare: Callable[[Desk], object], how: dict[str, Any]
) -> None:
    prepare(desk)
    desk.row()
    answer = desk.ask(desk.request(**how))
    claims = denied(answer.claims)
    assert claims.reason is reason
    assert claims.cnf is not None
    assert claims.riskRevision == 7
    assert answer.decision is not None
    assert (answer.decision.reason, answer.decision.capsuleId) == (reason, None)
    assert [record.topic for record in answer.records] == ["k.capsule.replies.v1", "k.capsule.decisions.v1"]
    assert (answer.reply.retryAfterSeconds is not None) == (reason is DenialReason.RISK_STATE_STALE)


def test_a_view_that_is_behind_denies(desk: Desk) -> None:
    desk.enrol()
    assert denied(desk.ask(desk.request(), caught_up=False).claims).reason is DenialReason.RISK_STATE_STALE


def test_a_row_that_cannot_be_read_denies_instead_of_granting(desk: Desk) -> None:
    desk.enrol()
    desk.state.read_risk(Record("k.node.risk.v1", 0, 0, NOW, b"node-1", b'{"status":"quarantined"'))
    assert denied(desk.ask(desk.request()).claims).reason is DenialReason.RISK_STATE_STALE


@pytest.mark.parametrize(
    ("cause", "reason", "score"),
    [
        (Cause.OPERATOR, DenialReason.NODE_QUARANTINED, None),
        (Cause.POLICY, DenialReason.NETWORK_POLICY_VIOLATION, 90),
    ],
)
def test_a_quarantine_denies(desk: Desk, cause: Cause, reason: DenialReason, score: int | None) -> None:
    desk.enrol()
    desk.row(status=NodeStatus.QUARANTINED, score=20, quarantine=Quarantine("0" * 32, NOW, cause, 90))
    claims = denied(desk.ask(desk.request()).claims)
    assert (claims.reason, claims.riskScore) == (reason, score)


def test_what_a_node_claims_is_laid_over_where_it_is(desk: Desk) -> None:
    desk.enrol()
    desk.row()
    claims = denied(desk.ask(desk.request(network={"asn": 1, "region": "us"})).claims)
    assert (claims.reason, claims.riskScore) == (DenialReason.NETWORK_POLICY_VIOLATION, 90)
    answer = desk.ask(desk.request(network={"ip": "192.0.2.9", "asn": 1}, requestId="another-request-id"))
    assert granted(answer.claims).riskScore == 60


def test_the_first_fingerprint_that_is_granted_is_bound(desk: Desk) -> None:
    desk.enrol()
    refused = desk.ask(desk.request(requestId="a-first-request-id"), caught_up=False)
    assert denied(refused.claims).reason is DenialReason.RISK_STATE_STALE
    assert desk.state.binding("node-1") is None
    first = desk.ask(desk.request(requestId="b-first-request-id", fingerprint="CD" * 16))
    written = [decode(Binding, r.value, "b") for r in first.records if r.topic == "k.node.bindings.v1"]
    assert [(b.fingerprint, b.bindingEpoch) for b in written] == [("cd" * 16, 0)]
    other = desk.ask(desk.request(requestId="c-first-request-id"))
    assert denied(other.claims).reason is DenialReason.FINGERPRINT_MISMATCH
    same = desk.ask(desk.request(requestId="d-first-request-id", fingerprint="cd" * 16))
    assert "k.node.bindings.v1" not in {record.topic for record in same.records}
    desk.enrol(revision=2, bindingEpoch=1)
    anew = desk.ask(desk.request(requestId="e-first-request-id"))
    assert "k.node.bindings.v1" in {record.topic for record in anew.records}


def test_an_enrolled_fingerprint_is_never_bound(desk: Desk) -> None:
    desk.enrol(fingerprint=FINGERPRINT.upper())
    answer = desk.ask(desk.request())
    granted(answer.claims)
    assert "k.node.bindings.v1" not in {record.topic for record in answer.records}


def test_the_same_bytes_get_the_same_capsule_and_other_bytes_none(desk: Desk) -> None:
    desk.enrol()
    value = desk.request()
    first, second = granted(desk.ask(value).claims), granted(desk.ask(value, now=NOW + 20_000).claims)
    for field in ("capsuleId", "expiresUtc", "exp", "masterId", "runtimeVersion", "keyConfirmation"):
        assert getattr(first, field) == getattr(second, field)
    assert first.sealedRuntimeKey != second.sealedRuntimeKey
    other = denied(desk.ask(desk.request(runtimeVersion="2")).claims)
    assert other.reason is DenialReason.REPLAYED_REQUEST
    assert granted(desk.ask(value).claims).capsuleId == first.capsuleId


def test_the_same_bytes_rerun_the_checks(desk: Desk) -> None:
    desk.enrol()
    value = desk.request()
    granted(desk.ask(value).claims)
    desk.enrol(revision=2, status=NodeRegistryStatus.REVOKED)
    assert denied(desk.ask(value).claims).reason is DenialReason.NODE_REVOKED
    desk.enrol(revision=3)
    granted(desk.ask(value).claims)


def test_a_denied_request_id_is_used_and_its_own_bytes_may_still_be_granted(desk: Desk) -> None:
    desk.enrol()
    value = desk.request()
    denied(desk.ask(value, caught_up=False).claims)
    assert denied(desk.ask(desk.request(runtimeVersion="2")).claims).reason is DenialReason.REPLAYED_REQUEST
    granted(desk.ask(value).claims)


def test_an_expired_request_does_not_use_its_id(desk: Desk) -> None:
    desk.enrol()
    assert denied(desk.ask(desk.request(iat=SECOND - 400)).claims).reason is DenialReason.REQUEST_EXPIRED
    granted(desk.ask(desk.request()).claims)


def test_another_nodes_request_id_is_another(desk: Desk) -> None:
    desk.enrol()
    desk.enrol("node-2")
    granted(desk.ask(desk.request()).claims)
    granted(desk.ask(desk.request("node-2"), key=b"node-2", node_id="node-2").claims)


def test_a_first_grant_outlives_new_masters_and_runtime_versions() -> None:
    ring = KeyRing.generate("1")
    desk = Desk(ring=ring)
    desk.enrol()
    value = desk.request()
    answer = desk.ask(value)
    first = granted(answer.claims)
    rotated = replace(ring, masters=(replace(ring.masters[0], state=KeyState.RETIRED), *KeyRing.generate("2").masters))
    later = Desk(ring=rotated)
    later.operator, later.trust, later.keys = desk.operator, desk.trust, desk.keys
    later.state = later.new_state()
    later.judge = later.new_judge()
    later.progress()
    assert answer.decision is not None
    later.state.read_decision(Record("d", 0, 0, NOW, b"node-1", encode(answer.decision)))
    later.seal_key = desk.seal_key
    later.enrol(runtimeVersion="9.9")
    again = granted(later.ask(value).claims)
    for field in ("capsuleId", "expiresUtc", "masterId", "runtimeVersion", "keyConfirmation"):
        assert getattr(first, field) == getattr(again, field)
    anew = granted(later.ask(later.request(requestId="another-request-id")).claims)
    assert (anew.masterId, anew.runtimeVersion) == ("master-2", "9.9")


def test_without_the_first_grants_master_the_node_must_ask_anew(desk: Desk) -> None:
    desk.enrol()
    value = desk.request()
    answer = desk.ask(value)
    assert answer.decision is not None
    other = Desk()
    other.keys = desk.keys
    other.enrol()
    other.state.remember(msgspec.structs.replace(answer.decision, masterId="long-gone"))
    assert denied(other.ask(value).claims).reason is DenialReason.REPLAYED_REQUEST


def test_no_capsule_outlives_the_key_that_signed_it() -> None:
    desk = Desk(ring=KeyRing.generate("1", not_after=Timestamp(NOW + 3_600_000)))
    desk.enrol()
    claims = granted(desk.ask(desk.request()).claims)
    assert claims.exp == SECOND + 3_600


def test_a_request_that_comes_again_after_its_capsule_expired_is_denied_not_fatal() -> None:
    desk = Desk(ring=KeyRing.generate("1"))
    desk.enrol()
    value = desk.request()
    granted(desk.ask(value).claims)
    late = NOW + DAY * 1000
    desk.progress(at=Timestamp(late))
    assert denied(desk.ask(value, now=late).claims).reason is DenialReason.REQUEST_EXPIRED
    desk.progress(at=Timestamp(late - 1))
    assert granted(desk.ask(value, now=late - 1).claims).exp == SECOND + DAY


def test_the_same_bytes_at_an_issuer_whose_clock_is_behind_are_denied_not_fatal(desk: Desk) -> None:
    desk.enrol()
    value = desk.request(iat=SECOND + 300)
    granted(desk.ask(value).claims)
    behind = NOW - 500
    desk.progress(at=Timestamp(behind))
    assert denied(desk.ask(value, now=behind).claims).reason is DenialReason.REQUEST_EXPIRED
    desk.progress()
    assert granted(desk.ask(value).claims).exp == SECOND + 300 + DAY


def test_whoever_proves_nothing_does_not_have_a_row_read(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Decoding it takes time, by which a node that there is could be told from one that there is not."""
    desk.enrol()
    desk.state.read_risk(Record("k.node.risk.v1", 0, 0, NOW, b"node-1", b"no row"))
    forged = desk.request(key=generate_signing_key("1"))
    assert denied(desk.ask(forged).claims).reason is DenialReason.AUTHENTICATION_FAILED
    assert "risk.unreadable" not in capsys.readouterr().out


def test_a_shorter_lifetime_than_the_first_grants_is_no_fault(desk: Desk) -> None:
    desk.enrol()
    value = desk.request()
    granted(desk.ask(value).claims)
    desk.judge = desk.new_judge(lifetime_seconds=600)
    assert granted(desk.ask(value).claims).exp == SECOND + DAY


def test_what_is_not_judged_by_this_registry_does_not_count(desk: Desk) -> None:
    stranger = generate_signing_key("operator")
    key = generate_signing_key("1")
    desk.keys["node-1"] = key
    record = RegistryRecord(
        "node-1",
        1,
        NodeRegistryStatus.ACTIVE,
        enabled=True,
        credentials=(Credential("1", publicKey=key.public_key_text),),
    )
    desk.register(record, signer=stranger)
    desk.register(record, headers=())
    desk.register(record, key=b"node-2")
    desk.register(record, value=encode(msgspec.structs.replace(record, revision=2)))
    desk.register(record, value=None)
    assert desk.state.enrolled("node-1") is None
    assert desk.counts.ignored_registry_records == {"BAD_SIGNATURE": 3, "UNSIGNED": 1, "OTHER_KEY": 1}
    desk.register(record)
    granted(desk.ask(desk.request()).claims)


def test_an_old_registry_record_does_not_bury_a_revocation(desk: Desk) -> None:
    desk.enrol()
    desk.enrol(revision=3, status=NodeRegistryStatus.REVOKED)
    desk.enrol(revision=2)
    desk.enrol(revision=3)
    assert denied(desk.ask(desk.request()).claims).reason is DenialReason.NODE_REVOKED
    assert desk.counts.ignored_registry_records == {"OLD_REVISION": 2}


def test_a_forwarded_request_is_judged_as_it_was_first_written(desk: Desk) -> None:
    desk.enrol()
    value = desk.request()
    original = Record("k.capsule.requests.v1", 4, 17, int(NOW), b"node-1", value, (("kafka_correlationId", b"c"),))
    outgoing = forwarded(desk.kafka, original, 0)
    there = Record(outgoing.topic, 0, 1, NOW, outgoing.key, outgoing.value, outgoing.headers)
    records = desk.judge.judge_forwarded(there, caught_up=True, now=NOW)
    assert [record.topic for record in records][:2] == ["k.capsule.replies.v1", "k.capsule.decisions.v1"]
    assert records[0].headers == (("kafka_correlationId", b"c"),)


@pytest.mark.parametrize("key", [b"node-1", None, b"a b"])
def test_a_forwarded_record_that_does_not_say_where_from_is_dead_lettered(desk: Desk, key: bytes | None) -> None:
    record = Record("k.capsule.requests.v1.repartition", 0, 1, NOW, key, b"x")
    letters = desk.judge.judge_forwarded(record, caught_up=True, now=NOW)
    assert [letter.topic for letter in letters] == ["k.capsule.requests.v1.dlq"]


@settings(max_examples=200, deadline=None)
@given(
    st.none() | st.binary(max_size=300) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
    st.none() | st.just(b"node-1") | st.binary(max_size=140),
    st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=20)), max_size=4),
)
def test_nothing_that_is_sent_makes_the_judge_raise(
    value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    records = _SHARED.records_of(value, key=key, headers=tuple(headers))
    assert {record.topic for record in records} == {"k.capsule.replies.v1", "k.capsule.requests.v1.dlq"}


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CLAIMS = ["requestId", "nodeId", "iat", "aud", "fingerprint", "runtimeVersion", "sealTo", "network", "unknown"]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(CLAIMS), ANY_JSON, max_size=4))
def test_no_signed_claims_make_the_judge_raise(changes: dict[str, Any]) -> None:
    records = _SHARED.records_of(_SHARED.request(**changes))
    assert len([record for record in records if record.topic == "k.capsule.replies.v1"]) == 1


_SHARED = Desk(refusals_per_second=10**6)
_SHARED.enrol()
