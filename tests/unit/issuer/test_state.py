"""What the issuer knows of a co-partition comes from its topics, and what it cannot trust it does not use."""

from __future__ import annotations

import msgspec
import pytest

from issuer.errors import NewerStateError, UnreadableStateError
from schemas.codec import DecodeError, encode
from schemas.decisions import CapsuleDecision, DenialReason
from schemas.registry import Binding, Credential, NodeRegistryStatus, RegistryRecord
from schemas.risk import NodeStatus, RiskRow
from schemas.timestamp import Timestamp
from schemas.trust import KeyState, Role, TrustedKey
from tests.unit.issuer.nodes import NOW, Desk, Record
from transport.key_files import generate_signing_key
from transport.trust import Trust


@pytest.fixture
def desk() -> Desk:
    return Desk()


def record(value: bytes | None, key: bytes = b"node-1") -> Record:
    return Record("t", 0, 9, NOW, key, value)


def decision(**changes: object) -> CapsuleDecision:
    made = CapsuleDecision("r" * 16, "node-1", "d" * 64, NOW, True, 0, reason=DenialReason.NODE_REVOKED)
    return msgspec.structs.replace(made, **changes)


GRANT = {
    "denied": False,
    "reason": None,
    "capsuleId": "c" * 32,
    "expiresUtc": "2026-11-24T00:00:00Z",
    "masterId": "m",
    "runtimeVersion": "1",
}


def test_the_memory_is_rebuilt_from_decisions(desk: Desk) -> None:
    desk.state.read_decision(record(encode(decision())))
    remembered = desk.state.remembered("node-1", "r" * 16)
    assert remembered is not None
    assert (remembered.digest, remembered.grant) == ("d" * 64, None)
    desk.state.read_decision(record(encode(decision(**GRANT))))
    assert remembered.grant is not None
    assert remembered.grant.expires == Timestamp.parse("2026-11-24T00:00:00Z") // 1000
    desk.state.read_decision(record(encode(decision(**GRANT | {"capsuleId": "e" * 32}))))
    assert remembered.grant.capsule_id == "c" * 32


@pytest.mark.parametrize("reason", [DenialReason.REQUEST_EXPIRED, DenialReason.REPLAYED_REQUEST])
def test_what_failed_check_3_is_not_remembered(desk: Desk, reason: DenialReason) -> None:
    desk.state.remember(decision(reason=reason))
    assert desk.state.remembered("node-1", "r" * 16) is None


def test_the_first_digest_stays(desk: Desk) -> None:
    desk.state.remember(decision())
    desk.state.remember(decision(**GRANT, requestDigest="e" * 64))
    remembered = desk.state.remembered("node-1", "r" * 16)
    assert remembered is not None
    assert (remembered.digest, remembered.grant) == ("d" * 64, None)


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff"])
def test_a_memory_that_cannot_be_read_stops_the_issuer(desk: Desk, value: bytes | None) -> None:
    with pytest.raises(UnreadableStateError, match="used again"):
        desk.state.read_decision(record(value))
    with pytest.raises(UnreadableStateError, match="another fingerprint"):
        desk.state.read_binding(record(value))


def test_bindings_are_kept_by_node(desk: Desk) -> None:
    binding = Binding("node-1", "ab" * 16, 0, NOW)
    desk.state.read_binding(record(encode(binding)))
    assert desk.state.binding("node-1") == binding
    assert desk.state.binding("node-2") is None


def test_rows_come_and_go_and_newer_ones_stop_the_issuer(desk: Desk) -> None:
    row = RiskRow(1, "node-1", NodeStatus.ACTIVE, 0, (), 1, 1, NOW)
    assert desk.state.row("node-1") is None
    desk.state.read_risk(record(encode(row)))
    assert desk.state.row("node-1") == row
    desk.state.read_risk(record(None))
    assert desk.state.row("node-1") is None
    desk.state.read_risk(record(encode(msgspec.structs.replace(row, schemaVersion=2))))
    with pytest.raises(NewerStateError, match="schema 2"):
        desk.state.row("node-1")
    desk.state.read_risk(record(b"{}"))
    with pytest.raises(DecodeError):
        desk.state.row("node-1")


def test_progress_that_cannot_be_read_is_no_sign_of_life(desk: Desk) -> None:
    assert desk.state.progress is not None
    desk.state.read_progress(record(b"{}"))
    assert desk.state.progress is None


@pytest.mark.parametrize("changes", [{"schemaVersion": 2}, {"partition": 1}])
def test_progress_of_another_kind_stops_the_issuer(desk: Desk, changes: dict[str, int]) -> None:
    with pytest.raises(NewerStateError):
        desk.progress(**changes)


def test_a_misplaced_registry_record_is_ignored() -> None:
    desk = Desk()
    desk.state.partition_count, desk.state.partition = 3, 2
    ignored = 0
    for number in range(30):
        desk.enrol(f"node-{number}")
        ignored += desk.state.enrolled(f"node-{number}") is None
    assert desk.counts.ignored_registry_records == {"MISPLACED": ignored}
    assert 0 < ignored < 30


def test_a_nodes_verifier_is_in_no_repr(desk: Desk) -> None:
    verifier = desk.enrol_hmac()
    enrolled = desk.state.enrolled("node-1")
    assert enrolled is not None
    assert enrolled.credentials == {"1": verifier}
    assert repr(verifier) not in repr(enrolled)


def test_a_decision_that_expires_on_no_day_is_unreadable(desk: Desk) -> None:
    value = encode(decision(**GRANT | {"expiresUtc": "2026-02-30T00:00:00Z"}))
    with pytest.raises(UnreadableStateError, match="decision"):
        desk.state.read_decision(record(value))


def test_a_revocation_by_who_may_not_enrol_brings_no_credentials(desk: Desk) -> None:
    """Else they would come into force when somebody who may enrol enables the node again."""
    revoker = generate_signing_key("revoker")
    trusted = TrustedKey(revoker.kid, revoker.public_key_text, (Role.REVOKE,), KeyState.ACTIVE)
    document = desk.trust.document
    desk.trust = Trust(msgspec.structs.replace(document, keys=(*document.keys, trusted)))
    desk.state = desk.new_state()
    desk.enrol()
    before = desk.state.enrolled("node-1")
    assert before is not None

    planted = Credential("1", publicKey=revoker.public_key_text)
    record = RegistryRecord("node-1", 2, NodeRegistryStatus.ACTIVE, enabled=False, credentials=(planted,))
    desk.register(record, signer=revoker)

    after = desk.state.enrolled("node-1")
    assert after is not None
    assert after.record == msgspec.structs.replace(before.record, revision=2, enabled=False)
    assert after.credentials == before.credentials
