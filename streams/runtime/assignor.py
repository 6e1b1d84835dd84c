"""Who gets which co-partition: whole ones, evenly, and where possible those a member had before.

Faust falls back to round robin over single partitions when it has no tables; that splits co-partitions
(docs/faust.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from faust.types import TP, AppT
from faust.types.assignor import HostToPartitionMap, PartitionAssignorT
from yarl import URL


class Owned(msgspec.Struct, frozen=True):
    """What a member tells the group's leader: the co-partitions it had, so that it keeps them."""

    partitions: tuple[int, ...] = ()


def divide(partitions: int, owned: Mapping[str, Iterable[int]]) -> dict[str, set[int]]:
    """Divide the co-partitions 0 to ``partitions`` (exclusive) among the members named in ``owned``.

    Every co-partition goes to exactly one member; shares differ by at most one. A member keeps what it owned, up to
    its share (of claims on the same co-partition the first member in order of name counts).
    """
    if not owned:
        return {}
    shares: dict[str, set[int]] = {member: set() for member in sorted(owned)}
    least, extra = divmod(partitions, len(shares))
    free = set(range(partitions))
    for member, share in shares.items():
        for partition in sorted(free.intersection(owned[member])):
            if len(share) >= least + (1 if extra > 0 else 0):
                break
            share.add(partition)
            free.discard(partition)
            if len(share) == least + 1:
                extra -= 1
    for partition in sorted(free):
        poorest = min(shares, key=lambda member: (len(shares[member]), member))
        shares[poorest].add(partition)
    return shares


class CopartitionAssignor(PartitionAssignorT, AbstractPartitionAssignor):
    """The group protocol ``kordon-copartition``: an aiokafka assignor that Faust's PartitionAssignor setting takes.

    Faust keeps no changelog of ours, so it has neither actives nor standbys.
    """

    name = "kordon-copartition"
    version = 1

    def __init__(self, app: AppT, replicas: int = 0) -> None:
        self.app = app
        self.replicas = replicas
        self._owned: tuple[int, ...] = ()

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return what this member sends with its join."""
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), msgspec.json.encode(Owned(self._owned)))

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Divide the co-partitions among the members; run by the group's leader.

        Topics of different partition counts make co-partitions that are not whole. They are assigned all the same:
        the owner's own check refuses them by name, while an error here would only show as a broken group.
        """
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        owned = {name: _owned_by(member.user_data) for name, member in members.items()}
        shares = divide(max(counts.values(), default=0), owned)
        return {
            name: ConsumerProtocolMemberAssignment(
                self.version,
                [(topic, sorted(partition for partition in share if partition < counts[topic])) for topic in topics],
                b"",
            )
            for name, share in shares.items()
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what this member has now, for its next join."""
        self._owned = tuple(sorted({tp.partition for tp in assignment.partitions()}))

    def group_for_topic(self, topic: str) -> int:
        """All source topics form one group."""
        return 0

    def assigned_standbys(self) -> set[TP]:
        """Return no partitions: Faust restores nothing here."""
        return set()

    def assigned_actives(self) -> set[TP]:
        """Return no partitions: Faust restores nothing here."""
        return set()

    def is_active(self, tp: TP) -> bool:
        """Faust restores nothing here."""
        return False

    def is_standby(self, tp: TP) -> bool:
        """Faust restores nothing here."""
        return False

    def key_store(self, topic: str, key: bytes) -> URL:
        """Refuse: the router is off."""
        raise NotImplementedError("Faust's router is off")

    def table_metadata(self, topic: str) -> HostToPartitionMap:
        """Return nothing: the router is off."""
        return {}

    def tables_metadata(self) -> HostToPartitionMap:
        """Return nothing: the router is off."""
        return {}


def _owned_by(user_data: bytes | None) -> tuple[int, ...]:
    try:
        return msgspec.json.decode(user_data or b"{}", type=Owned).partitions
    except msgspec.DecodeError:
        return ()  # another version's; only stickiness is lost
