"""Claims about kordon/nodes/listing.py and registrations.py, on a small fleet's day as records."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from kordon.ledger.signatures import Signature, SignatureCheck
from kordon.nodes.listing import Listing, Order, Share, Wanted
from kordon.nodes.reading import KeptRecord
from kordon.nodes.registrations import Registration, Standing, registration_of
from schemas.risk import Cause, NodeStatus, SignalKind
from schemas.topics import BINDINGS, REGISTRY, RISK
from tests.ledgers.fleet import PARTITIONS, Fleet, Log
from tests.ledgers.made import KAFKA, operators


class Day:
    """A fleet's day as shares, one a co-partition."""

    def __init__(self, folder: Path) -> None:
        operator, revoker, trust = operators(folder)
        self.trust = trust
        self.checked = 0
        self._check = SignatureCheck(REGISTRY, trust, PARTITIONS)
        self.log = Log()
        for written in Fleet(operator, revoker).day():
            self.log.append(written)

    def judged(self, records: object) -> Registration | None:
        self.checked += 1
        return registration_of(records, self._check)  # type: ignore[arg-type]

    def of(self, topic: str, partition: int) -> dict[bytes, list[KeptRecord]]:
        found: dict[bytes, list[KeptRecord]] = defaultdict(list)
        for place, records in self.log.records.items():
            if (place.topic, place.partition) == (KAFKA.topic(topic), partition):
                for record in records:
                    found[record.key].append(KeptRecord.of(record))
        return found

    def shares(self) -> list[Share]:
        return [
            Share(
                self.of(REGISTRY, partition),
                {key: records[-1].value or b"" for key, records in self.of(RISK, partition).items()},
                frozenset(self.of(BINDINGS, partition)),
            )
            for partition in range(PARTITIONS)
        ]

    def listing(self, wanted: Wanted = Wanted(), order: Order = Order.SCORE, limit: int | None = None) -> Listing:  # noqa: B008
        listing = Listing(wanted, order, limit, self.judged)
        for share in self.shares():
            listing.add(share)
        return listing

    def names(self, wanted: Wanted = Wanted(), order: Order = Order.SCORE, limit: int | None = None) -> list[str]:  # noqa: B008
        return [listed.node_id for listed in self.listing(wanted, order, limit).nodes()]


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path)


def test_the_highest_score_comes_first_and_a_node_without_a_row_last(day: Day) -> None:
    assert day.names() == ["dahlia", "amber", "basalt", "cobalt", "mallory"]


def test_a_node_that_only_one_topic_knows_is_listed(day: Day) -> None:
    mallory = day.listing().nodes()[-1]

    assert (mallory.node_id, mallory.registry, mallory.score) == ("mallory", Standing.REFUSED, None)


def test_a_held_node_is_listed_with_signals_cause_and_since(day: Day) -> None:
    dahlia = day.listing().nodes()[0]

    assert (dahlia.status, dahlia.score, dahlia.cause) == (NodeStatus.QUARANTINED, 80, Cause.POLICY)
    assert dahlia.signals == (SignalKind.ABRUPT_STOP,)
    assert dahlia.since == "2026-03-02T08:40:00.000Z"


def test_filters_join_what_registry_and_row_say(day: Day) -> None:
    assert day.names(Wanted(status=NodeStatus.QUARANTINED)) == ["dahlia"]
    assert day.names(Wanted(min_score=1)) == ["dahlia"]
    assert day.names(Wanted(standing=Standing.DISABLED)) == ["basalt"]
    assert day.names(Wanted(status=NodeStatus.ACTIVE, standing=Standing.ACTIVE)) == ["amber", "cobalt"]


def test_other_orders_are_by_name_and_by_the_latest_change(day: Day) -> None:
    assert day.names(order=Order.NODE) == ["amber", "basalt", "cobalt", "dahlia", "mallory"]
    assert day.names(order=Order.UPDATED)[:2] == ["dahlia", "cobalt"]


def test_a_limit_keeps_the_first_and_counts_the_others(day: Day) -> None:
    listing = day.listing(limit=2)

    assert [listed.node_id for listed in listing.nodes()] == ["dahlia", "amber"]
    assert listing.matched == 5


def test_signatures_are_checked_of_nodes_that_are_shown_alone(day: Day) -> None:
    assert day.listing(limit=2).nodes()[1].registry is Standing.ACTIVE
    assert day.checked == 2


def test_a_row_that_cannot_be_read_is_counted_and_hides_no_other(day: Day) -> None:
    listing = Listing(Wanted(), Order.SCORE, None, day.judged)
    listing.add(Share({}, {b"one": b"{", b"two": day.of(RISK, 0).popitem()[1][-1].value or b""}, frozenset()))

    assert listing.unreadable == 1
    assert [listed.node_id for listed in listing.nodes()] == ["two"]


def test_only_a_node_that_is_bound_is_said_to_be(day: Day) -> None:
    assert [listed.node_id for listed in day.listing().nodes() if listed.bound] == ["amber"]


def test_without_a_trust_file_the_registry_counts_and_is_said_to_be_unverified(day: Day) -> None:
    unverified = SignatureCheck(REGISTRY, None, PARTITIONS)
    (records,) = [
        records for p in range(PARTITIONS) for key, records in day.of(REGISTRY, p).items() if key == b"mallory"
    ]

    registration = registration_of(records, unverified)

    assert registration is not None
    assert (registration.standing, registration.signature) == (Standing.ACTIVE, Signature.UNVERIFIED)


def test_who_may_only_revoke_plants_no_credential(day: Day) -> None:
    (records,) = [
        records for p in range(PARTITIONS) for key, records in day.of(REGISTRY, p).items() if key == b"basalt"
    ]

    registration = day.judged(records)

    assert registration is not None
    assert registration.record is not None
    assert (registration.standing, registration.record.revision) == (Standing.DISABLED, 2)
    assert [credential.kid for credential in registration.record.credentials] == ["token"]
