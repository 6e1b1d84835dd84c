"""A request is read strictly, and what is wrong with it is said without repeating it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from issuer.requests import MalformedRequest, WellFormedRequest, read_node_id, read_request
from tests.unit.issuer.nodes import FINGERPRINT, Desk


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.enrol()
    return desk


def test_a_request_keeps_its_digest_and_lowers_its_fingerprint(desk: Desk) -> None:
    value = desk.request(fingerprint=FINGERPRINT.upper())
    request = read_request(b"node-1", value)
    assert isinstance(request, WellFormedRequest)
    assert request.digest == sha256(value).hexdigest()
    assert request.claims.fingerprint == FINGERPRINT
    assert request.seal_to.public_bytes_raw() == desk.seal_key.public_key().public_bytes_raw()


def test_unknown_claims_and_null_ones_are_as_if_they_were_absent(desk: Desk) -> None:
    request = read_request(b"node-1", desk.request(network=None, exp=1, unknown={"a": [1]}))
    assert isinstance(request, WellFormedRequest)
    assert request.claims.network is None


def test_a_mapped_address_is_read_as_ipv4(desk: Desk) -> None:
    request = read_request(b"node-1", desk.request(network={"ip": "::ffff:192.0.2.1"}))
    assert isinstance(request, WellFormedRequest)
    assert request.claims.network is not None
    assert request.claims.network.ip == "192.0.2.1"


def test_what_is_wrong_is_said_without_repeating_what_was_sent(desk: Desk) -> None:
    request = read_request(b"node-1", desk.request(fingerprint="a-secret-in-the-wrong-place"))
    assert isinstance(request, MalformedRequest)
    assert request.detail == "fingerprint is not as it should be"
    assert request.request_id == "request-id-1234567"


@pytest.mark.parametrize(
    ("key", "node_id"),
    [(b"node-1", "node-1"), (b"A._-9", "A._-9"), (b"n" * 128, "n" * 128), (b"", None), (b"n\n", None), (None, None)],
)
def test_a_record_key_is_a_node_id_or_none(key: bytes | None, node_id: str | None) -> None:
    assert read_node_id(key) == node_id
