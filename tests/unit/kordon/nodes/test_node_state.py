"""Claims about kordon/nodes/node_state.py, on a small fleet's day as records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kordon.commands.node_show import fields_of
from kordon.ledger.signatures import SignatureCheck
from kordon.nodes.node_state import TOPICS, NodeState, UnreadableRecordError, state_of, view_of
from kordon.nodes.reading import KeptRecord
from schemas.topics import REGISTRY, RISK
from tests.ledgers.fleet import DAY, FINGERPRINT, PARTITIONS, SEALED_VERIFIER, Fleet, Log
from tests.ledgers.made import KAFKA, operators
from transport.partitioner import partition_of


class Topics:
    def __init__(self, folder: Path) -> None:
        operator, revoker, trust = operators(folder)
        self.check = SignatureCheck(REGISTRY, trust, PARTITIONS)
        self.log = Log()
        for written in Fleet(operator, revoker).day():
            self.log.append(written)

    def records(self, node_id: str) -> dict[str, list[KeptRecord]]:
        key = node_id.encode()
        number = partition_of(key, PARTITIONS)
        return {
            topic: [
                KeptRecord.of(record)
                for place, records in self.log.records.items()
                for record in records
                if place == (KAFKA.topic(topic), number) and record.key == key
            ]
            for topic in TOPICS
        }

    def state(self, node_id: str) -> NodeState:
        return state_of(node_id, self.records(node_id), self.check)

    def view(self, node_id: str) -> dict[str, Any]:
        return view_of(self.state(node_id), DAY)


@pytest.fixture
def topics(tmp_path: Path) -> Topics:
    return Topics(tmp_path)


def test_a_credential_is_shown_by_kid_type_and_thumbprint(topics: Topics) -> None:
    (credential,) = topics.view("amber")["registry"]["credentials"]

    # RFC 8037, appendix A.3, has this thumbprint of this key.
    assert credential == {"kid": "1", "type": "ed25519", "thumbprint": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}


def test_of_a_sealed_verifier_nothing_is_shown(topics: Topics) -> None:
    view = topics.view("basalt")

    assert view["registry"]["credentials"] == [{"kid": "token", "type": "hmac", "thumbprint": None}]
    for shown in (msgspec.json.encode(view).decode(), str(fields_of(view))):
        assert SEALED_VERIFIER not in shown


def test_a_bound_fingerprint_counts_while_the_registry_names_none_and_has_the_same_epoch(topics: Topics) -> None:
    assert topics.view("amber")["binding"] == {
        "fingerprint": FINGERPRINT,
        "bindingEpoch": 0,
        "boundAt": "2026-03-02T08:10:00.000Z",
        "counts": True,
    }


def test_a_held_node_is_told_with_its_transition(topics: Topics) -> None:
    view = topics.view("dahlia")

    assert view["quarantine"]["cause"] == "policy"
    assert view["quarantine"]["score"] == sum(signal["points"] for signal in view["quarantine"]["signals"]) == 80
    assert view["quarantine"]["threshold"] == 80
    assert fields_of(view)["held"] == "since 2026-03-02T08:40:00.000Z by policy, at 80 points"


def test_a_released_node_is_not_held(topics: Topics) -> None:
    assert topics.view("cobalt")["quarantine"] is None


def test_records_that_do_not_count_are_told_with_their_reason(topics: Topics) -> None:
    assert topics.view("mallory")["registry"]["standing"] == "refused"
    assert [each["reason"] for each in topics.view("mallory")["registry"]["refused"]] == ["BAD_SIGNATURE"]
    assert [each["reason"] for each in topics.view("amber")["registry"]["refused"]] == ["OLD_REVISION"]


def test_a_node_of_which_nobody_ever_spoke_is_unknown(topics: Topics) -> None:
    assert not topics.state("nobody").is_known
    assert topics.state("mallory").is_known


def test_a_row_that_cannot_be_read_is_no_missing_row(topics: Topics) -> None:
    records = topics.records("amber")
    records[RISK][-1] = records[RISK][-1]._replace(value=b'{"status":"unheard of"}')

    with pytest.raises(UnreadableRecordError, match=r"kordon\.node\.risk\.v1") as raised:
        state_of("amber", records, topics.check)
    assert "unheard of" not in str(raised.value)
