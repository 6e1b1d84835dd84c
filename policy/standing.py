"""A node's row as the fold keeps it: the instants that move with nearly every record stay in their wire form.

A fleet at rest changes a row's ``updatedAt``, ``lastNetworkAt`` and ``lastTelemetryAt`` with each record and writes
them as text each time; read from text, kept as text and written as text they cost a third. In the canonical form
(``2026-11-23T20:00:00.000Z``, 24 characters) earlier and later are the texts' own order.
"""

import sys

import msgspec

from schemas.network import Network
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp, canonical_text, read_instant


class Standing(RiskRow, frozen=True, omit_defaults=True, gc=False):
    """A :class:`RiskRow` with three of its instants as canonical text; encodes to the same bytes.

    Not for the rules: they read a :class:`RiskRow`.
    """

    updatedAt: str  # type: ignore[assignment]
    lastNetworkAt: str | None = None  # type: ignore[assignment]
    lastTelemetryAt: str | None = None  # type: ignore[assignment]

    def row(self) -> RiskRow:
        """Return the row for the rules."""
        values = msgspec.structs.astuple(self)
        return RiskRow(  # type: ignore[call-arg] # the fields in their order
            *values[:_UPDATED_AT],
            Timestamp.parse(self.updatedAt),
            *values[_UPDATED_AT + 1 : _LAST_NETWORK_AT],
            None if self.lastNetworkAt is None else Timestamp.parse(self.lastNetworkAt),
            None if self.lastTelemetryAt is None else Timestamp.parse(self.lastTelemetryAt),
            *values[_LAST_TELEMETRY_AT + 1 :],
        )


def standing_of(row: RiskRow) -> Standing:
    """Return a row as the fold keeps it. What many rows have in common is kept once: a million must fit into memory."""
    values = msgspec.structs.astuple(row)
    baseline = _shared(row.baseline)
    return Standing(  # type: ignore[call-arg] # as above
        *values[:_UPDATED_AT],
        canonical_text(row.updatedAt),
        baseline,
        baseline if row.current == row.baseline else _shared(row.current),
        row.baselineRevision,
        None if row.lastNetworkAt is None else canonical_text(row.lastNetworkAt),
        None if row.lastTelemetryAt is None else canonical_text(row.lastTelemetryAt),
        *values[_LAST_TELEMETRY_AT + 1 :],
    )


def restored(standing: Standing) -> Standing:
    """Return what was read from a changelog as the fold keeps it: canonical, and shared as by :func:`standing_of`.

    Raises:
        ValueError: an instant's text is no RFC 3339 date-time.
    """
    baseline = _shared(standing.baseline)
    return msgspec.structs.replace(
        standing,
        updatedAt=read_instant(standing.updatedAt)[1],
        baseline=baseline,
        current=baseline if standing.current == standing.baseline else _shared(standing.current),
        lastNetworkAt=None if standing.lastNetworkAt is None else read_instant(standing.lastNetworkAt)[1],
        lastTelemetryAt=None if standing.lastTelemetryAt is None else read_instant(standing.lastTelemetryAt)[1],
    )


def _shared(network: Network | None) -> Network | None:
    if network is None or network.region is None:
        return network
    return Network(network.ip, network.asn, sys.intern(network.region))


_UPDATED_AT, _LAST_NETWORK_AT, _LAST_TELEMETRY_AT = map(
    RiskRow.__struct_fields__.index, ("updatedAt", "lastNetworkAt", "lastTelemetryAt")
)
