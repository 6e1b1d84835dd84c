"""When a co-partition commits next, as a decision of its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_IN_ANY_CASE: Final = 0.25
_SPARING: Final = 1.25
_AT_REST: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class CommitIntervals:
    """Seconds from the beginning of a co-partition's commit to that of its next.

    ``commit`` is that of a fold which keeps up, ``urgent`` that of one which holds something that somebody waits for,
    if that is shorter. One that lags behind commits every ``catch_up`` s, if that is longer: nobody waits for old
    records by the millisecond, transactions become few, and a row that changes often is written less often. A large
    fleet whose every record changes another row spares no row by that and would only be done later: it commits every
    quarter of ``catch_up``. Without news, ``progress`` s after the last commit.
    """

    commit: float
    urgent: float
    catch_up: float
    progress: float

    def pauses(self, took: float) -> tuple[float, float]:
        """Return the seconds to rest in any case, and those to rest after them until something is urgent.

        ``took`` is what the last commit took, in s; 0 if there was none. The rest is never less than a third of the
        interval: a broker that answers slowly is not helped by being asked all the time.
        """
        at_rest = _rest(self.commit, took)
        in_any_case = min(_rest(self.urgent, took), at_rest)
        return in_any_case, at_rest - in_any_case

    def may_wait(self, since: float, lag_millis: int, uncommitted: int, changed: int) -> bool:
        """Tell whether a fold that has news may wait for longer than ``commit``, ``since`` s after the last commit.

        ``uncommitted`` records were folded since and ``changed`` rows changed; where a row has 1.25 records or more,
        waiting spares rows.
        """
        spares = uncommitted >= _SPARING * changed
        longer = self.catch_up if spares else self.catch_up * _IN_ANY_CASE
        return lag_millis > 0 and since < min(longer, self.progress)


def _rest(interval: float, took: float) -> float:
    return max(interval - took, interval * _AT_REST)
