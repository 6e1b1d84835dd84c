"""Where a node is seen in the network."""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.addresses import canonical_ip
from schemas.identifiers import AutonomousSystem, Identifier, NodeId, Region
from schemas.timestamp import Timestamp

Address = Annotated[str, Meta(description="IPv4 or IPv6, without a zone; compared in canonical form (RFC 5952).")]


class InvalidFieldError(ValueError):
    """A rule that msgspec cannot state refused a field. ``field`` is its wire name."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def canonicalised_ip(text: str) -> str:
    """Return the canonical spelling of an ``ip`` field, or raise :class:`InvalidFieldError` naming it."""
    try:
        return canonical_ip(text)
    except ValueError as error:
        raise InvalidFieldError("ip", str(error)) from None


class Network(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A place in the network; each part may be unknown. ``ip`` is canonical after decoding."""

    ip: Address | None = None
    asn: AutonomousSystem | None = None
    region: Region | None = None

    def __post_init__(self) -> None:
        if self.ip is not None:
            msgspec.structs.force_setattr(self, "ip", canonicalised_ip(self.ip))


class NetworkObservation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an observer (gateway, VPN, load balancer) saw of a node; at least one of ip, asn, region."""

    nodeId: NodeId
    observedAt: Annotated[Timestamp, Meta(description="When it was seen, by the observer's clock.")]
    ip: Address | None = None
    asn: AutonomousSystem | None = None
    region: Region | None = None
    eventId: Annotated[Identifier | None, Meta(description="The observer's own id, for people.")] = None
    observer: Annotated[Identifier | None, Meta(description="Who saw it, for people.")] = None

    def __post_init__(self) -> None:
        if self.ip is not None:
            msgspec.structs.force_setattr(self, "ip", canonicalised_ip(self.ip))
        elif self.asn is None and self.region is None:
            raise InvalidFieldError("ip", "at least one of ip, asn and region is required")
