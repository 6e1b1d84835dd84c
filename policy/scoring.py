"""Which signals a row raises, and what they add up to (design.md section 5, "Risk")."""

from collections.abc import Iterable, Sequence

import msgspec

from policy.policy_file import Policy
from schemas.network import Network
from schemas.risk import Evidence, Signal, SignalKind
from schemas.timestamp import Timestamp

NOWHERE = Network()
"""A node of whose place nothing is known."""


class Source(msgspec.Struct, frozen=True, gc=False):
    """Which record is being folded: topic without prefix, partition, offset, and the record's timestamp."""

    topic: str
    partition: int
    offset: int
    timestamp: Timestamp

    def evidence(self) -> Evidence:
        """Return the record's place, as a signal carries it."""
        return Evidence(self.topic, self.partition, self.offset)


def score_of(signals: Sequence[Signal]) -> int:
    """Return the sum of the raised signals' points."""
    return sum([signal.points for signal in signals]) if signals else 0


def overlay(base: Network, top: Network) -> Network:
    """Lay ``top`` over ``base`` field by field: a field that ``top`` lacks stays."""
    if top.ip is not None and top.asn is not None and top.region is not None:
        return top
    return Network(
        base.ip if top.ip is None else top.ip,
        base.asn if top.asn is None else top.asn,
        base.region if top.region is None else top.region,
    )


def raised_signals(
    baseline: Network,
    current: Network,
    abrupt_stop: Signal | None,
    before: tuple[Signal, ...],
    source: Source,
    policy: Policy,
) -> tuple[Signal, ...]:
    """Return the raised signals, network first, in the order of :class:`SignalKind`.

    A network signal is raised while the current value differs from the baseline's and both are known. One that was
    raised ``before`` with the same ``to`` keeps raisedAt and evidence. Points are the given policy's.
    """
    if current == baseline and abrupt_stop is None:
        return ()
    points = policy.points
    signals = []
    for kind, worth, was, now in (
        (SignalKind.IP_CHANGED, points.ipChanged, baseline.ip, current.ip),
        (SignalKind.ASN_CHANGED, points.asnChanged, baseline.asn, current.asn),
        (SignalKind.REGION_CHANGED, points.regionChanged, baseline.region, current.region),
    ):
        if was is not None and now is not None and was != now:
            signals.append(_raised(kind, worth, was, now, before, source))
    if abrupt_stop is not None:
        signals.append(msgspec.structs.replace(abrupt_stop, points=points.abruptStop))
    return tuple(signals)


def signal_of(signals: Iterable[Signal], kind: SignalKind) -> Signal | None:
    """Return the signal of one kind, or ``None`` while it is not raised."""
    for signal in signals:
        if signal.kind is kind:
            return signal
    return None


def _raised(
    kind: SignalKind, points: int, was: str | int, now: str | int, before: tuple[Signal, ...], source: Source
) -> Signal:
    earlier = signal_of(before, kind)
    if earlier is not None and earlier.to == now:
        return Signal(kind, points, earlier.raisedAt, earlier.evidence, was, now)
    return Signal(kind, points, source.timestamp, source.evidence(), was, now)
