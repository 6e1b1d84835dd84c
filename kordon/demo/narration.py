"""What a person sees of the demo while it plays, and its summary; coloured on a terminal, plain in a pipe."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.text import Text

from kordon.demo.scenario import (
    Act,
    Asks,
    Boots,
    Ordered,
    Place,
    Register,
    Settles,
    Sighted,
    Step,
    WorkerReturns,
    WorkerStops,
)
from kordon.output import console, print_table, remark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.quarantine import QuarantineTransition

_WIDTH: Final = 74
_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Outcome:
    """What came of one step. ``act`` and ``step`` are sentences; ``seconds`` is how long it took.

    ``kind`` is what the summary counts it under.
    """

    kind: str
    act: str
    step: str
    expected: str
    actual: str
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether what came is what the scenario says."""
        return self.expected == self.actual


class Narrator:
    """Prints the demo's progress to stdout, or nothing when ``silent`` (for ``--json``).

    ``pause_seconds`` is how long a person on a terminal gets to read a line; elsewhere there is none.
    """

    def __init__(self, *, silent: bool) -> None:
        self._console = console()
        self._silent = silent
        self.pause_seconds = _PAUSE_SECONDS if self._console.is_terminal and not silent else 0.0

    def stage(self, text: str) -> None:
        """Tell what is being set up or taken down."""
        self._print(Text(f"  · {text}", style="dim"))

    def remark(self, text: str) -> None:
        """Tell a person something on stderr, which ``--json`` does not silence."""
        remark(text)

    def act(self, number: int, act: Act) -> None:
        """Announce an act."""
        self._print(Text(f"\n{number}  {act.title}", style="bold"))

    def outcome(self, outcome: Outcome) -> None:
        """Tell what came of a step."""
        line = Text("   ")
        good = outcome.as_expected
        line.append("✓" if good else "✗", style="green" if good else "bold red")
        line.append(f" {outcome.step}".ljust(_WIDTH))
        line.append(outcome.actual, style=_style(outcome.actual) if good else "bold red")
        if not good:
            line.append(f"   (expected: {outcome.expected})", style="red")
        self._print(line)

    def transition(self, transition: QuarantineTransition) -> None:
        """Show a transition of the background fleet as it is committed."""
        signals = ", ".join(signal.kind.value for signal in transition.signals)
        text = f"     ⇢ {transition.nodeId} {transition.from_.value} → {transition.to.value}, score {transition.score}"
        self._print(Text(f"{text} ({signals})" if signals else text, style="dim"))

    def summary(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Print the outcomes by kind, and whether all were as expected."""
        if self._silent:
            return
        expected = Counter(outcome.kind for outcome in outcomes)
        met = Counter(outcome.kind for outcome in outcomes if outcome.as_expected)
        self._print(Text("\nSummary", style="bold"))
        print_table(("outcome", "expected", "met"), [(kind, number, met[kind]) for kind, number in expected.items()])
        missed = sum(not outcome.as_expected for outcome in outcomes)
        if missed:
            self._print(
                Text(f"\n{missed} of {len(outcomes)} outcomes were not as expected ({seconds:.0f} s).", "bold red")
            )
        else:
            self._print(Text(f"\nAll {len(outcomes)} outcomes were as expected ({seconds:.0f} s).", "bold green"))

    def _print(self, text: Text) -> None:
        if not self._silent:
            self._console.print(text)


def sentence_of(step: Step) -> str:
    """Return a step as a sentence."""
    match step:
        case Register(node, change, credential):
            return f"{node} is {change.value}{f' ({credential})' if change.name == 'ENROL' else ''} by an operator"
        case Boots(node, clean):
            return f"{node} boots after {'a clean' if clean else 'an unclean'} shutdown"
        case Sighted(node, place):
            return f"{node} is seen at {_spot(place)}"
        case Ordered(node, action, _, _, signed):
            return f"{action} of {node} is ordered{'' if signed else ', but not signed'}"
        case Asks(node, _, trick, claims):
            return f"{node} {trick.value}{f', claiming {_spot(claims)}' if claims else ''}"
        case Settles(node):
            return f"{node}'s row after that answer"
        case WorkerStops():
            return "the worker is ended; its progress grows old"
        case WorkerReturns():
            return "the worker starts again, at its checkpoint"


def _spot(place: Place) -> str:
    return f"{place.ip}, AS{place.asn}, {place.region}"


def kind_of(step: Step) -> str:
    """Return what the summary counts a step's outcome under."""
    match step:
        case Register():
            return "registry changes"
        case Ordered(signed=False):
            return "unsigned orders refused"
        case Ordered(action="release"):
            return "releases"
        case Asks(expect=expect):
            return "capsules issued and verified" if "capsule" in expect else f"denied: {expect.partition(',')[0]}"
        case WorkerStops() | WorkerReturns():
            return "worker ended and resumed"
        case Boots(expect=expect) | Sighted(expect=expect) | Settles(expect=expect) | Ordered(expect=expect):
            return "nodes seen quarantined" if expect.startswith("quarantined") else "nodes seen active"


def _style(actual: str) -> str:
    if actual.startswith(("active", "capsule", "the same capsule")):
        return "green"
    return "yellow" if actual.startswith("quarantined") else "cyan"
