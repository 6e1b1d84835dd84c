"""Runtime keys, their confirmation and capsule ids are those of the design, to the bit."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from issuer.runtime_key import capsule_id, runtime_key
from transport.envelopes import key_confirmation

CASES = Path(__file__).parents[2] / "cases" / "capsule" / "runtime-key.json"
VECTORS = json.loads(CASES.read_text())["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["nodeId"])
def test_the_shared_vectors_hold(vector: dict[str, str]) -> None:
    key = runtime_key(
        bytes.fromhex(vector["masterHex"]), vector["nodeId"], vector["fingerprint"], vector["runtimeVersion"]
    )
    assert key.hex() == vector["runtimeKeyHex"]
    confirmation = key_confirmation(key, vector["capsuleId"], vector["nodeId"], vector["expiresUtc"])
    assert confirmation == vector["keyConfirmation"]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 4


def test_the_fingerprint_counts_in_lower_case() -> None:
    assert runtime_key(bytes(32), "n", "AB" * 16, "1") == runtime_key(bytes(32), "n", "ab" * 16, "1")


def test_every_input_changes_the_key() -> None:
    inputs = [
        (bytes(32), "n", "ab" * 16, "1"),
        (bytes(31) + b"1", "n", "ab" * 16, "1"),
        (bytes(32), "m", "ab" * 16, "1"),
        (bytes(32), "n", "ac" * 16, "1"),
        (bytes(32), "n", "ab" * 16, "2"),
    ]
    assert len({runtime_key(*arguments) for arguments in inputs}) == len(inputs)


def test_a_capsule_id_is_32_hex_digits_that_only_the_secret_gives() -> None:
    digest = "d" * 64
    expected = hmac.new(bytes(32), digest.encode(), hashlib.sha256).hexdigest()[:32]
    assert capsule_id(bytes(32), digest) == expected
    assert capsule_id(bytes(31) + b"1", digest) != expected
    assert capsule_id(bytes(32), "e" * 64) != expected
