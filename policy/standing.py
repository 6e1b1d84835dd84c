"""A node's row as the fold keeps it: the instants that move with nearly every record stay in their wire form.

A fleet at rest changes a row's ``updatedAt``, ``lastNetworkAt`` and ``lastTelemetryAt`` with each record and writes
them as text each time; read from text, kept as text and written as text they cost a third. In the canonical form
(``2026-11-23T20:00:00.000Z``, 24 characters) earlier and later are the texts' own order.
"""

import sys

from msgspec.structs import force_setattr

from schemas.identifiers import Identifier, Revision
from schemas.network import Network
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp, canonical_text, read_instant


class Standing(RiskRow, frozen=False, omit_defaults=True, gc=False):  # type: ignore[misc] # it changes, a RiskRow not
    """A :class:`RiskRow` with three of its instants as canonical text; encodes to the same bytes.

    Not for the rules: they read a :class:`RiskRow`. A record that changes no judgement changes it in place
    (:mod:`policy.steady`): in a large fleet a row lies in no cache, and a new one would have to touch all of the old.
    """

    # From here on what changes in place; a type checker wants it said again.
    revision: Revision
    updatedAt: str  # type: ignore[assignment]
    baseline: Network | None = None
    lastNetworkAt: str | None = None  # type: ignore[assignment]
    lastTelemetryAt: str | None = None  # type: ignore[assignment]
    lastBootId: Identifier | None = None
    lastShutdownClean: bool | None = None

    def row(self) -> RiskRow:
        """Return the row for the rules."""
        # Field by field: a copy by astuple takes half as long again.
        return RiskRow(
            self.schemaVersion,
            self.nodeId,
            self.status,
            self.score,
            self.signals,
            self.revision,
            self.policyVersion,
            Timestamp.parse(self.updatedAt),
            self.baseline,
            self.current,
            self.baselineRevision,
            None if self.lastNetworkAt is None else Timestamp.parse(self.lastNetworkAt),
            None if self.lastTelemetryAt is None else Timestamp.parse(self.lastTelemetryAt),
            self.lastBootId,
            self.lastShutdownClean,
            self.lastCommandId,
            self.lastCommandAt,
            self.quarantine,
            self.exemptUntil,
            self.capsulesValidFrom,
            self.lastCapsule,
        )


def standing_of(row: RiskRow) -> Standing:
    """Return a row as the fold keeps it. What many rows have in common is kept once: a million must fit into memory."""
    baseline = _shared(row.baseline)
    return Standing(
        row.schemaVersion,
        row.nodeId,
        row.status,
        row.score,
        row.signals,
        row.revision,
        row.policyVersion,
        canonical_text(row.updatedAt),
        baseline,
        baseline if row.current == row.baseline else _shared(row.current),
        row.baselineRevision,
        None if row.lastNetworkAt is None else canonical_text(row.lastNetworkAt),
        None if row.lastTelemetryAt is None else canonical_text(row.lastTelemetryAt),
        row.lastBootId,
        row.lastShutdownClean,
        row.lastCommandId,
        row.lastCommandAt,
        row.quarantine,
        row.exemptUntil,
        row.capsulesValidFrom,
        row.lastCapsule,
    )


def restored(standing: Standing) -> Standing:
    """Return what was just decoded from a changelog as the fold keeps it: canonical, and sharing as much.

    It is changed in place: a copy of each would take as long as decoding it.

    Raises:
        ValueError: an instant's text is no RFC 3339 date-time.
    """
    for name in ("updatedAt", "lastNetworkAt", "lastTelemetryAt"):
        text = getattr(standing, name)
        if text is not None:
            setattr(standing, name, read_instant(text)[1])
    current = standing.current
    if current is not None and current == standing.baseline:
        standing.baseline = current
    for network in (current, standing.baseline):
        if network is not None and network.region is not None:
            force_setattr(network, "region", sys.intern(network.region))
    return standing


def _shared(network: Network | None) -> Network | None:
    if network is None or network.region is None:
        return network
    region = sys.intern(network.region)
    return network if region is network.region else Network(network.ip, network.asn, region)
