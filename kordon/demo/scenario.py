"""The story that ``kordon demo`` plays, and what must come of each step.

Expectations are literals. They were written from the design, not computed, and this module knows nothing of the code
that decides: a rule that changes by mistake makes the demo fail.

A step's ``expect`` is the text that :mod:`kordon.demo.director` makes of what it finds:

* of a risk row: ``active 20``, or ``quarantined at 90 by policy``;
* of an answer: ``capsule, risk 20``, ``NODE_REVOKED``, or ``NETWORK_POLICY_VIOLATION, risk 90``;
* of a record that must be refused: ``dead letter``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True)
class Place:
    """Where a node is seen, or claims to be."""

    ip: str
    asn: int
    region: str


class Registration(Enum):
    """What an operator does to a node's registry record."""

    ENROL = "enrolled"
    DISABLE = "disabled"
    ENABLE = "enabled again"
    REVOKE = "revoked"
    REMOVE = "removed"


class Trick(Enum):
    """How a capsule request is made; all but the first two are what an attacker or a broken node would do."""

    HONEST = "asks for a capsule"
    SAME_BYTES = "sends the same request again, byte for byte"
    GARBAGE = "sends what is no request"
    ANOTHER_KEY = "signs with a key that is not enrolled"
    OLD = "sends a request made ten minutes ago"
    REUSED_ID = "reuses a requestId for another request"
    ANOTHER_FINGERPRINT = "asks with a fingerprint that is not its own"


@dataclass(frozen=True)
class Register:
    """An operator writes a signed registry record. It is settled by the requests that follow."""

    node: str
    change: Registration
    credential: str = "ed25519"
    expect: str = "written"


@dataclass(frozen=True)
class Boots:
    """The node reports a new boot; ``clean`` tells of the shutdown before it."""

    node: str
    clean: bool
    expect: str


@dataclass(frozen=True)
class Sighted:
    """An observer sees the node at a place."""

    node: str
    place: Place
    expect: str


@dataclass(frozen=True)
class Ordered:
    """An operator gives a command; unsigned, it must be refused."""

    node: str
    action: str
    reason: str
    expect: str
    signed: bool = True


@dataclass(frozen=True)
class Asks:
    """The node requests a capsule."""

    node: str
    expect: str
    trick: Trick = Trick.HONEST
    claims: Place | None = None


@dataclass(frozen=True)
class Settles:
    """The worker has folded the last decision on the node, which may have changed its row."""

    node: str
    expect: str


@dataclass(frozen=True)
class WorkerStops:
    """The worker is ended, and nothing tells the issuer any more that the rows are fresh."""

    expect: str = "stopped"


@dataclass(frozen=True)
class WorkerReturns:
    """The worker is started again and resumes at its checkpoint."""

    expect: str = "running"


Step = Register | Boots | Sighted | Ordered | Asks | Settles | WorkerStops | WorkerReturns


@dataclass(frozen=True)
class Act:
    """Steps that tell one thing."""

    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Fleet:
    """The simulated nodes in the background, and what must be left of them when all is folded.

    ``forwarded`` are records that their producer put into a wrong partition: they are judged in the right one.

    The records are a function of ``nodes``, ``seed``, ``count`` and ``partitions``, so what comes of them is one too.
    """

    nodes: int
    rate: float
    seed: int
    count: int
    rows: int
    quarantined: int
    dead_letters: int
    forwarded: int


PARTITIONS: Final = 4

FLEET: Final = Fleet(nodes=12, rate=20.0, seed=7, count=300, rows=12, quarantined=5, dead_letters=6, forwarded=33)

HOME: Final = Place("198.51.100.10", 64500, "eu-west-1")
NEW_ADDRESS: Final = Place("198.51.100.77", 64500, "eu-west-1")
ABROAD: Final = Place("198.51.100.10", 64511, "us-east-1")

