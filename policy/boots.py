"""When a node's report begins a new boot, and what that boot says of the last shutdown (design.md section 5, "Boots").

Only a report that begins a boot is judged, so a boot is judged once and a release settles it.
"""

from policy.policy_file import Policy
from policy.scoring import Source
from schemas.risk import RiskRow, Signal, SignalKind
from schemas.telemetry import Telemetry

_SECOND_MILLIS = 1000


def begins_boot(row: RiskRow, report: Telemetry) -> bool:
    """Tell whether a report begins a new boot of its node.

    With a bootId: it is not the last one seen. Without: the answer differs from the last report's (before the first
    report, the answer counts as clean).
    """
    if report.bootId is not None:
        return report.bootId != row.lastBootId
    return report.lastShutdownClean is not (row.lastShutdownClean is not False)


def judge_boot(row: RiskRow, report: Telemetry, before: Signal | None, source: Source, policy: Policy) -> Signal | None:
    """Return the ``abruptStop`` signal after a report: cleared, raised, or ``before`` itself where nothing is judged.

    An unclean boot counts only if recent: record timestamp - observedAt below the policy's window (exclusive).
    """
    if not begins_boot(row, report):
        return before
    if report.lastShutdownClean:
        return None
    if source.timestamp - report.observedAt >= policy.abruptStopWindowSeconds * _SECOND_MILLIS:
        return before
    if before is not None and before.to == report.bootId:
        return before
    return Signal(
        SignalKind.ABRUPT_STOP,
        policy.points.abruptStop,
        source.timestamp,
        source.evidence(),
        row.lastBootId,
        report.bootId,
    )
