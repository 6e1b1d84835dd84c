"""What TLC is asked: the sound model under several faults, and each bug put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

INVARIANTS = (
    "OneSnapshot",
    "TransitionsExactlyOnce",
    "RowsEqualTheFold",
    "ZombiesAreFenced",
    "OneOwnerCommits",
    "RevokeSettles",
    "MembersAreNotFenced",
    "NobodyRefuses",
)
"""What is promised; each stands in docs/model/Copartition.tla with its meaning."""


@dataclass(frozen=True)
class Configuration:
    """One run of the checker.

    ``bugs`` are put back into the model, ``faults`` are how many of each may happen. ``breaks`` is the invariant that
    must have a counterexample, ``None`` where every one of ``invariants`` must hold and every run must end with all
    records folded and committed (no deadlock).
    """

    name: str
    bugs: tuple[str, ...] = ()
    breaks: str | None = None
    invariants: tuple[str, ...] = INVARIANTS
    faults: Mapping[str, int] = field(default_factory=dict)
    records: int = 2

    @property
    def text(self) -> str:
        """The configuration file that TLC reads."""
        faults = {"Crashes": 0, "Evictions": 0, "Heartbeats": 0, "Foreign": 0, "Timeouts": 0} | dict(self.faults)
        bugs = ", ".join(f'"{bug}"' for bug in self.bugs)
        checked = self.invariants if self.breaks is None else (self.breaks,)
        return "\n".join(
            [
                "CONSTANTS",
                "  Workers = {w1, w2}",
                "  None = None",
                f"  Records = {self.records}",
                f"  Mutations = {{{bugs}}}",
                *(f"  Max{fault} = {count}" for fault, count in faults.items()),
                "SPECIFICATION Spec",
                "SYMMETRY Symmetry",
                f"INVARIANTS {' '.join(checked)}",
                f"CHECK_DEADLOCK {'TRUE' if self.breaks is None else 'FALSE'}",
                "",
            ]
        )


QUICK = Configuration("sound, a crash anywhere", faults={"Crashes": 1})
"""The sound model as `make test` checks it."""

SOUND = (
    Configuration("sound, a crash anywhere and a zombie", faults={"Crashes": 1, "Evictions": 1}),
    Configuration("sound, a crash, a foreign transaction", faults={"Crashes": 1, "Foreign": 1, "Heartbeats": 1}),
    Configuration("sound, a zombie, a timed-out transaction", faults={"Evictions": 1, "Timeouts": 1}, records=1),
)
"""The sound model as `make model` checks it, besides."""

BROKEN = (
    # The snapshot bug of docs/faust.md: first what shows at once, then what it comes to.
    Configuration("rows serialised late: no snapshot", ("RowsLate",), "OneSnapshot"),
    Configuration("rows serialised late: counted twice", ("RowsLate",), "RowsEqualTheFold", faults={"Crashes": 1}),
    Configuration(
        "rows serialised late, replay skipped: transitions lost",
        ("RowsLate", "ReplayGuard"),
        "TransitionsExactlyOnce",
        faults={"Crashes": 1},
    ),
    Configuration("offsets first: transitions lost", ("OffsetsFirst",), "TransitionsExactlyOnce", records=1),
    Configuration(
        "progress after the transaction: refused",
        ("ProgressApart",),
        "NobodyRefuses",
        faults={"Crashes": 1},
        records=1,
    ),
    Configuration(
        "refused without asking for the fence: for nothing",
        ("FenceUnasked",),
        "NobodyRefuses",
        faults={"Evictions": 1},
        records=1,
    ),
    Configuration("no fencing: a zombie commits", ("NoFence",), "ZombiesAreFenced", faults={"Evictions": 1}, records=1),
    Configuration("no fencing: two owners commit", ("NoFence",), "OneOwnerCommits", faults={"Evictions": 1}, records=1),
    Configuration(
        "no fencing: transitions doubled", ("NoFence",), "TransitionsExactlyOnce", faults={"Evictions": 1}, records=1
    ),
    Configuration(
        "fenced after restoring: overtaken", ("FenceLast",), "OneOwnerCommits", faults={"Evictions": 1}, records=1
    ),
    Configuration(
        "read to the last stable offset: rows lost",
        ("LastStableOffset",),
        "RowsEqualTheFold",
        faults={"Crashes": 1, "Foreign": 1},
    ),
    Configuration("commits go on while revoked: unsettled", ("Unsuspended",), "RevokeSettles", records=1),
    Configuration("commits go on while revoked: fenced", ("Unsuspended",), "MembersAreNotFenced", records=1),
    Configuration(
        "kept over a skipped generation: fenced",
        ("KeptOverSkippedGenerations",),
        "MembersAreNotFenced",
        faults={"Evictions": 1},
        records=1,
    ),
)
"""Each bug, and the promises that it breaks, the one that shows first before the others."""

FIRST_BROKEN = tuple({one.bugs: one for one in reversed(BROKEN)}.values())
"""Of each bug the promise that shows first, as `make test` checks it; `make model` checks all."""

UNSEEN = Configuration(
    "rows serialised late, replay skipped: every row equal",
    ("RowsLate", "ReplayGuard"),
    invariants=("RowsEqualTheFold",),
    faults={"Crashes": 1},
)
"""Why the transitions are judged and not the rows alone: they are lost with every row equal."""

ALL = (QUICK, *SOUND, UNSEEN, *BROKEN)
