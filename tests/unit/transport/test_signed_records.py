"""A registry record or command counts only with its operator's signature over exactly its bytes, topic and key."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.commands import Action, Command
from schemas.registry import Credential, NodeRegistryStatus, RegistryRecord
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, REGISTRY
from schemas.trust import KeyState, Role, SealingKey, TrustDocument, TrustedKey
from transport.compact_jws import detach, encode_base64url
from transport.compact_jws import sign as sign_jws
from transport.signed_records import (
    REFUSAL_TEXTS,
    SIGNATURE_HEADER,
    Refusal,
    RefusalReason,
    authorise,
    authorised_part,
    roles_for,
    sign,
    verify,
)
from transport.trust import Signer, Trust

KEY = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32)
AT = 1_800_000_000_000
VALUE = b'{"nodeId":"node-1"}'


def trust_with(state: KeyState = KeyState.ACTIVE, before: int | None = None, after: int | None = None) -> Trust:
    public = encode_base64url(KEY.public_key().public_bytes_raw())
    sealing = encode_base64url(X25519PrivateKey.from_private_bytes(bytes([9]) * 32).public_key().public_bytes_raw())
    key = TrustedKey(
        "anna",
        public,
        (Role.ENROL,),
        state,
        None if before is None else Timestamp(before),
        None if after is None else Timestamp(after),
    )
    return Trust(TrustDocument(1, "c", "i", (key,), SealingKey("s", sealing)))


def header(value: bytes = VALUE, issued_at: int = AT // 1000, key: Ed25519PrivateKey = KEY) -> tuple[str, bytes]:
    return sign(value, topic=REGISTRY, key=b"node-1", kid="anna", private_key=key, issued_at=issued_at)


def verdict(
    *headers: tuple[str, bytes | None],
    topic: str = REGISTRY,
    key: bytes | None = b"node-1",
    value: bytes | None = VALUE,
    trust: Trust | None = None,
    at: int = AT,
) -> Signer | RefusalReason:
    result = verify(headers, topic=topic, key=key, value=value, trust=trust or trust_with(), at=at)
    return result.reason if isinstance(result, Refusal) else result


def test_a_signed_record_names_its_signer() -> None:
    signer = verdict(("other", b"x"), header())
    assert isinstance(signer, Signer)
    assert signer.kid == "anna"


def test_an_unsigned_record_does_not_count() -> None:
    assert verdict() is RefusalReason.UNSIGNED
    assert verdict(("Kordon-Signature", header()[1])) is RefusalReason.UNSIGNED


def test_two_signatures_are_none() -> None:
    assert verdict(header(), header()) is RefusalReason.SIGNED_TWICE


def test_the_signature_covers_the_exact_bytes_of_the_value() -> None:
    assert verdict(header(), value=VALUE + b" ") is RefusalReason.BAD_SIGNATURE
    assert verdict(header(), value=b"") is RefusalReason.BAD_SIGNATURE
    assert verdict(header(), value=None) is RefusalReason.BAD_SIGNATURE


def test_a_signature_cannot_be_carried_to_another_topic_or_node() -> None:
    assert verdict(header(), topic=COMMANDS) is RefusalReason.OTHER_TOPIC
    assert verdict(header(), topic="kordon." + REGISTRY) is RefusalReason.OTHER_TOPIC
    assert verdict(header(), key=b"node-2") is RefusalReason.OTHER_KEY
    assert verdict(header(), key=None) is RefusalReason.OTHER_KEY


def test_another_persons_signature_under_a_trusted_name_does_not_verify() -> None:
    assert verdict(header(key=OTHER)) is RefusalReason.BAD_SIGNATURE


def test_an_unknown_name_is_refused() -> None:
    stranger = sign(VALUE, topic=REGISTRY, key=b"node-1", kid="zoe", private_key=KEY, issued_at=AT // 1000)
    assert verdict(stranger) is RefusalReason.UNKNOWN_SIGNER


def test_nothing_a_revoked_key_signed_counts_and_what_a_retired_one_signed_does() -> None:
    assert verdict(header(), trust=trust_with(KeyState.REVOKED)) is RefusalReason.REVOKED_SIGNER
    assert isinstance(verdict(header(), trust=trust_with(KeyState.RETIRED)), Signer)


def test_validity_covers_signing_and_arrival() -> None:
    assert isinstance(verdict(header(), trust=trust_with(before=AT, after=AT + 1)), Signer)
    early = trust_with(before=AT + 1)
    assert verdict(header(), trust=early) is RefusalReason.SIGNER_NOT_VALID_THEN
    ended = trust_with(after=AT)
    assert verdict(header(), trust=ended) is RefusalReason.SIGNER_NOT_VALID_THEN
    # A stolen key that has expired cannot be used by dating the signature back.
    backdated = header(issued_at=AT // 1000 - 10_000)
    assert verdict(backdated, trust=ended) is RefusalReason.SIGNER_NOT_VALID_THEN


def test_a_signature_from_the_future_is_refused_beyond_300_seconds() -> None:
    assert isinstance(verdict(header(issued_at=AT // 1000 + 300)), Signer)
    assert verdict(header(issued_at=AT // 1000 + 301)) is RefusalReason.SIGNED_IN_THE_FUTURE


def test_a_signature_of_long_ago_counts() -> None:
    assert isinstance(verdict(header(issued_at=1)), Signer)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"..",
        b"\xff\xfe",
        header()[1].replace(b"..", b".e30."),
        header()[1] + b"=",
        detach(sign_jws(VALUE, {"typ": "kordon-record+jws", "kid": "anna"}, KEY)),
        detach(sign_jws(VALUE, {"typ": "JWT", "kid": "anna", "topic": REGISTRY, "key": "node-1", "iat": 1}, KEY)),
        detach(
            sign_jws(
                VALUE, {"typ": "kordon-record+jws", "kid": "anna", "topic": REGISTRY, "key": "node-1", "iat": -1}, KEY
            )
        ),
        detach(
            sign_jws(
                VALUE,
                {"typ": "kordon-record+jws", "kid": "anna", "topic": REGISTRY, "key": "node-1", "iat": 1},
                bytes(32),
            )
        ),
    ],
)
def test_what_is_no_detached_jws_of_the_form_is_malformed(content: bytes | None) -> None:
    assert verdict((SIGNATURE_HEADER, content)) is RefusalReason.MALFORMED_SIGNATURE


def test_the_longest_names_fit() -> None:
    key, kid = b"n" * 128, "k" * 128
    longest = sign(VALUE, topic=REGISTRY, key=key, kid=kid, private_key=KEY, issued_at=AT // 1000)
    assert verdict(longest, key=key) is RefusalReason.UNKNOWN_SIGNER


def test_every_reason_has_its_text() -> None:
    assert set(REFUSAL_TEXTS) == set(RefusalReason)
    assert Refusal(RefusalReason.UNSIGNED).text == "there is no kordon-signature header"


def command(action: Action) -> Command:
    return Command("c", "node-1", action, "anna", "why", Timestamp(AT), Timestamp(AT + 1))


def record(status: NodeRegistryStatus, *, enabled: bool) -> RegistryRecord:
    return RegistryRecord("node-1", 1, status, enabled, ())


@pytest.mark.parametrize(
    ("message", "roles"),
    [
        (command(Action.RELEASE), {Role.RELEASE}),
        (command(Action.EXEMPT), {Role.RELEASE}),
        (command(Action.QUARANTINE), {Role.QUARANTINE}),
        (command(Action.UNEXEMPT), {Role.QUARANTINE}),
        (record(NodeRegistryStatus.ACTIVE, enabled=True), {Role.ENROL}),
        (record(NodeRegistryStatus.ACTIVE, enabled=False), {Role.ENROL, Role.REVOKE}),
        (record(NodeRegistryStatus.REVOKED, enabled=True), {Role.REVOKE}),
        (record(NodeRegistryStatus.REMOVED, enabled=False), {Role.REVOKE}),
    ],
)
def test_each_message_needs_its_role(message: Command | RegistryRecord, roles: set[Role]) -> None:
    assert roles_for(message) == roles
    signer = verdict(header())
    assert isinstance(signer, Signer)
    refusal = authorise(signer, message)
    assert (refusal is None) == (Role.ENROL in roles)
    assert refusal is None or refusal.reason is RefusalReason.ROLE_MISSING


def test_an_issuers_key_orders_nothing() -> None:
    assert all(Role.ISSUE not in roles_for(command(action)) for action in Action)


def test_who_may_only_revoke_changes_a_nodes_standing_and_nothing_else() -> None:
    own = Credential("1", publicKey="A" * 43)
    planted = Credential("1", publicKey="B" * 43)
    former = RegistryRecord("node-1", 1, NodeRegistryStatus.ACTIVE, True, (own,), servicePrincipal="svc")
    said = RegistryRecord("node-1", 2, NodeRegistryStatus.ACTIVE, False, (planted,), servicePrincipal="admin")

    revoker = Signer(TrustedKey("r", "A" * 43, (Role.REVOKE,), KeyState.ACTIVE), KEY.public_key())
    assert authorised_part(revoker, said, former) == RegistryRecord(
        "node-1", 2, NodeRegistryStatus.ACTIVE, False, (own,), servicePrincipal="svc"
    )
    assert authorised_part(revoker, said, None) == RegistryRecord("node-1", 2, NodeRegistryStatus.ACTIVE, False, ())

    enroller = Signer(TrustedKey("e", "A" * 43, (Role.ENROL,), KeyState.ACTIVE), KEY.public_key())
    assert authorised_part(enroller, said, former) == said