SCENARIO: Final = (
    Act(
        "Two nodes enrol and get a capsule",
        (
            Register("amber", Registration.ENROL),
            Register("basalt", Registration.ENROL, credential="hmac"),
            Boots("amber", clean=True, expect="active 0"),
            Sighted("amber", HOME, expect="active 0"),
            Asks("amber", expect="capsule, risk 0"),
            Asks("amber", trick=Trick.SAME_BYTES, expect="the same capsule"),
            Asks("basalt", expect="capsule, risk 0"),
        ),
    ),
    Act(
        "What happens to a node is scored",
        (
            Sighted("amber", NEW_ADDRESS, expect="active 20"),
            Asks("amber", expect="capsule, risk 20"),
            Settles("amber", expect="active 0"),
            Register("cobalt", Registration.ENROL),
            Sighted("cobalt", HOME, expect="active 0"),
            Sighted("cobalt", ABROAD, expect="quarantined at 90 by policy"),
            Register("dahlia", Registration.ENROL),
            Boots("dahlia", clean=True, expect="active 0"),
            Boots("dahlia", clean=False, expect="quarantined at 80 by policy"),
        ),
    ),
    Act(
        "A held node gets nothing, until an operator releases it",
        (
            Asks("cobalt", expect="NETWORK_POLICY_VIOLATION, risk 90"),
            Sighted("cobalt", HOME, expect="quarantined at 90 by policy"),
            Ordered("cobalt", "release", "moved with us", signed=False, expect="dead letter"),
            Ordered("cobalt", "release", "moved with us", expect="active 0"),
            Asks("cobalt", expect="capsule, risk 0"),
            Ordered("amber", "quarantine", "under investigation", expect="quarantined at 0 by operator"),
            Asks("amber", expect="NODE_QUARANTINED"),
            Ordered("amber", "release", "cleared", expect="active 0"),
            Asks("amber", expect="capsule, risk 0"),
        ),
    ),
    Act(
        "Whoever asks wrongly is told so, signed",
        (
            Asks("amber", trick=Trick.GARBAGE, expect="MALFORMED_REQUEST"),
            Asks("amber", trick=Trick.ANOTHER_KEY, expect="AUTHENTICATION_FAILED"),
            Asks("nobody", expect="AUTHENTICATION_FAILED"),
            Asks("amber", trick=Trick.OLD, expect="REQUEST_EXPIRED"),
            Asks("amber", trick=Trick.REUSED_ID, expect="REPLAYED_REQUEST"),
            Asks("amber", trick=Trick.ANOTHER_FINGERPRINT, expect="FINGERPRINT_MISMATCH"),
            Register("basalt", Registration.DISABLE),
            Asks("basalt", expect="NODE_DISABLED"),
            Register("basalt", Registration.ENABLE),
            Asks("basalt", expect="capsule, risk 0"),
            Register("basalt", Registration.REVOKE),
            Asks("basalt", expect="NODE_REVOKED"),
            Register("flint", Registration.ENROL),
            Sighted("flint", HOME, expect="active 0"),
            Asks("flint", claims=ABROAD, expect="NETWORK_POLICY_VIOLATION, risk 90"),
            Settles("flint", expect="quarantined at 90 by policy"),
        ),
    ),
    Act(
        "Without the worker nobody is trusted; it resumes where it was",
        (
            WorkerStops(),
            Asks("amber", expect="RISK_STATE_STALE"),
            WorkerReturns(),
            Asks("amber", expect="capsule, risk 0"),
        ),
    ),
)

QUICK: Final = SCENARIO[:3]
"""The acts of `kordon demo --quick`: enrolment, capsules, scores, quarantine, denial and release."""

DENIALS: Final = frozenset(
    {
        "MALFORMED_REQUEST",
        "AUTHENTICATION_FAILED",
        "REQUEST_EXPIRED",
        "REPLAYED_REQUEST",
        "NODE_REVOKED",
        "NODE_DISABLED",
        "FINGERPRINT_MISMATCH",
        "RISK_STATE_STALE",
        "NODE_QUARANTINED",
        "NETWORK_POLICY_VIOLATION",
    }
)
"""Each denial of design.md section 6; a test holds that the story meets all of them."""
