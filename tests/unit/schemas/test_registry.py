import json

import pytest

from schemas.codec import DecodeError, decode
from schemas.registry import CREDENTIALS_LIMIT, RegistryRecord

KEY = {"kid": "k1", "publicKey": "A" * 43}
RECORD = {"nodeId": "n1", "revision": 1, "status": "active", "enabled": True, "credentials": [KEY]}


def enrolment(**changes: object) -> bytes:
    return json.dumps(RECORD | changes).encode()


def test_a_credential_is_ed25519_and_the_binding_epoch_0_where_they_are_not_named() -> None:
    record = decode(RegistryRecord, enrolment(), "node.registry.v1")
    assert record.credentials[0].credential_type == "ed25519"
    assert record.binding_epoch == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"revision": 0}, "revision"),
        ({"revision": 2**63}, "revision"),
        ({"status": "deleted"}, "status"),
        ({"enabled": "yes"}, "enabled"),
        ({"enabled": None}, "enabled"),
        ({"credentials": None}, "credentials"),
        ({"credentials": [KEY, KEY]}, "credentials"),
        ({"credentials": [KEY | {"kid": str(number)} for number in range(CREDENTIALS_LIMIT + 1)]}, "credentials"),
        ({"credentials": [{"kid": "k1"}]}, "credentials"),
        ({"credentials": [KEY | {"type": "rsa"}]}, "credentials"),
        ({"credentials": [KEY | {"type": "hmac"}]}, "credentials"),
        ({"credentials": [KEY | {"sealedVerifier": "B" * 100}]}, "credentials"),
        ({"credentials": [{"kid": "k1", "type": "hmac", "sealedVerifier": "="}]}, "credentials"),
        ({"credentials": [KEY | {"publicKey": "A" * 42}]}, "credentials"),
        ({"fingerprint": "ab"}, "fingerprint"),
        ({"runtimeVersion": "1 0"}, "runtimeVersion"),
        ({"updatedAt": "today"}, "updatedAt"),
    ],
)
def test_an_enrolment_that_is_not_wholly_right_is_refused_by_the_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(RegistryRecord, enrolment(**changes), "node.registry.v1")
    assert caught.value.field.startswith(field)
